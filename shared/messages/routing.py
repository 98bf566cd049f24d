"""Pure: the running configuration as ingress asks it: accounts, connectors in use, and the first matching route.

A `GatewayView` is made once per configuration. First match wins, in the order of the file. For each account and lane
that occurs, the routes are turned into a table from prefix to the lowest number of a route that has it, so that
choosing costs one look-up per length of prefix, however many routes there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from schemas.gateway.accounts import Account
from schemas.gateway.file import AppliedConfig
from schemas.gateway.routes import Route
from schemas.wire import Lane
from shared.messages.connector_profile import profile_of
from shared.sms.message import ConnectorProfile

RouteReason: TypeAlias = str
"""`unknown_connector` or `no_route`."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a message goes."""

    connector_id: str
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class NotRouted:
    """Why it goes nowhere: a reason of `schemas.reasons`, and the field if one is to blame."""

    reason: RouteReason
    field: str | None = None


class _RouteTable:
    """The routes of one account and lane: number of the first route by prefix, and connectors by number."""

    __slots__ = ("_by_prefix", "_lengths")

    def __init__(self, routes: Sequence[tuple[int, Route]]) -> None:
        self._by_prefix: Final[dict[str, int]] = {}
        for number, route in routes:
            for prefix in ("",) if route.match.prefix is None else route.match.prefix:
                self._by_prefix.setdefault(prefix.removeprefix("+"), number)
        self._lengths: Final = sorted({len(prefix) for prefix in self._by_prefix})

    def first(self, to: str) -> int | None:
        """The number of the first route that matches, in the order of the file."""
        best: int | None = None
        for length in self._lengths:
            number = self._by_prefix.get(to[:length])
            if number is not None and (best is None or number < best):
                best = number
        return best


class GatewayView:
    """What ingress knows of one configuration. Numbers are digits without a plus sign."""

    def __init__(self, applied: AppliedConfig | None) -> None:
        """`applied` None: nothing has been configured yet, so every account is unknown."""
        gateway = applied.gateway if applied else None
        draining = {d.connector.id for d in applied.draining} if applied else set()
        self.hash: Final = applied.hash if applied else ""
        self.accounts: Final[dict[str, Account]] = {a.id: a for a in gateway.accounts} if gateway else {}
        self._in_use: Final = {c.id: c for c in gateway.connectors if c.id not in draining} if gateway else {}
        self._profiles: Final[dict[str, ConnectorProfile]] = {}
        self._routes: Final = gateway.routes if gateway else ()
        self._usable: Final = [self._usable_of(route) for route in self._routes]
        self._tables: Final[dict[tuple[str, str], _RouteTable]] = {}

    def _usable_of(self, route: Route) -> tuple[str, ...]:
        named = (*(target.connector for target in route.to), *route.fallback)
        return tuple(dict.fromkeys(c for c in named if c in self._in_use))

    def choose(self, to: str, account_id: str, lane: Lane, pinned: str | None = None) -> Chosen | NotRouted:
        """The connector of a new message: the pinned one, else the first in use of the first route that matches."""
        if pinned is not None:
            return Chosen(pinned, True) if pinned in self._in_use else NotRouted("unknown_connector", "connector_id")
        candidates = self.candidates(to, account_id, lane)
        return Chosen(candidates[0]) if candidates else NotRouted("no_route")

    def profile(self, connector_id: str) -> ConnectorProfile:
        """How a connector in use wants its octets. Raises KeyError for any other."""
        profile = self._profiles.get(connector_id)
        if profile is None:
            profile = self._profiles[connector_id] = profile_of(self._in_use[connector_id].options)
        return profile

    def candidates(self, to: str, account_id: str, lane: Lane) -> tuple[str, ...]:
        """The connectors in use of the first route that matches: targets in order, then fallbacks; may be empty."""
        table = self._tables.get((account_id, lane))
        if table is None:
            table = self._compile(account_id, lane)
        number = table.first(to)
        return () if number is None else self._usable[number]

    def _compile(self, account_id: str, lane: Lane) -> _RouteTable:
        fitting = [
            (number, route)
            for number, route in enumerate(self._routes)
            if (route.match.account is None or account_id in route.match.account)
            and (route.match.lane is None or lane in route.match.lane)
        ]
        table = _RouteTable(fitting)
        if account_id in self.accounts:  # others would let the cache grow with what clients make up
            self._tables[account_id, lane] = table
        return table
