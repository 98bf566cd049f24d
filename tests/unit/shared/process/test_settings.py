"""Edge: what a process takes from its environment, and how it says what is wrong there."""

from pathlib import Path

import pytest

from shared.process.settings import SettingsError, read_clickhouse_settings, read_settings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INSTANCE", "CLICKHOUSE_URL", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
        monkeypatch.delenv(f"SMSGW_{name}", raising=False)
    monkeypatch.setenv("SMSGW_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")


@pytest.mark.parametrize(
    "address", ["kafka", "kafka:9092", "a.example.net:9092, b.example.net:9093", "[::1]:9092", "10.0.0.1:65535"]
)
def test_addresses_of_kafka(address: str) -> None:
    assert read_settings(kafka_bootstrap_servers=address).kafka_bootstrap_servers == address


@pytest.mark.parametrize(
    "address", ["http://h:abc", "h:0", "http://h:0", "http://h:70000", "h", "//h:8123", "ftp://h", "http://", ""]
)
def test_no_address_of_clickhouse(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_clickhouse_settings(clickhouse_url=address)
    sentence = f"SMSGW_CLICKHOUSE_URL: {address!r} is no address of the form http://host:port"
    assert str(caught.value) == sentence
    with pytest.raises(SettingsError):
        read_settings(clickhouse_url=address)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "foo:bar", "'foo:bar' is no address of the form host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "foo:9092,", "'' is no address"),
        ("KAFKA_BOOTSTRAP_SERVERS", "foo:0", "'foo:0' is no address"),
        ("KAFKA_BOOTSTRAP_SERVERS", "foo:70000", "'foo:70000' is no address"),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://foo:9092", "is no address"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "input should be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
        ("INSTANCE", "a b", "'a b' is no instance id: at most 40 letters, digits, and the signs _ . -"),
        ("INSTANCE", "x" * 41, "is no instance id"),
        ("INSTANCE", "a/b", "'a/b' is no instance id: at most 40 letters, digits"),
        ("INSTANCE", "../../etc", "is no instance id"),
        ("INSTANCE", "..", "is no instance id"),
        ("INSTANCE", "a|1", "is no instance id"),
        ("INSTANCE", "a\u202eb", r"'a\u202eb' is no instance id"),
        ("INSTANCE", "y" * 200, f"'{'y' * 60}'... (200 characters) is no instance id: at most 40"),
        ("HTTP_PORT", "70000", "less than or equal to 65535"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SMSGW_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"SMSGW_{name}: ")
    assert sentence in line


def test_no_kafka_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMSGW_KAFKA_BOOTSTRAP_SERVERS")
    with pytest.raises(SettingsError, match=r"^SMSGW_KAFKA_BOOTSTRAP_SERVERS: is not set$"):
        read_settings()


def test_sasl_needs_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert str(caught.value).splitlines() == [
        "SMSGW_KAFKA_SASL_USERNAME: is missing, and SASL_PLAINTEXT needs it",
        "SMSGW_KAFKA_SASL_PASSWORD: is missing, and SASL_PLAINTEXT needs it",
    ]
    assert read_settings(kafka_sasl_username="u", kafka_sasl_password="p").kafka_sasl_username == "u"


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot read {}: No such file or directory"), ("hello", "{} has no certificates")]
)
def test_authorities_that_cannot_be_read(content: str | None, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        read_settings(kafka_security_protocol="SSL", kafka_ssl_cafile=file)
    assert str(caught.value).startswith(f"SMSGW_KAFKA_SSL_CAFILE: {sentence.format(file)}")
    assert read_settings(kafka_ssl_cafile=file).kafka_ssl_cafile == file, "not used without SSL"
