"""Edge: secrets are read when needed, and a missing one is named but never told."""

from pathlib import Path

import pytest

from schemas.gateway.values import SecretRef
from services.binder.credentials import MissingSecret, fingerprint, read_secret


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME", "s3cret ")
    assert read_secret(SecretRef(env="ACME")) == "s3cret "


def test_from_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    for written, read in (("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")):
        (tmp_path / "secret").write_bytes(written.encode())
        assert read_secret(SecretRef(file=str(tmp_path / "secret"))) == read


def test_a_fingerprint_changes_with_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME", raising=False)
    assert fingerprint(SecretRef(env="ACME")) is None
    monkeypatch.setenv("ACME", "one")
    first = fingerprint(SecretRef(env="ACME"))
    assert first == fingerprint(SecretRef(env="ACME"))
    monkeypatch.setenv("ACME", "two")
    assert fingerprint(SecretRef(env="ACME")) != first


def test_a_missing_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(MissingSecret, match="environment variable NOWHERE is not set"):
        read_secret(SecretRef(env="NOWHERE"))
    with pytest.raises(MissingSecret, match="No such file"):
        read_secret(SecretRef(file=str(tmp_path / "none")))
    with pytest.raises(MissingSecret, match="no file can have this name"):
        read_secret(SecretRef(file="a\0b"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(MissingSecret, match="no UTF-8") as caught:
        read_secret(SecretRef(file=str(tmp_path / "binary")))
    assert "xff" not in str(caught.value)
