"""Pure: gateway.yaml as a whole, and `config.gateway`, the record that carries it (docs/options.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.gateway.accounts import Account, claimed_twice
from schemas.gateway.connectors.common import OptionPath
from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.routes import Route
from schemas.gateway.values import Strict, no_truth
from schemas.wire import Wire

INCONSISTENT: Final = "inconsistent"
"""Type of the validation error of parts that do not go together."""

PARTITIONS_MAX: Final = 10_000
"""Of one topic, and likewise of replicas: far beyond what any broker carries."""


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """Parts of the file that do not go together; `path` is the place to change, as keys and 0-based numbers."""

    path: tuple[str | int, ...]
    problem: str


def inconsistencies(
    connectors: Mapping[int, Connector],
    routes: Mapping[int, Route],
    connector_ids: Sequence[str],
    account_ids: Sequence[str],
    accounts: Mapping[int, Account],
) -> list[Inconsistency]:
    """What is wrong between the parts, in the order of the file; parts that are mappings are by their place in it.

    The ids are those of all parts: where some could not be read, the rest is judged all the same.
    """
    return [
        *_repeated("connectors", connector_ids),
        *_provider_differences(connectors),
        *_repeated("accounts", account_ids),
        *_claims(accounts, connector_ids),
        *_undefined(routes, connector_ids),
    ]


def _repeated(part: str, ids: Sequence[str]) -> list[Inconsistency]:
    return [
        Inconsistency((part, place, "id"), f"{name!r} is used twice")
        for place, name in enumerate(ids)
        if name and name in ids[:place]
    ]


def _claims(accounts: Mapping[int, Account], connector_ids: Sequence[str]) -> list[Inconsistency]:
    """Numbers that two entries claim alike, so that nobody knows whose a message is; connectors that are not there."""
    found = [
        Inconsistency(
            ("accounts", place, "numbers", entry), f"account {first!r} has this number, keyword and connector"
        )
        for place, entry, first in claimed_twice(accounts)
    ]
    defined = ", ".join(sorted(set(connector_ids))) or "none"
    return found + [
        Inconsistency(
            ("accounts", place, "numbers", entry, "connector"),
            f"connector {number.connector!r} is not defined (defined: {defined})",
        )
        for place, account in accounts.items()
        for entry, number in enumerate(account.numbers)
        if number.connector is not None and number.connector not in connector_ids
    ]


def _undefined(routes: Mapping[int, Route], connector_ids: Sequence[str]) -> list[Inconsistency]:
    defined = ", ".join(sorted(set(connector_ids))) or "none"
    named = [
        (("routes", number, *path), name)
        for number, route in routes.items()
        for path, name in (
            *((("to", place, "connector"), target.connector) for place, target in enumerate(route.to)),
            *((("fallback", place), name) for place, name in enumerate(route.fallback)),
        )
    ]
    return [
        Inconsistency(path, f"connector {name!r} is not defined (defined: {defined})")
        for path, name in named
        if name not in connector_ids
    ]


def _provider_differences(connectors: Mapping[int, Connector]) -> list[Inconsistency]:
    """Receipts are joined by provider, so its connectors must agree in what join ids depend on."""
    first: dict[tuple[str, OptionPath], tuple[str, object]] = {}
    found = []
    for place, connector in connectors.items():
        for path, mine in connector.same_for_provider().items():
            other, theirs = first.setdefault((connector.provider, path), (connector.id, mine))
            if mine != theirs:
                problem = f"{mine} here and {theirs} at {other}: connectors of one provider cannot differ"
                found.append(Inconsistency(("connectors", place, *path), problem))
    return found


class Gateway(Strict):
    """The file. References between its parts are checked here; a problem names the place."""

    version: Annotated[Literal[1], BeforeValidator(no_truth)] = Field(description="Of the form of this file")
    connectors: tuple[Connector, ...] = Field(default=(), description="Accounts at SMSCs")
    accounts: tuple[Account, ...] = Field(default=(), description="Who may send")
    routes: tuple[Route, ...] = Field(default=(), description="Which message goes where; the first that matches counts")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = inconsistencies(
            dict(enumerate(self.connectors)),
            dict(enumerate(self.routes)),
            [c.id for c in self.connectors],
            [a.id for a in self.accounts],
            dict(enumerate(self.accounts)),
        )
        if found:
            sentences = "; ".join(f"{'.'.join(map(str, f.path))}: {f.problem}" for f in found)
            raise PydanticCustomError(INCONSISTENT, "{sentences}", {"sentences": sentences})
        return self


class Draining(Strict):
    """A removed connector, carried along until its receipts are in."""

    connector: Connector
    removed_at_ms: int
    now: bool = Field(default=False, description="Do not wait for receipts")


class TopicLayout(Strict):
    """How the topics of an installation are laid out: chosen when they are made, fixed from then on."""

    partitions: int = Field(ge=1, le=PARTITIONS_MAX, description="Of every topic that is not one by its nature")
    replication_factor: int = Field(ge=1, le=PARTITIONS_MAX, description="Copies of every partition, on brokers each")
    min_insync: int = Field(
        ge=1, le=PARTITIONS_MAX, description="Copies without which nothing is written (min.insync.replicas)"
    )


class AppliedConfig(Wire):
    """`config.gateway`: the whole configuration as one record, key `gateway`.

    `hash` covers gateway, draining, pruning and topics: records with the same hash mean the same.
    """

    hash: str
    applied_at_ms: int
    applied_by: str = Field(default="", description="Who changed it last: user@host; empty in earlier records")
    gateway: Gateway
    draining: tuple[Draining, ...] = ()
    pruning: tuple[str, ...] = Field(
        default=(), description="Removed connectors whose topics are being deleted; none of them may be defined again"
    )
    topics: TopicLayout | None = Field(
        default=None, description="How the topics are laid out; absent in records of earlier versions"
    )
