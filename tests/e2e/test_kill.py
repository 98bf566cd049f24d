"""Edge: SIGKILL of each process in the middle of its work: nothing lost or doubled; what is not known is counted.

Messages are published all the time, and a process is killed at a moment when it has something in hand.
"""

import asyncio
from typing import Any

import pytest

from tests.e2e.gateway import Gateway, messages_to, settle, steadily, traffic, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LONG = "This text is longer than one segment. " * 8
SLICE_S = 0.1
UNANSWERED = 2 * 20 + 10
"""A window for each bind that is used: what the SMSC may have read and not answered."""
CLAIMED = 2 * UNANSWERED
"""A binder claims two windows a bind."""
KILLS = 2
DOUBT = {"binder": {"in_doubt": KILLS * CLAIMED}, "simulator": {"no_submit_response": KILLS * UNANSWERED}}
"""How much may be unknown after the kills, by reason; nowhere else anything may be."""


def _slice(prefixes: list[str], turn: int) -> list[dict[str, Any]]:
    """A tenth of a second's messages: a bit of everything."""
    single, multi, picky = prefixes
    return [
        *messages_to(single, 11, 13 * turn),
        *messages_to(single, 1, 13 * turn + 11, receipt="all"),
        *messages_to(single, 1, 13 * turn + 12, receipt="none"),
        *messages_to(multi, 2, 2 * turn, text=LONG),
        *messages_to(picky, 1, turn, lane="bulk"),
        *({"wrong": True} | wrong for wrong in _wrong(picky, turn)),
    ]


def _wrong(prefix: str, turn: int) -> list[dict[str, Any]]:
    """One that ingress rejects, and one that the encoder does."""
    return [
        *messages_to(prefix, 1, 10_000 + turn, **{"from": "TwelveLetter"}),
        *messages_to(prefix, 1, 20_000 + turn, encoding="gsm7", text="не латиница"),
    ]


@pytest.mark.parametrize(
    ("number", "process"),
    list(
        enumerate(
            ["ingress", "encoder", "throttler", "binder", "correlator", "recorder", "clickhouse", "simulator"],
        )
    ),
)
async def test_kill_9_in_the_middle_of_its_work(gateway: Gateway, number: int, process: str) -> None:
    prefixes = [f"4402{number:02d}", f"4403{number:02d}", f"4904{number:02d}"]
    async with traffic(gateway) as (publisher, follower):
        async with steadily(publisher, follower, lambda turn: _slice(prefixes, turn), SLICE_S):
            for kill in range(KILLS):
                await until_submits(gateway, prefixes, 100 + len(gateway.submits_to(prefixes)) * kill)
                await gateway.kill_at_work(process)
        result = await settle(gateway, publisher, follower, prefixes, timeout_s=120)
    assert result.ok, result
    assert result.published > 200
    allowed = DOUBT.get(process, {})
    assert all(count <= allowed.get(reason, 0) for reason, count in result.unknown.items()), result.unknown


async def test_kill_9_of_kafka(gateway: Gateway) -> None:
    """Nobody can be asked what is in hand then: more is published than the rate lets through before the kill."""
    prefix = "440299"
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to(prefix, 900))
        await until_submits(gateway, [prefix], 100)
        await gateway.kill("kafka")
        assert len(follower.ended) < 900
        result = await settle(gateway, publisher, follower, [prefix], timeout_s=150)
    assert result.ok, result
    assert set(result.unknown) <= {"in_doubt", "no_submit_response"}
    assert sum(result.unknown.values()) <= CLAIMED
    await asyncio.gather(*[gateway.until_ready(name) for name in ("throttler", "binder", "correlator")])


async def test_kill_9_of_everything_at_once(gateway: Gateway) -> None:
    """As when the machine runs out of memory; not as when it loses power: what the system had in its cache stays."""
    prefixes = ["440297", "440296", "490295"]
    async with traffic(gateway) as (publisher, follower):
        for turn in range(40):
            await publisher.publish(_slice(prefixes, turn))
        await until_submits(gateway, prefixes, 100)
        assert len(follower.ended) < len(publisher.published)
        await gateway.kill_everything()
        result = await settle(gateway, publisher, follower, prefixes, timeout_s=150)
    assert result.ok, result
    assert set(result.unknown) <= {"in_doubt", "no_submit_response"}
    assert sum(result.unknown.values()) <= CLAIMED
