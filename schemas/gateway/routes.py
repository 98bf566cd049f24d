"""Pure: which message goes where."""

from typing import Annotated

from pydantic import Field, field_validator

from schemas.gateway.values import ConnectorId, Strict, Whole
from schemas.wire import Lane

Prefix = Annotated[str, Field(pattern=r"^\+?[0-9]{0,15}$")]


def _listed(value: object) -> object:
    """One value as a list of one; a bare prefix like 44 is a number to YAML and text to us."""
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else [value]
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]


class Match(Strict):
    """All that is given must match; a list means any of."""

    prefix: tuple[Prefix, ...] | None = Field(
        default=None, description="How the destination begins, in digits; one or a list; any unless given"
    )
    account: tuple[str, ...] | None = Field(
        default=None, description="Whose message it is; one or a list; any unless given"
    )
    lane: tuple[Lane, ...] | None = Field(default=None, description="Its lane; one or a list; any unless given")

    @field_validator("prefix", "account", "lane", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _listed(value)


class Target(Strict):
    """One connector of a route."""

    connector: ConnectorId = Field(description="Id of a connector of this file")
    weight: Whole = Field(
        default=1, ge=1, le=1_000_000, description="Its part of the traffic; this version takes the first target in use"
    )


class Route(Strict):
    """First match wins."""

    match: Match = Field(default=Match(), description="What it is for, see below; everything unless given")
    to: tuple[Target, ...] = Field(min_length=1, description="Where it goes, see below")
    fallback: tuple[ConnectorId, ...] = Field(
        default=(), description="Connectors to take where none of `to` is in use, in order"
    )
