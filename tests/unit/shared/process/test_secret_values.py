"""Edge: secrets are read when needed, only those that are meant for it, and a missing one is named but never told."""

import os
from pathlib import Path

import pytest

from schemas.gateway.values import SecretRef
from shared.process import secret_values
from shared.process.secret_values import SECRET_OCTETS_MAX, MissingSecret, fingerprint, read_secret


def in_folder(folder: Path) -> dict[str, str]:
    return {"SMSGW_SECRET_DIR": str(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of secrets, beside a file that is none."""
    (tmp_path / "private").write_text("not for you")
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


def test_from_the_environment() -> None:
    assert read_secret(SecretRef(env="SMSGW_SECRET_ACME"), {"SMSGW_SECRET_ACME": "s3cret "}) == "s3cret "


@pytest.mark.parametrize("listed", ["ACME", "OTHER, ACME", ",ACME ,"])
def test_a_variable_of_another_name_must_be_listed(listed: str) -> None:
    assert read_secret(SecretRef(env="ACME"), {"ACME": "s3cret", "SMSGW_SECRET_ENV": listed}) == "s3cret"


@pytest.mark.parametrize("listed", ["", "ACM", "ACMES", "A,C,M,E"])
@pytest.mark.parametrize("value", [{"ACME": "s3cret"}, {}])
def test_one_that_is_not_listed_is_refused_whether_it_is_set_or_not(listed: str, value: dict[str, str]) -> None:
    with pytest.raises(MissingSecret, match=r"ACME is not read: .* SMSGW_SECRET_ENV does not list it") as caught:
        read_secret(SecretRef(env="ACME"), value | {"SMSGW_SECRET_ENV": listed})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["SMSGW_SECRET_ENV", "SMSGW_SECRET_DIR", "SMSGW_KAFKA_SASL_PASSWORD", "PATH"])
def test_what_configures_the_gateway_is_no_secret_of_a_connector(name: str) -> None:
    with pytest.raises(MissingSecret, match="is not read"):
        read_secret(SecretRef(env=name), {name: "x"})


def test_from_a_file_without_its_last_line_end(folder: Path) -> None:
    for written, read in (("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")):
        (folder / "secret").write_bytes(written.encode())
        assert read_secret(SecretRef(file="secret"), in_folder(folder)) == read
        assert read_secret(SecretRef(file=str(folder / "secret")), in_folder(folder)) == read


def test_links_within_the_folder_are_followed(folder: Path) -> None:
    """As a cluster mounts them: `acme` leads to `..data/acme`, and that to a folder of today's."""
    (folder / "..today").mkdir()
    (folder / "..today" / "acme").write_text("s3cret")
    (folder / "..data").symlink_to("..today")
    (folder / "acme").symlink_to("..data/acme")
    assert read_secret(SecretRef(file="acme"), in_folder(folder)) == "s3cret"


def test_nothing_outside_of_the_folder_is_read(folder: Path) -> None:
    (folder / "link").symlink_to("../private")
    (folder / "away").symlink_to("..")
    (folder / "twin").symlink_to(folder.parent / "secrets-of-others")
    (folder.parent / "secrets-of-others").write_text("not for you")
    names = ["link", "away/private", "twin", "../private", "./../private", "x/../secret", "/etc/passwd", ".",
             "/proc/self/environ", str(folder.parent / "private"), str(folder)]  # fmt: skip
    for name in names:
        with pytest.raises(MissingSecret, match=r"is not read: it is not below .* \(SMSGW_SECRET_DIR ") as caught:
            read_secret(SecretRef(file=name), in_folder(folder))
        assert "not for you" not in str(caught.value)


def test_below_the_folder_of_the_system_only_files_directly_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster keeps the token of the process itself in a folder there."""
    (folder / "kubernetes.io").mkdir()
    (folder / "kubernetes.io" / "token").write_text("the cluster's")
    (folder / "token").symlink_to("kubernetes.io/token")
    (folder / "acme").write_text("s3cret")
    monkeypatch.setattr(secret_values, "DEFAULT_DIR", folder)
    assert read_secret(SecretRef(file="acme"), {}) == "s3cret"
    for name in ("kubernetes.io/token", "token"):
        with pytest.raises(MissingSecret, match="only files directly in"):
            read_secret(SecretRef(file=name), {})
        assert read_secret(SecretRef(file=name), in_folder(folder)) == "the cluster's"


def test_what_is_no_plain_file_does_not_hold_up_a_bind(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "long").write_bytes(b"x" * (SECRET_OCTETS_MAX + 1))
    for name, problem in (
        ("pipe", "is no plain file"),
        ("folder", "irectory|no plain file"),
        ("long", "is longer than"),
    ):
        with pytest.raises(MissingSecret, match=problem):
            read_secret(SecretRef(file=name), in_folder(folder))


def test_a_fingerprint_changes_with_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = SecretRef(env="SMSGW_SECRET_ACME")
    monkeypatch.delenv("SMSGW_SECRET_ACME", raising=False)
    assert fingerprint(acme) is None
    monkeypatch.setenv("SMSGW_SECRET_ACME", "one")
    first = fingerprint(acme)
    assert first == fingerprint(acme)
    monkeypatch.setenv("SMSGW_SECRET_ACME", "two")
    assert fingerprint(acme) != first


def test_a_missing_one_is_named(folder: Path) -> None:
    with pytest.raises(MissingSecret, match="environment variable SMSGW_SECRET_NOWHERE is not set"):
        read_secret(SecretRef(env="SMSGW_SECRET_NOWHERE"), {})
    with pytest.raises(MissingSecret, match="No such file"):
        read_secret(SecretRef(file="none"), in_folder(folder))
    with pytest.raises(MissingSecret, match="no file can have this name"):
        read_secret(SecretRef(file="a\0b"), in_folder(folder))
    (folder / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(MissingSecret, match="no UTF-8") as caught:
        read_secret(SecretRef(file="binary"), in_folder(folder))
    assert "xff" not in str(caught.value)
