"""The recorder between a real broker and a real engine: what is in Kafka is in ClickHouse, once, whoever dies."""

# ruff: noqa: S608 - the ids in the queries are made here

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.topics import LIFECYCLE_EVENTS
from services.recorder.app import run
from services.recorder.clickhouse import ClickHouse, ClickHouseUnavailable
from shared.kafka.records import Out
from shared.local.ports import free_port
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from shared.process.service import Service
from tests.fixtures_clickhouse import ClickHouseProcess
from tests.integration.flow_rig import Rig, Watch

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

EVENTS = EventMaker("ingress", "0")


def some_events(count: int, account_id: str) -> list[Out]:
    """One `accepted` event each of `count` messages."""
    now_ms = int(time.time() * 1000)
    return [
        EVENTS.out(
            "accepted",
            occurred_at_ms=now_ms,
            message_id=derived_id(now_ms, account_id, number),
            accepted_at_ms=now_ms,
            account_id=account_id,
        )
        for number in range(count)
    ]


async def counted(clickhouse: ClickHouse, account_id: str) -> tuple[int, int]:
    """Messages and events of an account; (0, 0) while ClickHouse does not answer."""
    query = (
        f"WITH (SELECT groupArray(message_id) FROM sms.message_state WHERE account_id = '{account_id}') AS ids "
        "SELECT length(ids), (SELECT count() FROM sms.events WHERE has(ids, message_id))"
    )
    try:
        [(messages, events)] = await clickhouse.rows(query)
    except ClickHouseUnavailable:
        return 0, 0
    return int(messages), int(events)


async def until_there(clickhouse: ClickHouse, account_id: str, count: int) -> None:
    """Wait until all messages of an account are there; each must be there once."""
    async with asyncio.timeout(40):
        while min(found := await counted(clickhouse, account_id)) < count:
            await asyncio.sleep(0.1)
    assert found == (count, count)


def rig_with(kafka_bootstrap: str, clickhouse_url: str) -> Rig:
    rig = Rig(kafka_bootstrap)
    rig.settings = rig.settings.model_copy(update={"clickhouse_url": clickhouse_url})
    return rig


@pytest.fixture
def account() -> str:
    return f"a-{uuid4().hex[:12]}"


async def test_events_arrive_and_bad_ones_become_dead_letters(
    kafka_bootstrap: str, clickhouse_url: str, account: str
) -> None:
    clickhouse = ClickHouse(clickhouse_url, "default", "")
    async with rig_with(kafka_bootstrap, clickhouse_url) as rig, Watch(rig.settings, "lifecycle.events.dlq") as watch:
        (deep,) = some_events(1, f"{account}-deep")
        nested = (deep.value or b"")[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        bad: Sequence[bytes | None] = (None, b"hello", b'{"event_id": "%s"}' % account.encode(), nested)
        key = account.encode()
        outs = [*some_events(500, account), *(Out(LIFECYCLE_EVENTS, key, value) for value in bad)]
        async with rig.running("recorder", run):
            await rig.producer.send_all(outs)
            await until_there(clickhouse, account, 500)
            await watch.until(lambda: sum(r.key == key for r in watch.records["lifecycle.events.dlq"]) == len(bad))
        letters = [r for r in watch.records["lifecycle.events.dlq"] if r.key == key]
        assert [r.value for r in letters] == list(bad)
        assert {dict(r.headers)["dlq_service"] for r in letters} == {b"recorder"}
        assert [dict(r.headers)["dlq_field"] for r in letters] == [b"", b"", b"event", b""]
    await clickhouse.close()


async def test_a_crash_of_the_recorder_loses_and_doubles_nothing(
    kafka_bootstrap: str, clickhouse_url: str, account: str
) -> None:
    clickhouse = ClickHouse(clickhouse_url, "default", "")
    async with rig_with(kafka_bootstrap, clickhouse_url) as rig:
        outs = some_events(6000, account)
        for start in range(0, len(outs), 2000):
            async with rig.running("recorder", run, crash=True):
                await rig.producer.send_all(outs[start : start + 2000])
                async with asyncio.timeout(40):
                    while (await counted(clickhouse, account))[0] <= start:
                        await asyncio.sleep(0.02)
        async with rig.running("recorder", run):
            await until_there(clickhouse, account, len(outs))
    await clickhouse.close()


async def test_clickhouse_may_be_away_at_the_start_and_die_in_the_middle(
    kafka_bootstrap: str, tmp_path: Path, account: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    clickhouse = ClickHouse(url, "default", "")
    outs = some_events(3000, account)
    async with rig_with(kafka_bootstrap, url) as rig:
        starting = asyncio.create_task(asyncio.to_thread(_after_a_while, tmp_path, port))
        async with rig.running("recorder", run) as service:  # ready: so it has waited for ClickHouse
            await rig.producer.send_all(outs[:1000])
            with await starting as server:
                await until_there(clickhouse, account, 1000)
                server.stop(signal.SIGKILL)
            await rig.producer.send_all(outs[1000:])
            async with asyncio.timeout(30):
                while not service.last_error.startswith("ClickHouse: "):
                    await asyncio.sleep(0.05)
            with await asyncio.to_thread(ClickHouseProcess, tmp_path, port):
                await until_there(clickhouse, account, 3000)
                async with asyncio.timeout(30):
                    while service.last_error:
                        await asyncio.sleep(0.05)
    await clickhouse.close()


def _after_a_while(data_dir: Path, port: int) -> ClickHouseProcess:
    time.sleep(0.5)  # noqa: TID251 - the recorder shall find nobody at first
    return ClickHouseProcess(data_dir, port)


async def test_it_stops_at_once_while_clickhouse_is_away(kafka_bootstrap: str) -> None:
    port = free_port()
    async with rig_with(kafka_bootstrap, f"http://127.0.0.1:{port}") as rig:
        service = Service("recorder", rig.settings)
        await service.control.start()
        await service.gateway.start()
        task = asyncio.create_task(run(service))
        async with asyncio.timeout(30):
            while not service.last_error:
                await asyncio.sleep(0.02)
        assert service.last_error == f"ClickHouse: http://127.0.0.1:{port} does not answer: Connection refused"
        service.stopping.set()
        await asyncio.wait_for(task, 10)
        await service.gateway.stop()
        await service.control.stop()
