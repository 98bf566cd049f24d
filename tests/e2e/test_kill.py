"""Edge: SIGKILL of each process in the middle of traffic: nothing lost or doubled, doubt only where a bind died."""

import asyncio

import pytest

from tests.e2e.gateway import Gateway, messages_to, settle, traffic, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LONG = "This text is longer than one segment. " * 8
SINGLE, MULTI = 700, 100
WINDOWS = 2 * 2 * 20 + 2 * 10
"""Claimed and unanswered at most: two windows for each bind."""


@pytest.mark.parametrize(
    ("number", "service"),
    list(enumerate(["ingress", "encoder", "throttler", "binder", "correlator", "recorder", "clickhouse"])),
)
async def test_kill_9_in_the_middle_of_traffic(gateway: Gateway, number: int, service: str) -> None:
    prefixes = [f"4402{number:02d}", f"4403{number:02d}", f"4904{number:02d}"]
    async with traffic(gateway) as (publisher, follower):
        publishing = asyncio.ensure_future(
            publisher.publish(
                messages_to(prefixes[0], SINGLE)
                + messages_to(prefixes[1], MULTI, text=LONG)
                + messages_to(prefixes[2], MULTI, lane="bulk")
            )
        )
        await until_submits(gateway, prefixes, 150)
        await gateway.kill(service)
        await until_submits(gateway, prefixes, 450)
        await gateway.kill(service)
        await publishing
        result = await settle(gateway, publisher, follower, prefixes, timeout_s=120)
    assert result.ok, result
    assert result.published == SINGLE + 2 * MULTI
    if service == "binder":
        assert result.in_doubt <= 2 * WINDOWS
    else:
        assert result.in_doubt == 0


async def test_kill_9_of_kafka(gateway: Gateway) -> None:
    prefix = "440299"
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to(prefix, SINGLE))
        await until_submits(gateway, [prefix], 100)
        await gateway.kill("kafka")
        result = await settle(gateway, publisher, follower, [prefix], timeout_s=150)
    assert result.ok, result
