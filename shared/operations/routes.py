"""Pure: which route a message would take, and why each of the others does not."""

from dataclasses import dataclass
from typing import get_args

from schemas.gateway.file import AppliedConfig
from schemas.gateway.routes import Match, Route
from schemas.requests import is_destination, is_short_code, sender_as_sent
from schemas.wire import LANES, Lane
from shared.messages.country import country_table
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
    """What becomes of a message. `shares`: percent of such messages by connector; `refused`: a reason, or empty."""

    to: str
    country: str
    sender: str
    refused: str
    shares: dict[str, float]
    routes: tuple[RouteAnswer, ...]


def explain(applied: AppliedConfig, to: str, account_id: str, lane: str, sender: str | None) -> Explanation:
    """Every rule of the file, in its order. Raises `Invalid` for what no request could ask."""
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
    where = Destination(
        digits,
        "" if is_short_code(digits) else country_table().of(digits),
        sender_as_sent(sender or account.default_sender or ""),
    )
    number = view.route(where, account_id, known_lane)
    shares = {} if number is None else view.parts(number)
    allowed = account.limits.lanes is None or lane in account.limits.lanes
    return Explanation(
        to=digits,
        country=where.country,
        sender=where.sender,
        refused="lane_not_allowed" if not allowed else "" if shares else "no_route",
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
    return tuple(found)
