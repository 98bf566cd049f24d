"""Pure: which message goes where."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator

from schemas.gateway.values import ConnectorId, Strict, Whole
from schemas.gateway.windows import DailyWindow, TimeZoneName
from schemas.requests import Sender, sender_as_sent
from schemas.wire import Lane

Prefix = Annotated[str, Field(pattern=r"^\+?[0-9]{0,15}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


def _known_policy(value: object) -> object:
    if value == "cheapest":
        raise ValueError("'cheapest' needs prices, which this version does not have; allowed: weighted, first")
    return value


RoutePolicy: TypeAlias = Annotated[Literal["weighted", "first"], BeforeValidator(_known_policy)]


def _listed(value: object) -> object:
    """One value as a list of one; a bare prefix like 44 is a number to YAML and text to us."""
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else [value]
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]


class MatchTime(DailyWindow):
    """When a route is taken."""

    timezone: TimeZoneName = Field(default="UTC", description="Whose clock counts (`Europe/London`)")


class Match(Strict):
    """All that is given must match; a list means any of."""

    prefix: tuple[Prefix, ...] | None = Field(
        default=None, description="How the destination begins, in digits; one or a list; any unless given"
    )
    account: tuple[str, ...] | None = Field(
        default=None, description="Whose message it is; one or a list; any unless given"
    )
    lane: tuple[Lane, ...] | None = Field(default=None, description="Its lane; one or a list; any unless given")
    country: tuple[Country, ...] | None = Field(
        default=None,
        description="Country of the destination by its longest known prefix, ISO 3166 (`GB`); one or a list; any "
        "unless given",
    )
    sender: tuple[Sender, ...] | None = Field(
        default=None,
        description="Exact sender, that of the request or else the account's, without `+`; one or a list; any "
        "unless given",
    )

    time: MatchTime | None = Field(default=None, description="When it is routed, see below; at any time unless given")

    @field_validator("prefix", "account", "lane", "country", "sender", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _listed(value)

    @field_validator("sender")
    @classmethod
    def _as_sent(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(map(sender_as_sent, value))


class Target(Strict):
    """One connector of a route."""

    connector: ConnectorId = Field(description="Id of a connector of this file")
    weight: Whole = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="Its part of the traffic, among the weights of the targets in use; 0: none, while another has some",
    )


class Route(Strict):
    """First match wins."""

    match: Match = Field(default=Match(), description="What it is for, see below; everything unless given")
    to: tuple[Target, ...] = Field(min_length=1, description="Where it goes, see below")
    policy: RoutePolicy = Field(
        default="weighted",
        description="`weighted`: shared out by weight, a message always alike; `first`: the first of `to` in use",
    )
    fallback: tuple[ConnectorId, ...] = Field(
        default=(), description="Connectors to take where none of `to` is in use, in order"
    )

    @field_validator("to")
    @classmethod
    def _some_weight(cls, value: tuple[Target, ...]) -> tuple[Target, ...]:
        if not any(target.weight for target in value):
            raise ValueError("the weights sum to zero; allowed: 0 to 1000000, at least one above 0")
        return value
