"""Edge: a hundred connectors, and traffic over one of them, while processes die and another connector comes."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest

from shared.local.ports import free_port
from shared.operations.health import look
from shared.process.clock import monotonic_s
from shared.process.settings import SettingsError
from tests.e2e.gateway import Gateway, messages_to, steadily, traffic, until_submits

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.long]

HOW_MANY = 100
UP_WITHIN_S = 15.0
"""Three on a quiet machine; a take-over that asked topic by topic was killed every thirty, and never came up."""

GAP_MS = 2_000
"""A fifth of a second on a quiet machine; it was fifteen and more."""

PROCESSES = "kafka,simulator,ingress,encoder,throttler,binder,correlator"

CONNECTOR = """\
  - id: many-{number}
    provider: many
    host: 127.0.0.1
    port: {port}
    system_id: quick
    password: {{env: SMSGW_SECRET_SIMULATOR}}
    tps: 200
"""


def configuration(port: int, count: int) -> str:
    """A gateway.yaml with `count` connectors, the busy one among them."""
    connectors = "".join(CONNECTOR.format(number=number, port=port) for number in range(count))
    accounts = "accounts:\n  - {id: shop, default_sender: SHOP}\n"
    return f"version: 1\nconnectors:\n{connectors}{accounts}routes:\n  - to: [{{connector: many-7}}]\n"


@pytest.fixture
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of its own, without ClickHouse: the connectors would burden every other test."""
    gateway = Gateway(tmp_path_factory.mktemp("many"))
    file = gateway.data_dir / "gateway.yaml"
    file.write_text(configuration(gateway.simulator_port, HOW_MANY), encoding="utf-8")
    port = free_port(gateway.simulator_port)
    try:
        gateway.up("--kafka-port", str(port), "--config", str(file), "--only", PROCESSES)
        yield gateway
    finally:
        gateway.stop()


async def until_bound(gateway: Gateway, count: int, timeout_s: float) -> None:
    """Until so many binds are held; what is not there yet does not answer."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                health = await look(gateway.settings, ask_clickhouse=False)
                if sum(bind.state == "bound" for bind in health.binds) >= count:
                    return
            except (AssertionError, SettingsError):  # `up` has not written down yet where Kafka is
                pass
            await asyncio.sleep(0.2)


@pytest.mark.timeout(240)
async def test_a_hundred_connectors_come_up_at_once_and_one_more_stops_no_other(many: Gateway) -> None:
    await until_bound(many, HOW_MANY, 90)
    async with traffic(many) as (publisher, follower):
        for turn, process in enumerate(("throttler", "binder")):
            await many.kill(process)
            killed_s = monotonic_s()
            prefix = f"44971{turn}"
            await publisher.publish(messages_to(prefix, 1, receipt="none"))
            await until_submits(many, [prefix], 1, UP_WITHIN_S)
            assert monotonic_s() - killed_s < UP_WITHIN_S

        def some(turn: int) -> list[dict[str, object]]:
            return messages_to("449720", 5, start=turn * 5, receipt="none")

        processes = many.run.processes
        async with steadily(publisher, follower, some, 0.05):
            await until_submits(many, ["449720"], 50)
            file = many.data_dir / "more.yaml"
            file.write_text(configuration(many.simulator_port, HOW_MANY + 1), encoding="utf-8")
            done = await asyncio.to_thread(many.cli, "config", "apply", str(file))
            assert done.returncode == 0, done.stdout + done.stderr
            await until_bound(many, HOW_MANY + 1, 60)
            await until_submits(many, ["449720"], len(many.submits_to(["449720"])) + 50)
        ids = {one.message_id for one in publisher.published}
        assert not await follower.wait_for(ids, 60)
        assert many.run.processes == processes, "nobody had to be started again"
    times = sorted(submit.at_ms for submit in many.submits_to(["449720"]))
    assert max(after - before for before, after in pairwise(times)) < GAP_MS
