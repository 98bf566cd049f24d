"""Edge: a service as a FastStream application: what is declared, how its work begins and ends together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy

from schemas.subscriptions import BINDER, SUBSCRIPTIONS, THROTTLER
from schemas.topics import TOPICS
from services.correlator.app import FOLD, JOIN
from services.encoder.app import FLOWS as ENCODER_FLOWS
from services.ingress.app import FLOWS as INGRESS_FLOWS
from shared.membership.frame import Application, GatewayBroker
from shared.process.settings import read_settings

Run = Callable[[], Awaitable[None]]
CONSUMERS = {t.name: t.consumers for t in TOPICS}


class Cycle:
    """A stage that does nothing."""

    group = "ingress"
    topics = ("mt.requests", "mt.reroutes")
    max_records = 500
    listener: Any = None

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.calls: list[str] = []

    async def begin(self) -> None:
        self.calls.append("begin")

    async def next_batch(self, consumer: Any) -> tuple[Any, ...]:
        self.calls.append("poll")
        return ()

    async def on_batch(self, records: tuple[Any, ...]) -> None:
        self.calls.append(f"handle {len(records)}")

    async def drain(self) -> None:
        self.calls.append("drain")

    async def leave(self) -> None:
        self.calls.append("leave")

    async def end(self) -> None:
        self.calls.append("end")


def service(name: str = "test", **settings: Any) -> Any:
    found = read_settings(**({"kafka_bootstrap_servers": "127.0.0.1:9"} | settings))
    return SimpleNamespace(name=name, settings=found, stopping=asyncio.Event())


def application(host: Any, *runs: Run, told: list[str] | None = None) -> Application:
    notes = [] if told is None else told

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        notes.append("opened")
        for subscription, run in zip((THROTTLER, BINDER), runs, strict=False):
            app.add_own_cycle(subscription, run)
        try:
            yield
        finally:
            notes.append("closed")

    return Application(host, lifespan)


def until_stopped(host: Any, told: list[str]) -> Run:
    async def run() -> None:
        await host.stopping.wait()
        told.append("drained")

    return run


async def test_all_parts_run_until_the_service_is_asked_to_stop_and_drain_before_the_lifespan_ends() -> None:
    host, told = service(), list[str]()
    app = application(host, until_stopped(host, told), until_stopped(host, told), told=told)
    serving = asyncio.ensure_future(app.serve())
    await asyncio.sleep(0.01)
    assert (told, serving.done()) == (["opened"], False)
    host.stopping.set()
    await serving
    assert told == ["opened", "drained", "drained", "closed"]


async def test_when_one_part_fails_the_others_drain_and_its_error_is_raised() -> None:
    host, told = service(), list[str]()

    async def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await application(host, until_stopped(host, told), broken, told=told).serve()
    assert told == ["opened", "drained", "closed"]


async def test_cut_off_it_drains_nothing() -> None:
    host, told = service(), list[str]()
    serving = asyncio.ensure_future(application(host, until_stopped(host, told), told=told).serve())
    await asyncio.sleep(0.01)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert told == ["opened", "closed"]


async def test_a_lifespan_that_fails_is_the_end_of_it() -> None:
    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        if app.service.name:
            raise KeyError("opt-outs")
        yield

    with pytest.raises(KeyError):
        await Application(service(), lifespan).serve()


async def test_a_stage_polls_and_commits_itself_and_never_begins_where_kafka_says() -> None:
    cycle = Cycle()
    subscriber: Any = GatewayBroker(service(instance="7").settings).stage(cycle)
    options = subscriber._connection_args
    assert subscriber.ack_policy is AckPolicy.MANUAL
    assert (options["enable_auto_commit"], options["auto_offset_reset"]) == (False, "none")
    assert (options["isolation_level"], options["group_instance_id"]) == ("read_committed", "ingress-7")
    assert options["partition_assignment_strategy"] == (RangePartitionAssignor,)
    assert (subscriber.group_id, subscriber.topic_names) == ("ingress", ["mt.requests", "mt.reroutes"])
    await subscriber.get_msg(None)
    await subscriber.consume_one((1, 2))
    await subscriber.stop()
    assert cycle.calls == ["poll", "handle 2", "leave", "end"]


def test_the_table_of_subscriptions_is_what_the_services_do() -> None:
    declared = {s.group: s.topics for s in SUBSCRIPTIONS}
    for encoder_flow in (*ENCODER_FLOWS, JOIN, FOLD):
        assert declared[encoder_flow.group] == encoder_flow.topics
    for flow in INGRESS_FLOWS:
        assert flow.requests in declared[flow.group]
    for subscription in SUBSCRIPTIONS:
        assert all(subscription.service in CONSUMERS[topic] for topic in subscription.topics)


@pytest.mark.parametrize("security", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_every_kind_of_security_makes_a_broker(security: str) -> None:
    settings = read_settings(
        kafka_bootstrap_servers="127.0.0.1:9",
        kafka_security_protocol=security,
        kafka_sasl_username="u",
        kafka_sasl_password="p",
    )
    assert GatewayBroker(settings).specification.protocol == ("kafka-secure" if "SSL" in security else "kafka")
