"""Edge: what the HTTP door takes from its environment."""

import ipaddress
import re
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?")


class ApiSettings(BaseSettings):
    """`SMSGW_API_*`. Lists have commas between."""

    model_config = SettingsConfigDict(env_prefix="SMSGW_", extra="ignore", env_ignore_empty=True)

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65_535, description="0 = any free port")
    api_tls_cert: Path | None = None
    api_tls_key: Path | None = None
    api_connections_max: int = Field(default=10_000, ge=1, description="Beyond it idle ones are closed")
    api_trusted_proxies: str = Field(default="", description="Whose X-Forwarded-For is believed")

    api_cors_origins: str = Field(default="", description="Whose pages may ask from a browser; * = everybody's")

    @field_validator("api_cors_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for part in _parts(value):
            if part != "*" and _ORIGIN.fullmatch(part) is None:
                raise ValueError(f"{part!r} is no origin of the form https://host or https://host:port")
        return value

    @field_validator("api_trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in _parts(value):
            try:
                ipaddress.ip_network(part)
            except ValueError:
                raise ValueError(f"{part!r} is no address and no network") from None
        return value

    @field_validator("api_tls_cert", "api_tls_key")
    @classmethod
    def _readable(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"{value} is no file")
        if info.field_name == "api_tls_key" and (value is None) != (info.data.get("api_tls_cert") is None):
            raise ValueError("certificate and key belong together: give both or none")
        return value

    @cached_property
    def trusted(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(part) for part in _parts(self.api_trusted_proxies))

    @cached_property
    def origins(self) -> list[str]:
        return _parts(self.api_cors_origins)

    @property
    def leaves_the_machine_in_plain(self) -> bool:
        """Whether keys and texts can be read on a network."""
        return self.api_tls_cert is None and not (
            self.api_host in {"localhost", "::1"} or self.api_host.startswith("127.")
        )


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
