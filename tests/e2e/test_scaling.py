"""Edge: more processes and fewer, while messages flow; and two with one name."""

import asyncio
import json

import pytest

from tests.e2e.gateway import Gateway, messages_to, rows, settle, traffic, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


async def _services(gateway: Gateway, name: str) -> dict[str, int]:
    """Partitions by instance of the processes that beat under a name."""
    states = gateway.cli("status", "--json")
    return {s["instance"]: len(s["assignment"]) for s in json.loads(states.stdout)["services"] if s["service"] == name}


@pytest.mark.parametrize(
    ("number", "service"), list(enumerate(["ingress", "encoder", "throttler", "binder", "correlator"]))
)
async def test_from_one_to_two_and_back_under_traffic(gateway: Gateway, number: int, service: str) -> None:
    prefix = f"4405{number:02d}"
    async with traffic(gateway) as (publisher, follower):
        publishing = asyncio.ensure_future(publisher.publish(messages_to(prefix, 2500)))
        await until_submits(gateway, [prefix], 100)
        second = gateway.up("--only", service, instance="1")
        async with asyncio.timeout(60):
            while not (await _services(gateway, service)).get("1"):
                await asyncio.sleep(0.3)
        second.terminate()
        assert await asyncio.to_thread(second.wait, 60) == 0
        await publishing
        result = await settle(gateway, publisher, follower, [prefix], timeout_s=120)
    assert result.ok, result
    assert result.in_doubt == 0
    assert set(await _services(gateway, service)) == {"0"}


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
