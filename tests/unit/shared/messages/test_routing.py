"""Pure: routes: first match in the order of the file, connectors in use only, traffic shared out by weight."""

import random
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from schemas.wire import LANES, Lane
from shared.messages.ids import message_id_of
from shared.messages.routing import Chosen, Destination, GatewayView, NotRouted
from tests.unit.ingress.scene import applied

MESSAGE_ID = message_id_of(1_790_000_000_000, "mt.requests", 0, 7)

ROUTES: tuple[dict[str, Any], ...] = (
    {"match": {"prefix": ["44", "49"], "account": "shop", "lane": "otp"}, "to": [{"connector": "acme"}]},
    {"match": {"prefix": "4477"}, "to": [{"connector": "beta"}], "fallback": ["gamma"]},
    {"match": {"prefix": "+44", "account": ["bank", "shop"]}, "to": [{"connector": "gamma"}]},
    {
        "match": {"lane": ["bulk"]},
        "to": [{"connector": "beta"}, {"connector": "acme"}],
        "policy": "first",
        "fallback": ["acme", "gamma"],
    },
)


@pytest.mark.parametrize(
    ("to", "account", "lane", "connector"),
    [
        ("447700900123", "shop", "otp", "acme"),
        ("447700900123", "shop", "txn", "beta"),
        ("447700900123", "bank", "otp", "beta"),
        ("448000900123", "bank", "otp", "gamma"),
        ("4915112345678", "shop", "otp", "acme"),
        ("33612345678", "shop", "bulk", "beta"),
    ],
)
def test_the_first_route_that_matches_wins(to: str, account: str, lane: Lane, connector: str) -> None:
    assert GatewayView(applied(*ROUTES)).choose(Destination(to), account, lane, MESSAGE_ID) == Chosen(connector)


def test_no_match_is_no_route() -> None:
    assert GatewayView(applied(*ROUTES)).choose(Destination("33612345678"), "shop", "txn", MESSAGE_ID) == NotRouted(
        "no_route"
    )
    assert GatewayView(None).choose(Destination("33612345678"), "shop", "txn", MESSAGE_ID) == NotRouted("no_route")


def test_the_matching_route_decides_even_when_none_of_its_connectors_is_in_use() -> None:
    routes = ({"match": {"prefix": "44"}, "to": [{"connector": "acme"}]}, {"to": [{"connector": "beta"}]})
    view = GatewayView(applied(*routes, draining=["acme"]))
    assert view.choose(Destination("447700900123"), "shop", "txn", MESSAGE_ID) == NotRouted("no_route")
    assert view.choose(Destination("33612345678"), "shop", "txn", MESSAGE_ID) == Chosen("beta")


def test_a_draining_target_is_passed_over() -> None:
    view = GatewayView(applied(*ROUTES, draining=["beta"]))
    assert view.choose(Destination("447700900123"), "bank", "txn", MESSAGE_ID) == Chosen("gamma")
    assert view.candidates(Destination("33612345678"), "shop", "bulk") == ("acme", "gamma")


def test_a_pinned_connector_needs_no_route_but_must_be_in_use() -> None:
    view = GatewayView(applied(*ROUTES, draining=["beta"]))
    assert view.choose(Destination("33612345678"), "shop", "txn", MESSAGE_ID, "gamma") == Chosen("gamma", pinned=True)
    for gone in ("beta", "nobody", ""):
        expected = NotRouted("unknown_connector", "connector_id")
        assert view.choose(Destination("33612345678"), "shop", "txn", MESSAGE_ID, gone) == expected


def test_unknown_accounts_do_not_fill_the_memory() -> None:
    view = GatewayView(applied(*ROUTES))
    for n in range(50):
        view.choose(Destination("447700900123"), f"made-up-{n}", "txn", MESSAGE_ID)
    assert view.choose(Destination("447700900123"), "shop", "txn", MESSAGE_ID) == Chosen("beta")
    assert len(view._tables) == 1


def test_the_compiled_tables_agree_with_reading_the_file_from_the_top() -> None:
    draw = random.Random(7)
    for _ in range(100):
        routes = [_route(draw) for _ in range(draw.randint(1, 12))]
        config = applied(*routes)
        view = GatewayView(config)
        for _ in range(20):
            to = "".join(draw.choice("12") for _ in range(7))
            account, lane = draw.choice(["shop", "bank"]), draw.choice(LANES)
            where = Destination(to, draw.choice(["GB", "DE", ""]), draw.choice(["SHOP", "12345"]))
            expected = _from_the_top(routes, where, account, lane)
            chosen = view.choose(where, account, lane, MESSAGE_ID)
            assert (chosen.connector_id if isinstance(chosen, Chosen) else None) == expected


def _route(draw: random.Random) -> dict[str, Any]:
    match: dict[str, Any] = {}
    if draw.random() < 0.7:
        match["prefix"] = ["".join(draw.choice("12") for _ in range(draw.randint(0, 4))) for _ in range(2)]
    if draw.random() < 0.4:
        match["account"] = [draw.choice(["shop", "bank"])]
    if draw.random() < 0.4:
        match["lane"] = [draw.choice(LANES)]
    if draw.random() < 0.3:
        match["country"] = [draw.choice(["GB", "DE"])]
    if draw.random() < 0.3:
        match["sender"] = [draw.choice(["SHOP", "+12345"])]
    return {"match": match, "to": [{"connector": draw.choice(["acme", "beta", "gamma"])}]}


