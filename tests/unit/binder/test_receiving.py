"""Edge: deliver_sm are answered when Kafka has them, or in time that it has not."""

import asyncio
from typing import cast

import pytest

from services.binder.outbox import Outbox
from services.binder.receive import receiving as module
from services.binder.receive.received_record import Receiver
from services.binder.receive.receiving import Receiving
from services.binder.smpp.link import EsmeConnection
from shared.kafka.produce import BatchProducer
from shared.smpp.pdu import DeliverSm
from tests.unit.binder.fakes import FakeConnection, FakeProducer

RECEIVER = Receiver("c", "c", 0, False, "raw")
RECEIPT = DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD")
TRY_AGAIN = 0x64


def deliver(receiving: Receiving, connection: FakeConnection, *numbers: int) -> None:
    for number in numbers:
        receiving.delivered(cast("EsmeConnection", connection), number, RECEIPT, RECEIVER)


@pytest.fixture
async def outbox_and_producer() -> tuple[Outbox, FakeProducer]:
    producer = FakeProducer()
    return Outbox(cast("BatchProducer", producer)), producer


async def test_q54_rok_only_after_kafka_has_it(outbox_and_producer: tuple[Outbox, FakeProducer]) -> None:
    outbox, producer = outbox_and_producer
    producer.open.clear()
    receiving, connection = Receiving(outbox), FakeConnection()
    deliver(receiving, connection, 1, 2, 3)
    task = asyncio.create_task(outbox.run())
    async with asyncio.timeout(5):
        while not producer.requests:
            await asyncio.sleep(0)
    assert connection.session.answers == []
    producer.open.set()
    async with asyncio.timeout(5):
        await connection.woken.wait()
    assert connection.session.answers == [(1, 0), (2, 0), (3, 0)]
    assert len(producer.requests[0]) == 3
    task.cancel()


async def test_q54_try_again_when_kafka_is_late_and_once_only(
    outbox_and_producer: tuple[Outbox, FakeProducer],
) -> None:
    outbox, _ = outbox_and_producer
    receiving, connection = Receiving(outbox, answer_within_s=0.02), FakeConnection()
    deliver(receiving, connection, 1, 2)
    async with asyncio.timeout(5):
        await connection.woken.wait()
    assert connection.session.answers == [(1, TRY_AGAIN), (2, TRY_AGAIN)]
    parcel = receiving.collect()
    assert parcel is not None
    parcel.done({})
    assert len(connection.session.answers) == 2, "the late acknowledgement says nothing more"


async def test_q53_many_wait_together_and_each_connection_is_woken_once(
    outbox_and_producer: tuple[Outbox, FakeProducer],
) -> None:
    outbox, _ = outbox_and_producer
    receiving = Receiving(outbox)
    one, two = FakeConnection(), FakeConnection()
    deliver(receiving, one, *range(1, 500))
    deliver(receiving, two, 7)
    parcel = receiving.collect()
    assert parcel is not None
    assert len(parcel.outs) == 500
    parcel.done({})
    assert len(one.session.answers) == 499
    assert two.session.answers == [(7, 0)]
    assert receiving.collect() is None


async def test_q53_more_than_can_wait_is_refused_at_once(
    outbox_and_producer: tuple[Outbox, FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OUTSTANDING_MAX", 2)
    outbox, _ = outbox_and_producer
    receiving, connection = Receiving(outbox), FakeConnection()
    deliver(receiving, connection, 1, 2, 3)
    assert connection.session.answers == [(3, TRY_AGAIN)]
    parcel = receiving.collect()
    assert parcel is not None
    assert len(parcel.outs) == 2
    parcel.done({})
    deliver(receiving, connection, 4)
    assert receiving.collect() is not None
