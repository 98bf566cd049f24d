"""Edge: a service process on a real broker: what ends it, and what it says then."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import UnknownError

from schemas.service_states import ServiceState
from schemas.topics import SERVICE_STATES
from shared.kafka.cluster_id import OtherCluster, cluster_id_of
from shared.kafka.errors import FatalKafkaError
from shared.kafka.records import Out
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.operations.beats import read_beats
from shared.operations.config.apply import create_topics
from shared.operations.health import look
from shared.process import clock
from shared.process.clock import now_ms
from shared.process.instance import InstanceInUse
from shared.process.kafka_time import KafkaTime
from shared.process.service import (
    EXIT_FAILED,
    EXIT_INSTANCE_IN_USE,
    CannotGoOn,
    CannotServe,
    Service,
)
from shared.process.service import _run as run_to_its_end
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
        states = [s for s in [beat.state for beat in (await read_beats(rig.settings))[1]] if s.pid == service.pid]
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


@pytest.fixture
async def other_container(kafka_bootstrap: str) -> AsyncIterator[Callable[..., ServiceState]]:
    """Another container, whose pid is ours too, beats under an instance id; `beating` for ever, or once."""
    async with Rig(kafka_bootstrap) as rig:
        beaters = []

        async def beat(state: ServiceState, times: int) -> None:
            for _ in range(times):
                beaten = state.model_copy(update={"beat_at_ms": now_ms()})
                await rig.producer.send_all(
                    [Out(SERVICE_STATES, f"test|{state.instance}|{state.pid}".encode(), beaten.to_json())]
                )
                await asyncio.sleep(0.2)

        def begin(instance: str, times: int = 1_000) -> ServiceState:
            state = ServiceState(
                service="test", instance=instance, pid=os.getpid(), host="pod-1", start_id="other", beat_at_ms=now_ms(),
                started_at_ms=now_ms(), ready=True, progress_at_ms=now_ms(),
            )  # fmt: skip
            beaters.append(asyncio.create_task(beat(state, times)))
            return state

        yield begin
        for beater in beaters:
            beater.cancel()
        await asyncio.gather(*beaters, return_exceptions=True)


async def test_an_instance_id_that_another_container_uses_is_refused_though_its_pid_is_ours(
    kafka_bootstrap: str, other_container: Callable[..., ServiceState]
) -> None:
    instance = uuid4().hex
    other_container(instance)
    await asyncio.sleep(0.5)
    service = Service("test", Settings(kafka_bootstrap_servers=kafka_bootstrap, instance=instance))
    with pytest.raises(
        InstanceInUse, match=rf"another process uses instance {instance} \(pid {os.getpid()} on pod-1\)"
    ):
        await service.run(_wait)


async def test_one_that_has_beaten_lately_and_does_not_again_is_dead(
    kafka_bootstrap: str, other_container: Callable[..., ServiceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pod was killed, and this is the next one."""
    monkeypatch.setattr("shared.process.instance.NEXT_BEAT_S", 1.0)
    instance = uuid4().hex
    other_container(instance, 1)
    await asyncio.sleep(0.5)
    service = Service("test", Settings(kafka_bootstrap_servers=kafka_bootstrap, instance=instance))
    running = asyncio.create_task(service.run(_wait))
    async with asyncio.timeout(30):
        while not service.ready:
            await asyncio.sleep(0.02)
    service.stopping.set()
    await running


async def test_who_was_evicted_by_another_container_is_not_to_be_started_again(
    kafka_bootstrap: str, other_container: Callable[..., ServiceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they evict each other for ever."""
    instance = uuid4().hex

    async def evicted(service: Service) -> None:
        other_container(instance)
        await asyncio.sleep(0.5)
        raise FatalKafkaError("fenced")

    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap, instance=instance)
    assert await run_to_its_end("test", settings, evicted) == EXIT_INSTANCE_IN_USE

    async def unlucky(service: Service) -> None:
        raise FatalKafkaError("a produce request ended unknown")

    alone = settings.model_copy(update={"instance": uuid4().hex})
    assert await run_to_its_end("test", alone, unlucky) == EXIT_FAILED


async def test_a_broker_of_another_cluster_under_the_same_address_ends_the_process(tmp_path: Path) -> None:
    """Its offsets mean nothing there. The next start is refused too where the cluster is remembered."""
    port = free_port()
    before, after = (EmbeddedKafka(tmp_path / name, port, short_lived=True) for name in ("before", "after"))
    await asyncio.gather(*(asyncio.to_thread(kafka.prepare) for kafka in (before, after)))
    settings = Settings(kafka_bootstrap_servers=before.bootstrap_servers, data_dir=tmp_path / "data")
    running: asyncio.subprocess.Process | None = None
    try:
        await asyncio.to_thread(before.start)
        await create_topics(settings)
        cluster_id = await cluster_id_of(settings)
        running = await _spawn_encoder(settings)
        async with asyncio.timeout(30):
            while not any(beat.state.ready for beat in (await read_beats(settings))[1]):
                await asyncio.sleep(0.1)
        await asyncio.to_thread(before.stop, 0)
        await asyncio.to_thread(after.start)
        async with asyncio.timeout(20):
            _, told = await running.communicate()
        other = rf"is another cluster than before: it was {cluster_id} and is {await cluster_id_of(settings)};"
        assert re.search(other, told.decode())
        assert running.returncode == EXIT_FAILED
        remembers = settings.model_copy(update={"kafka_cluster_id": cluster_id})
        with pytest.raises(OtherCluster, match=other):
            await Service("test", remembers).run(_wait)
    finally:
        if running is not None and running.returncode is None:
            running.kill()
            await running.communicate()
        for kafka in (before, after):
            await asyncio.to_thread(kafka.stop, 0)


async def _spawn_encoder(settings: Settings) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "SMSGW_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "SMSGW_DATA_DIR": str(settings.data_dir),
        "SMSGW_INSTANCE": "cluster",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "encoder", env=environment, stderr=asyncio.subprocess.PIPE
    )