def _from_the_top(routes: list[dict[str, Any]], where: Destination, account: str, lane: str) -> str | None:
    for route in routes:
        match = route["match"]
        if (
            any(where.to.startswith(p) for p in match.get("prefix", [""]))
            and account in match.get("account", [account])
            and lane in match.get("lane", [lane])
            and where.country in match.get("country", [where.country])
            and where.sender in [sender.removeprefix("+") for sender in match.get("sender", [where.sender])]
        ):
            connector: str = route["to"][0]["connector"]
            return connector
    return None


TWO: dict[str, Any] = {
    "to": [{"connector": "acme", "weight": 70}, {"connector": "beta", "weight": 30}],
    "fallback": ["gamma"],
}


def _shared_out(view: GatewayView, messages: int = 10_000, first: int = 0) -> dict[str, float]:
    """Percent by connector."""
    counts: Counter[str] = Counter()
    for offset in range(first, first + messages):
        message_id = message_id_of(1_790_000_000_000 + offset, "mt.requests", offset % 4, offset)
        chosen = view.choose(Destination("447700900123"), "shop", "txn", message_id)
        assert isinstance(chosen, Chosen)
        counts[chosen.connector_id] += 1
    return {name: 100 * count / messages for name, count in counts.items()}


@pytest.mark.parametrize("first", [0, 10_000, 123_456])
def test_weights_are_kept_within_two_points_over_ten_thousand_messages(first: int) -> None:
    assert _shared_out(GatewayView(applied(TWO)), first=first) == pytest.approx({"acme": 70, "beta": 30}, abs=2)


def test_a_repeat_of_a_message_takes_the_same_way() -> None:
    first, second = GatewayView(applied(TWO)), GatewayView(applied(TWO))
    for n in range(200):
        question = (Destination("447700900123"), "shop", "txn", message_id_of(n, "mt.requests", 0, n))
        assert first.choose(*question) == second.choose(*question)  # type: ignore[arg-type]


def test_a_target_that_is_not_in_use_gives_its_part_to_the_others_and_the_fallback_gets_nothing() -> None:
    three = {"to": [{"connector": c, "weight": w} for c, w in (("acme", 60), ("beta", 30), ("gamma", 10))]}
    view = GatewayView(applied(three, draining=["acme"]))
    assert _shared_out(view) == pytest.approx({"beta": 75, "gamma": 25}, abs=2)
    assert _shared_out(GatewayView(applied(TWO, draining=["acme"])), 100) == {"beta": 100}
    assert _shared_out(GatewayView(applied(TWO, draining=["acme", "beta"])), 100) == {"gamma": 100}


def test_weight_zero_gets_nothing_while_another_target_has_some() -> None:
    route = {"to": [{"connector": "acme", "weight": 0}, {"connector": "beta"}], "fallback": ["gamma"]}
    assert _shared_out(GatewayView(applied(route)), 500) == {"beta": 100}
    assert _shared_out(GatewayView(applied(route, draining=["beta"])), 500) == {"acme": 100}


def test_the_policy_first_takes_the_first_target_in_use() -> None:
    assert _shared_out(GatewayView(applied({**TWO, "policy": "first"})), 500) == {"acme": 100}
    assert _shared_out(GatewayView(applied({**TWO, "policy": "first"}, draining=["acme"])), 500) == {"beta": 100}


def test_what_is_said_of_the_parts_is_what_happens() -> None:
    for route, draining in ((TWO, []), (TWO, ["beta"]), (TWO, ["acme", "beta"]), ({**TWO, "policy": "first"}, [])):
        view = GatewayView(applied(route, draining=draining))
        assert _shared_out(view) == pytest.approx(view.parts(0), abs=2)
    assert GatewayView(applied(TWO, draining=["acme", "beta", "gamma"])).parts(0) == {}


OFFICE = {"from": "08:00", "to": "20:00", "days": ["mo", "tu"], "timezone": "Europe/London"}


@pytest.mark.parametrize(
    ("at", "connector"),
    [
        ("2026-07-06T08:00+01:00", "acme"),  # a Monday
        ("2026-07-06T07:59:59+01:00", "beta"),
        ("2026-07-06T20:00+01:00", "beta"),
        ("2026-07-07T19:59:59+01:00", "acme"),
        ("2026-07-08T12:00+01:00", "beta"),
        ("2026-10-26T08:00+00:00", "acme"),  # the day after summer time has ended
        ("2026-10-26T07:30+00:00", "beta"),
    ],
)
def test_a_route_for_some_hours_counts_when_the_message_is_routed(at: str, connector: str) -> None:
    routes: tuple[dict[str, Any], ...] = (
        {"match": {"prefix": "44", "time": OFFICE}, "to": [{"connector": "acme"}]},
        {"to": [{"connector": "beta"}]},
    )
    view = GatewayView(applied(*routes))
    at_ms = round(datetime.fromisoformat(at).timestamp() * 1000)
    where = Destination("447700900123", at_ms=at_ms)
    assert view.choose(where, "shop", "txn", MESSAGE_ID) == Chosen(connector)
    view.choose(where._replace(at_ms=at_ms + 36_000_000), "shop", "txn", MESSAGE_ID)
    assert view.choose(where, "shop", "txn", MESSAGE_ID) == Chosen(connector)  # answers are kept, and not for too long
    assert view.choose(Destination("491701234567", at_ms=at_ms), "shop", "txn", MESSAGE_ID) == Chosen("beta")
