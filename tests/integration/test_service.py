"""Edge: a service process on a real broker: what ends it, and what it says then."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import UnknownError

from shared.kafka.errors import FatalKafkaError
from shared.operations.health import look
from shared.process import clock
from shared.process.kafka_time import KafkaTime
from shared.process.service import CannotGoOn, CannotServe, Service, read_service_states
from shared.process.settings import Settings
from tests.integration.flow_rig import Rig

pytestmark = [pytest.mark.kafka]


async def _wait(service: Service) -> None:
    service.expect("job")
    service.set_assignment("job", [])
    await service.stopping.wait()


async def test_a_table_that_cannot_be_followed_ends_the_process(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on with the configuration of that moment for ever."""
    async with Rig(kafka_bootstrap) as rig:
        service = Service("test", rig.settings.model_copy(update={"instance": None}))
        running = asyncio.create_task(service.run(_wait))
        async with asyncio.timeout(30):
            while not service.ready:
                await asyncio.sleep(0.02)
        read = AIOKafkaConsumer.getmany

        async def broken(self: AIOKafkaConsumer, *partitions: object, **options: object) -> object:
            if self is service.gateway._reader._consumer:
                raise UnknownError("something new")
            return await read(self, *partitions, **options)

        monkeypatch.setattr(AIOKafkaConsumer, "getmany", broken)
        await rig.producer.send_all([rig.nothing_new()])
        with pytest.raises(FatalKafkaError, match=r"config\.gateway cannot be followed"):
            await asyncio.wait_for(running, 30)


@pytest.mark.parametrize("ahead_ms", [3_600_000, -3_600_000])
async def test_a_process_goes_by_the_time_of_kafka_whatever_its_machine_says(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, ahead_ms: int
) -> None:
    right_ms = clock.wall_ms
    monkeypatch.setattr(clock, "_kafka", KafkaTime())
    monkeypatch.setattr(clock, "wall_ms", lambda: right_ms() + ahead_ms)
    wrong_by: list[int] = []

    async def job(service: Service) -> None:
        wrong_by.append(abs(clock.now_ms() - right_ms()))

    async with Rig(kafka_bootstrap) as rig:
        service = Service("test", rig.settings.model_copy(update={"instance": "clock"}))
        assert abs(clock.now_ms() - right_ms()) > 3_500_000
        await service.run(job)
    assert wrong_by[0] < 60_000  # a round trip, on whatever machine this is


async def test_a_process_that_dies_of_a_mistake_says_so_in_its_last_beat(kafka_bootstrap: str) -> None:
    async def job(service: Service) -> None:
        service.expect("job")
        service.set_assignment("job", [])
        raise KeyError(0)

    async with Rig(kafka_bootstrap) as rig:
        service = Service("test", rig.settings.model_copy(update={"instance": None}))
        with pytest.raises(KeyError):
            await service.run(job)
        states = [s for s in (await read_service_states(rig.settings)).values() if s.pid == service.pid]
    assert [(s.last_error, s.ready) for s in states if s.service == "test" and s.last_error] == [("KeyError(0)", False)]


async def test_a_job_that_stops_on_purpose_says_why_whatever_was_wrong_before(kafka_bootstrap: str) -> None:
    """`smsgw status` shows it."""
    sentence = "ingress stopped: 20 records in a row ended in a mistake of ours"

    async def job(service: Service) -> None:
        service.last_error = "another complaint"
        raise CannotGoOn(sentence)

    async with Rig(kafka_bootstrap) as rig:
        service = Service("test", rig.settings.model_copy(update={"instance": None}))
        with pytest.raises(CannotGoOn):
            await service.run(job)
        health = await look(rig.settings, ask_clickhouse=False)
    assert [s.last_error for s in health.services if s.pid == service.pid and s.last_error] == [sentence]


async def test_a_taken_health_port_is_one_sentence(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with Rig(kafka_bootstrap) as rig:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            settings = Settings(
                kafka_bootstrap_servers=rig.settings.kafka_bootstrap_servers,
                data_dir=tmp_path,
                http_host="127.0.0.1",
                http_port=port,
            )
            with pytest.raises(
                CannotServe, match=rf"SMSGW_HTTP_PORT: 127\.0\.0\.1, port {port}: Address already in use"
            ):
                await Service("test", settings).run(_wait)
