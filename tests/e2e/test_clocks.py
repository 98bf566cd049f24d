"""Services whose clocks are an hour off, each differently, and are set while they work: nobody notices.

A gateway of its own: what a service's clock says is told to its process when it starts.
"""

import asyncio
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from schemas.topics import EVERY_SERVICE
from shared.process.clock import TEST_CLOCK_VARIABLE
from shared.process.instance import BEAT_S
from tests.e2e.gateway import Gateway, messages_to, settle, steadily, traffic, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(240)]

HOUR_MS = 3_600_000
VALIDITY_S = 600
"""Much less than clocks are off."""

MESSAGES = 200


class WrongClocks:
    """What the services, and who asks how they are, take the time to be."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def set(self, first_ms: int) -> None:
        """Each an hour ahead or behind, in turn; the first one by `first_ms`."""
        for name, ahead_ms in zip((*EVERY_SERVICE, "status"), cycle((first_ms, -first_ms)), strict=False):
            new = self.folder / "new"
            new.write_text(str(ahead_ms))
            new.replace(self.folder / name)


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> WrongClocks:
    wrong = WrongClocks(tmp_path_factory.mktemp("clocks") / "of")
    wrong.set(HOUR_MS)
    return wrong


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, clocks: WrongClocks) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("gateway"))
    running.environment[TEST_CLOCK_VARIABLE] = str(clocks.folder)
    try:
        running.start()  # returns when `smsgw status`, whose clock is wrong too, says healthy
        yield running
    finally:
        running.stop()


async def test_clocks_that_are_an_hour_off_change_nothing(gateway: Gateway) -> None:
    """Throttled and temporary answers, retries, receipts and missing ones, validity: all as with right clocks."""
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("490301", MESSAGES // 2, validity_s=VALIDITY_S))
        await publisher.publish(messages_to("440302", MESSAGES // 2, validity_s=VALIDITY_S))
        result = await settle(gateway, publisher, follower, ["490301", "440302"], timeout_s=60)
    assert result.ok, result
    assert result.unknown == {}
    assert "expired" not in result.finals
    assert {"delivered", "undeliverable", "receipt_missing"} <= set(result.finals)
    assert gateway.cli("status").returncode == 0


async def test_clocks_that_are_set_while_everybody_works(gateway: Gateway, clocks: WrongClocks) -> None:
    prefixes = ["490303", "440304"]
    async with traffic(gateway) as (publisher, follower):
        async with steadily(publisher, follower, lambda turn: [
            *messages_to(prefixes[0], 5, start=5 * turn, validity_s=VALIDITY_S),
            *messages_to(prefixes[1], 20, start=20 * turn, validity_s=VALIDITY_S),
        ], every_s=0.2):  # fmt: skip
            for turn, first_ms in enumerate((-HOUR_MS, HOUR_MS, -HOUR_MS)):
                await until_submits(gateway, prefixes, 60 + turn * 120)
                clocks.set(first_ms)
                await asyncio.sleep(BEAT_S)  # as long as it takes until a clock would be believed
            await until_submits(gateway, prefixes, 420)
        result = await settle(gateway, publisher, follower, prefixes, timeout_s=60)
    assert result.ok, result
    assert result.unknown == {}
    assert "expired" not in result.finals
    done = gateway.cli("status")
    assert done.returncode == 0, done.stdout
