"""Edge: what a process takes from its environment; the same names in a shell, in compose and on Kubernetes."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The environment is wrong; the message has one line per mistake. Not retryable: exit code 2."""


class Settings(BaseSettings):
    """`SMSGW_*`. Addresses have no default on purpose: a service never guesses which Kafka it belongs to."""

    model_config = SettingsConfigDict(env_prefix="SMSGW_", frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = Field(min_length=1)
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = None
    kafka_ssl_cafile: Path | None = None
    clickhouse_url: str = "http://127.0.0.1:8123"
    clickhouse_user: str = "default"
    clickhouse_password: str = ""
    data_dir: Path = Path(".smsgw")
    instance: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,40}$")
    http_port: int = Field(default=0, ge=0, le=65_535, description="Health and metrics; 0 = any free port")
    leave_groups: bool = Field(default=False, description="On a stop, leave the consumer groups for good")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def static(self) -> bool:
        """Whether this process has a lasting identity in its consumer groups."""
        return self.instance != ""


def read_settings(**overrides: object) -> Settings:
    """The settings of this process; raises `SettingsError` that names every wrong variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic-settings validates them
    except ValidationError as error:
        lines = [
            f"SMSGW_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg'].lower()}"
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None
