"""Edge: more processes and fewer, while messages flow; two with one name; and one that sleeps while another works."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from services.cli.demo.traffic import StatusFollower
from tests.e2e.gateway import (
    Gateway,
    GatewayPublisher,
    messages_to,
    rows,
    settle,
    steadily,
    traffic,
    until_submits,
)
from tests.e2e.work import committed

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(240)]

CLAIMED = 2 * (2 * 20 + 10)
"""Two windows for each bind that is used: what a binder may have claimed."""
PROGRESS_S = 60


def _slice(prefixes: list[str], count: int, turn: int) -> list[dict[str, Any]]:
    """Also some for the connector that is the second throttler's; it is a slow one."""
    quick, picky = prefixes
    few = max(1, count // 15)
    return messages_to(quick, count, count * turn) + messages_to(picky, few, few * turn, lane="bulk")


@asynccontextmanager
async def _second(gateway: Gateway, services: list[str]) -> AsyncIterator[None]:
    """Another process of each of these services, instance 1, as a further `smsgw up --only` starts it."""
    second = gateway.up("--only", ",".join(services), instance="1")
    try:
        yield
    finally:
        second.terminate()
        assert await asyncio.to_thread(second.wait, 60) == 0


async def _assignment(gateway: Gateway, service: str, instance: str) -> set[str]:
    """What it holds, as `topic:partition`; nothing before it is ready."""
    state = (await gateway.instances(service)).get(instance)
    return set(state.assignment) if state is not None and state.ready else set()


async def _until_it_works(gateway: Gateway, service: str, instance: str, others: set[str] | None = None) -> None:
    """Until the instance holds partitions (some of `others`, if given) and has committed something new in them."""
    async with asyncio.timeout(PROGRESS_S):
        while not (held := await _held(gateway, service, instance, others)):
            await asyncio.sleep(0.2)
        before = await _offsets(gateway, service, held)
        while all(offset <= before.get(place, 0) for place, offset in (await _offsets(gateway, service, held)).items()):
            await asyncio.sleep(0.2)


async def _held(gateway: Gateway, service: str, instance: str, others: set[str] | None) -> set[str]:
    held = await _assignment(gateway, service, instance)
    if service == "binder":
        held &= await gateway.bound(instance)
    return held if others is None else held & others


async def _offsets(gateway: Gateway, service: str, places: set[str]) -> dict[str, int]:
    marks = {f"{tp.topic}:{tp.partition}": mark for tp, mark in (await committed(gateway.settings, service)).items()}
    return {place: offset for place, (offset, _) in marks.items() if place in places}


@pytest.mark.parametrize(
    ("number", "services"),
    [(0, ["ingress", "encoder", "correlator"]), (1, ["throttler"]), (2, ["binder"])],
)
async def test_from_one_to_two_and_back_under_traffic(gateway: Gateway, number: int, services: list[str]) -> None:
    prefixes = [f"4405{number:02d}", f"4905{number:02d}"]
    async with traffic(gateway) as (publisher, follower):
        async with steadily(publisher, follower, lambda turn: _slice(prefixes, 15, turn), 0.1):
            await until_submits(gateway, prefixes, 50)
            async with _second(gateway, services):
                for service in services:
                    await _until_it_works(gateway, service, "1")
            for service in services:
                await _until_it_works(gateway, service, "0")
        result = await settle(gateway, publisher, follower, prefixes, timeout_s=120)
    assert result.ok, result
    assert result.unknown == {}
    for service in services:
        assert set(await gateway.instances(service)) == {"0"}


async def test_two_processes_with_one_instance_id(gateway: Gateway) -> None:
    second = gateway.up("--only", "encoder", instance="0")
    try:
        log = gateway.data_dir / "up.log"
        async with asyncio.timeout(30):
            while "exit code 75" not in log.read_text():
                await asyncio.sleep(0.1)
    finally:
        second.terminate()
        await asyncio.to_thread(second.wait, 30)
    assert rows(gateway.cli("status", "--wait", "30", "--json"))[0]["healthy"]


async def _sleeps(gateway: Gateway, services: list[str]) -> None:
    """Instance 0 of these services stops at work, wakes when instance 1 has its work, and has its share again."""
    before = {service: await _assignment(gateway, service, "0") for service in services}
    pids = [await gateway.hold_at_work(service) for service in services]
    try:
        for service in services:
            await _until_it_works(gateway, service, "1", before[service])
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # after half a minute the watchdog takes a sleeper for dead
                os.kill(pid, signal.SIGCONT)
    for service in services:
        await gateway.until_ready(service)


@pytest.mark.parametrize(
    ("number", "services", "doubt"), [(0, ["throttler", "correlator"], 0), (1, ["binder"], CLAIMED)]
)
async def test_no_decision_after_sleep(gateway: Gateway, number: int, services: list[str], doubt: int) -> None:
    """A sleep that is longer than the session timeout: somebody else has the work when the process wakes."""
    prefixes = [f"4406{number:02d}", f"4906{number:02d}"]
    async with traffic(gateway) as (publisher, follower):
        async with _second(gateway, services):
            for service in services:
                await _until_assigned(gateway, service)
            async with steadily(publisher, follower, lambda turn: _slice(prefixes, 60, turn), 0.5):
                await until_submits(gateway, prefixes, 50)
                await _sleeps(gateway, services)
        result = await settle(gateway, publisher, follower, prefixes, timeout_s=120)
    assert result.ok, result
    assert set(result.unknown) <= {"in_doubt"}
    assert sum(result.unknown.values()) <= doubt
    assert not _sent_after_doubt(gateway, publisher, follower, prefixes)


async def _until_assigned(gateway: Gateway, service: str) -> None:
    """Until both instances have told what they hold: neither is ready while it restores."""
    async with asyncio.timeout(PROGRESS_S):
        while not all([await _assignment(gateway, service, instance) for instance in ("0", "1")]):
            await asyncio.sleep(0.2)


def _sent_after_doubt(
    gateway: Gateway, publisher: GatewayPublisher, follower: StatusFollower, prefixes: list[str]
) -> set[str]:
    """Numbers of messages that were submitted after they had been told to be in doubt: by the one that had slept."""
    told_at = {one.message_id: one.at_ms for one in follower.told if one.reason == "in_doubt"}
    numbers = {one.to: told_at[one.message_id] for one in publisher.published if one.message_id in told_at}
    return {s.to for s in gateway.submits_to(prefixes) if s.at_ms > numbers.get(s.to, s.at_ms)}
