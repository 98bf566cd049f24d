"""Pure: routes: first match in the order of the file, connectors in use only."""

import random
from typing import Any

import pytest

from schemas.wire import LANES, Lane
from shared.messages.routing import Chosen, GatewayView, NotRouted
from tests.unit.ingress.scene import applied

ROUTES: tuple[dict[str, Any], ...] = (
    {"match": {"prefix": ["44", "49"], "account": "shop", "lane": "otp"}, "to": [{"connector": "acme"}]},
    {"match": {"prefix": "4477"}, "to": [{"connector": "beta"}], "fallback": ["gamma"]},
    {"match": {"prefix": "+44", "account": ["bank", "shop"]}, "to": [{"connector": "gamma"}]},
    {"match": {"lane": ["bulk"]}, "to": [{"connector": "beta"}, {"connector": "acme"}], "fallback": ["acme", "gamma"]},
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
    assert GatewayView(applied(*ROUTES)).choose(to, account, lane) == Chosen(connector)


def test_no_match_is_no_route() -> None:
    assert GatewayView(applied(*ROUTES)).choose("33612345678", "shop", "txn") == NotRouted("no_route")
    assert GatewayView(None).choose("33612345678", "shop", "txn") == NotRouted("no_route")


def test_the_matching_route_decides_even_when_none_of_its_connectors_is_in_use() -> None:
    routes = ({"match": {"prefix": "44"}, "to": [{"connector": "acme"}]}, {"to": [{"connector": "beta"}]})
    view = GatewayView(applied(*routes, draining=["acme"]))
    assert view.choose("447700900123", "shop", "txn") == NotRouted("no_route")
    assert view.choose("33612345678", "shop", "txn") == Chosen("beta")


def test_a_draining_target_is_passed_over() -> None:
    view = GatewayView(applied(*ROUTES, draining=["beta"]))
    assert view.choose("447700900123", "bank", "txn") == Chosen("gamma")
    assert view.candidates("33612345678", "shop", "bulk") == ("acme", "gamma")


def test_a_pinned_connector_needs_no_route_but_must_be_in_use() -> None:
    view = GatewayView(applied(*ROUTES, draining=["beta"]))
    assert view.choose("33612345678", "shop", "txn", "gamma") == Chosen("gamma", pinned=True)
    for gone in ("beta", "nobody", ""):
        expected = NotRouted("unknown_connector", "connector_id")
        assert view.choose("33612345678", "shop", "txn", gone) == expected


def test_unknown_accounts_do_not_fill_the_memory() -> None:
    view = GatewayView(applied(*ROUTES))
    for n in range(50):
        view.choose("447700900123", f"made-up-{n}", "txn")
    assert view.choose("447700900123", "shop", "txn") == Chosen("beta")
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
            expected = _from_the_top(routes, to, account, lane)
            chosen = view.choose(to, account, lane)
            assert (chosen.connector_id if isinstance(chosen, Chosen) else None) == expected


def _route(draw: random.Random) -> dict[str, Any]:
    match: dict[str, Any] = {}
    if draw.random() < 0.7:
        match["prefix"] = ["".join(draw.choice("12") for _ in range(draw.randint(0, 4))) for _ in range(2)]
    if draw.random() < 0.4:
        match["account"] = [draw.choice(["shop", "bank"])]
    if draw.random() < 0.4:
        match["lane"] = [draw.choice(LANES)]
    return {"match": match, "to": [{"connector": draw.choice(["acme", "beta", "gamma"])}]}


def _from_the_top(routes: list[dict[str, Any]], to: str, account: str, lane: str) -> str | None:
    for route in routes:
        match = route["match"]
        if (
            any(to.startswith(p) for p in match.get("prefix", [""]))
            and account in match.get("account", [account])
            and lane in match.get("lane", [lane])
        ):
            connector: str = route["to"][0]["connector"]
            return connector
    return None
