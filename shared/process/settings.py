"""Edge: what a process takes from its environment; the same names in a shell, in compose and on Kubernetes."""

import re
import ssl
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.kafka_prefix import KAFKA_PREFIX

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(?::(\d{1,5}))?")
_INSTANCE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,39})?")
_INSTANCE_FORM = "at most 40 letters, digits, and the signs _ . -, the first one a letter or digit"

KEPT = ("events", "messages", "numbers", "hours", "minutes")
"""What `SMSGW_CLICKHOUSE_RETENTION` may name."""
RETENTION_DAYS_MAX = 36_500
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,60}")

_SHOWN_MAX = 60
"""Characters of a wrong value that a sentence repeats."""


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


class SettingsError(Exception):
    """The environment is wrong; the message has one line per mistake. Not retryable: exit code 2."""


class ClickHouseSettings(BaseSettings):
    """Where ClickHouse is: all that a command needs which only queries."""

    model_config = SettingsConfigDict(
        env_prefix="SMSGW_", frozen=True, extra="ignore", env_ignore_empty=True, validate_default=True
    )

    clickhouse_url: str = "http://127.0.0.1:8123"
    clickhouse_user: str = "default"
    clickhouse_password: str = ""
    clickhouse_cafile: Path | None = Field(default=None, description="Whom to trust behind https; else the system's")

    @field_validator("clickhouse_cafile")
    @classmethod
    def _clickhouse_authorities(cls, value: Path | None) -> Path | None:
        return _trusted(value)

    @field_validator("clickhouse_url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number, or too large
            good = False
        if not good:
            raise ValueError(f"{value!r} is no address of the form http://host:port")
        return value


class Settings(ClickHouseSettings):
    """`SMSGW_*`. Addresses have no default on purpose: a service never guesses which Kafka it belongs to."""

    kafka_bootstrap_servers: str = Field(min_length=1)
    kafka_cluster_id: str = Field(default="", description="The cluster that must answer; empty = any")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_prefix: str = Field(default="", description="Before the names of topics, groups and transactional ids")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = None
    kafka_sasl_oauth_token_endpoint_url: str | None = None
    kafka_sasl_oauth_client_id: str | None = None
    kafka_sasl_oauth_client_secret: str | None = None
    kafka_sasl_oauth_scope: str = ""
    kafka_sasl_oauth_cafile: Path | None = None
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_password: str | None = Field(default=None, description="Of the file with the key")
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_certfile: Path | None = Field(default=None, description="Who we are (PEM); the key may be in it, too")
    kafka_request_timeout_ms: int = Field(
        default=40_000, ge=1_000, description="For how long a broker may leave a request unanswered"
    )
    data_dir: Path = Path(".smsgw")
    instance: str = ""
    http_host: str = Field(default="", description="Address of health and metrics; empty = all of this machine's")
    http_port: int = Field(default=0, ge=0, le=65_535, description="Health and metrics; 0 = any free port")
    clickhouse_retention: str = Field(
        default="", description="For how many days the recorder lets ClickHouse keep what, as in events=90,hours=1100"
    )
    leave_groups: bool = Field(default=False, description="On a stop, leave the consumer groups for good")
    internal_errors_max: int = Field(
        default=20, ge=1, description="Records in a row that may end in a mistake of ours before the consumer stops"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in value.split(","):
            found = _ADDRESS.fullmatch(address.strip())
            if found is None or not 0 < int(found[2] or 9092) < 65_536:
                raise ValueError(f"{address.strip()!r} is no address of the form host:port")
        return value

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _credentials(cls, value: str | None, info: ValidationInfo) -> str | None:
        protocol = str(info.data.get("kafka_security_protocol", ""))
        if protocol.startswith("SASL") and info.data.get("kafka_sasl_mechanism") != "OAUTHBEARER" and not value:
            raise ValueError(f"is missing, and {protocol} needs it")
        return value

    @field_validator(
        "kafka_sasl_oauth_token_endpoint_url", "kafka_sasl_oauth_client_id", "kafka_sasl_oauth_client_secret"
    )
    @classmethod
    def _token_source(cls, value: str | None, info: ValidationInfo) -> str | None:
        protocol = str(info.data.get("kafka_security_protocol", ""))
        if protocol.startswith("SASL") and info.data.get("kafka_sasl_mechanism") == "OAUTHBEARER":
            if not value:
                raise ValueError("is missing, and OAUTHBEARER needs it")
            if str(info.field_name).endswith("url") and not value.startswith(("http://", "https://")):
                raise ValueError(f"{value!r} is no address of the form https://host/path")
        return value

    @field_validator("kafka_sasl_oauth_cafile")
    @classmethod
    def _authorities_of_tokens(cls, value: Path | None) -> Path | None:
        return _trusted(value)

    @field_validator("kafka_ssl_cafile")
    @classmethod
    def _authorities(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return _trusted(value) if "SSL" in str(info.data.get("kafka_security_protocol", "")) else value

    @field_validator("kafka_ssl_certfile")
    @classmethod
    def _own_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        key_file, password = info.data.get("kafka_ssl_keyfile"), info.data.get("kafka_ssl_password")
        if value is not None and "SSL" in str(info.data.get("kafka_security_protocol", "")):
            try:
                ssl.create_default_context().load_cert_chain(value, key_file, lambda: password or "")
            except ssl.SSLError as error:
                raise ValueError(f"{value} and {key_file or 'its key'}: {_tls_reason(error)}") from None
            except OSError as error:
                raise ValueError(f"cannot read {value} or {key_file or 'its key'}: {error.strerror}") from None
        return value

    @field_validator("kafka_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if _PREFIX.fullmatch(value) is None:
            raise ValueError(f"{value[:_SHOWN_MAX]!r} is no prefix: at most 60 letters, digits, and the signs . _ -")
        if value != KAFKA_PREFIX:
            raise ValueError(f"{value!r} was set after this program had started with {KAFKA_PREFIX!r}")
        return value

    @field_validator("instance")
    @classmethod
    def _name(cls, value: str) -> str:
        if _INSTANCE.fullmatch(value) is None:
            shown = repr(value) if len(value) <= _SHOWN_MAX else f"{value[:_SHOWN_MAX]!r}... ({len(value)} characters)"
            raise ValueError(f"{shown} is no instance id: {_INSTANCE_FORM}")
        return value

    @field_validator("clickhouse_retention")
    @classmethod
    def _retention(cls, value: str) -> str:
        _days_by_name(value)
        return value

    @property
    def retention(self) -> dict[str, int]:
        """Days by what is kept; what is not named is kept for ever."""
        return _days_by_name(self.clickhouse_retention)

    @property
    def static(self) -> bool:
        """Whether this process has a lasting identity in its consumer groups."""
        return self.instance != ""


def _days_by_name(value: str) -> dict[str, int]:
    """`events=90,hours=1100`; raises ValueError."""
    found = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, days = part.partition("=")
        if name not in KEPT:
            raise ValueError(f"{part[:_SHOWN_MAX]!r}: write NAME=DAYS with a name of {', '.join(KEPT)}")
        if not (days.isascii() and days.isdigit() and 2 <= int(days) <= RETENTION_DAYS_MAX):
            raise ValueError(f"{part[:_SHOWN_MAX]!r}: days are a number from 2 to {RETENTION_DAYS_MAX}")
        found[name] = int(days)
    return found


def _trusted(value: Path | None) -> Path | None:
    """Raises ValueError unless it is a file with certificates."""
    if value is not None:
        try:
            ssl.create_default_context(cafile=value)
        except ssl.SSLError:
            raise ValueError(f"{value} has no certificates in PEM form") from None
        except OSError as error:
            raise ValueError(f"cannot read {value}: {error.strerror}") from None
    return value


def _tls_reason(error: ssl.SSLError) -> str:
    """For a person, without the library's place of the error."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is another certificate's"
    if error.reason in {"BAD_DECRYPT", "BAD_PASSWORD_READ"} or "password" in str(error).lower():
        return "the password of the key is wrong"
    return "no certificate and key in PEM form"


def read_settings(**overrides: object) -> Settings:
    """The settings of this process; raises `SettingsError` that names every wrong variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic-settings validates them
    except ValidationError as error:
        raise SettingsError(_sentences(error)) from None


def settings_of(model: type[AnySettings]) -> AnySettings:
    """Further settings of one service; raises `SettingsError` that names every wrong variable."""
    try:
        return model()
    except ValidationError as error:
        raise SettingsError(_sentences(error)) from None


def read_clickhouse_settings(**overrides: object) -> ClickHouseSettings:
    """Only what leads to ClickHouse; raises `SettingsError` that names every wrong variable."""
    try:
        return ClickHouseSettings(**overrides)  # type: ignore[arg-type]  # pydantic-settings validates them
    except ValidationError as error:
        raise SettingsError(_sentences(error)) from None


def _sentences(error: ValidationError) -> str:
    return "\n".join(map(_sentence, error.errors(include_url=False, include_input=False)))


def _sentence(error: Any) -> str:
    name = f"SMSGW_{'_'.join(str(part) for part in error['loc']).upper()}"
    if error["type"] == "missing":
        return f"{name}: is not set"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"
