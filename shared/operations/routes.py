"""Pure: which route a message would take, and why each of the others does not."""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

from schemas.gateway.file import AppliedConfig
from schemas.gateway.routes import Match, Route
from schemas.requests import is_destination, is_short_code, sender_as_sent
from schemas.wire import LANES, Lane
from shared.messages.country import country_table
from shared.messages.quiet_hours import NEVER_MS, QuietClock, judge, window_of
from shared.messages.routing import Destination, GatewayView
from shared.operations.errors import Invalid


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """One rule of the file. `number` counts from 1; `why` is empty where it would match."""

    number: int
    matches: bool
    chosen: bool
    why: tuple[str, ...]
    to: tuple[str, ...]
    policy: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a message. `shares`: percent of such messages by connector; `refused`: a reason, or empty.

    `goes_at_ms`: when it is routed; 0: never, for its quiet hours do not end. `waits_for`: `quiet_hours`, or empty.
    """

    to: str
    country: str
    sender: str
    refused: str
    shares: dict[str, float]
    routes: tuple[RouteAnswer, ...]
    goes_at_ms: int
    waits_for: str


def explain(applied: AppliedConfig, to: str, account_id: str, lane: str, sender: str | None, at_ms: int) -> Explanation:
    """Every rule of the file, in its order, for a message that would go at `at_ms`, or when the quiet hours
    of its account are over then.

    Raises `Invalid` for what no request could ask.
    """
    view = GatewayView(applied)
    account = view.accounts.get(account_id)
    if account is None:
        raise Invalid(f"--account: {account_id!r} is not defined", f"defined: {', '.join(view.accounts) or 'none'}")
    if lane not in LANES:
        raise Invalid(f"--lane: {lane!r} is unknown", f"allowed: {', '.join(LANES)}")
    if not is_destination(to):
        raise Invalid(f"--to: {to!r} is no destination", "E.164, such as +447700900123, or a short code")
    known_lane: Lane = next(word for word in get_args(Lane) if word == lane)
    digits = to.removeprefix("+")
    until_ms = QuietClock().quiet_until(account, known_lane, digits, at_ms)
    goes_at_ms = at_ms if until_ms is None else until_ms if until_ms < NEVER_MS else 0
    where = Destination(
        digits,
        "" if is_short_code(digits) else country_table().of(digits),
        sender_as_sent(sender or account.default_sender or ""),
        goes_at_ms or at_ms,
    )
    number = view.route(where, account_id, known_lane)
    shares = {} if number is None else view.parts(number)
    allowed = account.limits.lanes is None or lane in account.limits.lanes
    return Explanation(
        to=digits,
        country=where.country,
        sender=where.sender,
        refused="lane_not_allowed" if not allowed else "" if shares else "no_route",
        goes_at_ms=goes_at_ms,
        waits_for="" if until_ms is None else "quiet_hours",
        shares=shares,
        routes=tuple(
            _answer(place, route, where, account_id, lane, number) for place, route in enumerate(applied.gateway.routes)
        ),
    )


def _answer(
    place: int, route: Route, where: Destination, account_id: str, lane: str, chosen: int | None
) -> RouteAnswer:
    why = _against(route.match, where, account_id, lane)
    targets = tuple(f"{target.connector} {target.weight}" for target in route.to)
    return RouteAnswer(place + 1, not why, place == chosen, why, (*targets, *route.fallback), route.policy)


def _against(match: Match, where: Destination, account_id: str, lane: str) -> tuple[str, ...]:
    """What speaks against this rule, in the order of its keys."""
    prefixes = match.prefix
    found = []
    if prefixes is not None and not any(where.to.startswith(prefix.removeprefix("+")) for prefix in prefixes):
        found.append(f"prefix: {where.to} begins with none of {', '.join(prefixes)}")
    for key, asked, mine in (
        ("account", match.account, account_id),
        ("lane", match.lane, lane),
        ("country", match.country, where.country),
        ("sender", match.sender, where.sender),
    ):
        if asked is not None and mine not in asked:
            found.append(f"{key}: {mine or 'none'} is not among {', '.join(asked)}")
    hours = match.time
    if hours is not None and not judge(window_of(hours), (hours.timezone,), where.at_ms).inside:
        now = datetime.fromtimestamp(where.at_ms / 1000, ZoneInfo(hours.timezone)).strftime("%a %H:%M")
        days = f" on {', '.join(hours.days)}" if hours.days else ""
        found.append(f"time: {now} ({hours.timezone}) is not from {hours.from_} to {hours.to}{days}")
    return tuple(found)
