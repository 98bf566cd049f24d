"""Pure: the running configuration as ingress asks it: accounts, connectors in use, and the first matching route.

A `GatewayView` is made once per configuration. First match wins, in the order of the file. For each account and lane
that occurs, the routes are turned into a table from prefix to the lowest number of a route that has it, so that
choosing costs one look-up per length of prefix, however many routes there are. Routes that also ask for a country, a
sender or the time stand in that table before the route that decides without.

Which target of a route takes a message is a function of its message_id and of the targets in use (docs/routing.md).
"""

from bisect import bisect_right
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

from schemas.gateway.accounts import Account
from schemas.gateway.file import AppliedConfig
from schemas.gateway.routes import Match, Route
from schemas.wire import Lane
from shared.messages.connector_profile import profile_of
from shared.messages.quiet_hours import WindowClock
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


class Destination(NamedTuple):
    """What routes ask of a message beside its account and lane: number and sender without a plus sign, country as in
    `message_state`, empty where there is none.
    """

    to: str
    country: str = ""
    sender: str = ""
    at_ms: int = 0
    """When it is routed, for routes that ask for the time."""


def fits(match: Match, where: Destination, clock: WindowClock) -> bool:
    """Whether country and sender are among those that `match` asks for, and the time is."""
    return (
        (match.country is None or where.country in match.country)
        and (match.sender is None or where.sender in match.sender)
        and (match.time is None or clock.judge(match.time, (match.time.timezone,), where.at_ms).inside)
    )


class _RouteTable:
    """The routes of one account and lane: for each prefix the numbers of its routes, up to the first that asks for
    nothing else.
    """

    __slots__ = ("_asking", "_by_prefix", "_clock", "_lengths")

    def __init__(self, routes: Sequence[tuple[int, Route]]) -> None:
        self._clock: Final = WindowClock()
        self._asking: Final = {
            number: route.match
            for number, route in routes
            if (route.match.country, route.match.sender, route.match.time) != (None, None, None)
        }
        found: dict[str, list[int]] = {}
        for number, route in routes:
            for prefix in ("",) if route.match.prefix is None else route.match.prefix:
                numbers = found.setdefault(prefix.removeprefix("+"), [])
                if not numbers or numbers[-1] in self._asking:
                    numbers.append(number)
        self._by_prefix: Final = {prefix: tuple(numbers) for prefix, numbers in found.items()}
        self._lengths: Final = sorted({len(prefix) for prefix in self._by_prefix})

    def first(self, where: Destination) -> int | None:
        """The number of the first route that matches, in the order of the file."""
        best: int | None = None
        asking = self._asking
        for length in self._lengths:
            for number in self._by_prefix.get(where.to[:length], ()):
                if best is not None and number >= best:
                    break
                if number not in asking or fits(asking[number], where, self._clock):
                    best = number
                    break
        return best


class _Shares:
    """The targets of a route that are in use, and how its messages are shared out among them."""

    __slots__ = ("_ends", "_ids", "_total")

    def __init__(self, route: Route, in_use: Container[str]) -> None:
        targets = [target for target in route.to if target.connector in in_use]
        weighed = [target for target in targets if target.weight] if route.policy == "weighted" else targets[:1]
        weighed = weighed or targets[:1]
        self._ids: Final = tuple(target.connector for target in weighed)
        self._ends: Final = tuple(accumulate(max(1, target.weight) for target in weighed))
        self._total: Final = self._ends[-1] if weighed else 0

    def of(self, message_id: str) -> str | None:
        """The connector of this message, the same at every time; None: none of the targets is in use."""
        if len(self._ids) <= 1:
            return self._ids[0] if self._ids else None
        point = crc32(message_id.encode()) * self._total >> 32
        return self._ids[bisect_right(self._ends, point)]

    def parts(self) -> dict[str, float]:
        """Each connector's part of the traffic, in percent."""
        before = (0, *self._ends)
        found: dict[str, float] = {}
        for name, start, end in zip(self._ids, before, self._ends, strict=False):
            found[name] = found.get(name, 0.0) + 100 * (end - start) / self._total
        return found


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
        self._shares: Final = [_Shares(route, self._in_use) for route in self._routes]
        self._tables: Final[dict[tuple[str, str], _RouteTable]] = {}

    def _usable_of(self, route: Route) -> tuple[str, ...]:
        named = (*(target.connector for target in route.to), *route.fallback)
        return tuple(dict.fromkeys(c for c in named if c in self._in_use))

    def choose(
        self, where: Destination, account_id: str, lane: Lane, message_id: str, pinned: str | None = None
    ) -> Chosen | NotRouted:
        """The connector of a new message: the pinned one, else by the policy of the first route that matches; where
        none of its targets is in use, its first fallback that is.
        """
        if pinned is not None:
            return Chosen(pinned, True) if pinned in self._in_use else NotRouted("unknown_connector", "connector_id")
        number = self.route(where, account_id, lane)
        if number is None or not (usable := self._usable[number]):
            return NotRouted("no_route")
        return Chosen(self._shares[number].of(message_id) or usable[0])

    def parts(self, number: int) -> dict[str, float]:
        """What each connector gets of the messages of route `number` (0-based), in percent; empty: none can go."""
        if parts := self._shares[number].parts():
            return parts
        return dict.fromkeys(self._usable[number][:1], 100.0)

    def profile(self, connector_id: str) -> ConnectorProfile:
        """How a connector in use wants its octets. Raises KeyError for any other."""
        profile = self._profiles.get(connector_id)
        if profile is None:
            profile = self._profiles[connector_id] = profile_of(self._in_use[connector_id].options)
        return profile

    def candidates(self, where: Destination, account_id: str, lane: Lane) -> tuple[str, ...]:
        """The connectors in use of the first route that matches: targets in order, then fallbacks; may be empty."""
        number = self.route(where, account_id, lane)
        return () if number is None else self._usable[number]

    def route(self, where: Destination, account_id: str, lane: Lane) -> int | None:
        """The number of the first route that matches, from 0."""
        table = self._tables.get((account_id, lane))
        if table is None:
            table = self._compile(account_id, lane)
        return table.first(where)

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
