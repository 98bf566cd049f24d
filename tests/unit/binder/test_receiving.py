"""Edge: deliveries are answered when Kafka has them, or in time that it has not."""

import asyncio
from typing import cast

import pytest

from services.binder.outbox import Outbox
from services.binder.receive import receiving as module
from services.binder.receive.receiving import Receiving
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from tests.unit.binder.fakes import FakeDeliverer, FakeProducer

RECEIPT = Out("smsc.receipts", b"c|1", b"{}")


def deliver(receiving: Receiving, deliverer: FakeDeliverer, *references: int) -> None:
    for reference in references:
        receiving.delivered(deliverer, reference, RECEIPT)


@pytest.fixture
async def outbox_and_producer() -> tuple[Outbox, FakeProducer]:
    producer = FakeProducer()
    return Outbox(cast("BatchProducer", producer)), producer


async def test_q54_rok_only_after_kafka_has_it(outbox_and_producer: tuple[Outbox, FakeProducer]) -> None:
    outbox, producer = outbox_and_producer
    producer.open.clear()
    receiving, deliverer = Receiving(outbox), FakeDeliverer()
    deliver(receiving, deliverer, 1, 2, 3)
    task = asyncio.create_task(outbox.run())
    async with asyncio.timeout(5):
        while not producer.requests:
            await asyncio.sleep(0)
    assert deliverer.answers == []
    producer.open.set()
    async with asyncio.timeout(5):
        await deliverer.woken.wait()
    assert deliverer.answers == [(1, True), (2, True), (3, True)]
    assert len(producer.requests[0]) == 3
    task.cancel()


async def test_q54_try_again_when_kafka_is_late_and_once_only(
    outbox_and_producer: tuple[Outbox, FakeProducer],
) -> None:
    outbox, _ = outbox_and_producer
    receiving, deliverer = Receiving(outbox, answer_within_s=0.02), FakeDeliverer()
    deliver(receiving, deliverer, 1, 2)
    async with asyncio.timeout(5):
        await deliverer.woken.wait()
    assert deliverer.answers == [(1, False), (2, False)]
    parcel = receiving.collect()
    assert parcel is not None
    parcel.done({})
    assert len(deliverer.answers) == 2, "the late acknowledgement says nothing more"


async def test_q53_many_wait_together_and_each_deliverer_is_woken_once(
    outbox_and_producer: tuple[Outbox, FakeProducer],
) -> None:
    outbox, _ = outbox_and_producer
    receiving = Receiving(outbox)
    one, two = FakeDeliverer(), FakeDeliverer()
    deliver(receiving, one, *range(1, 500))
    deliver(receiving, two, 7)
    parcel = receiving.collect()
    assert parcel is not None
    assert len(parcel.outs) == 500
    parcel.done({})
    assert len(one.answers) == 499
    assert two.answers == [(7, True)]
    assert receiving.collect() is None


async def test_q53_no_more_wait_than_there_is_room_for(
    outbox_and_producer: tuple[Outbox, FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OUTSTANDING_MAX", 2)
    outbox, _ = outbox_and_producer
    receiving = Receiving(outbox)
    deliver(receiving, FakeDeliverer(), 1)
    assert not receiving.is_full()
    deliver(receiving, FakeDeliverer(), 2)
    assert receiving.is_full()
    parcel = receiving.collect()
    assert parcel is not None
    assert receiving.is_full(), "Kafka has not acknowledged them yet"
    parcel.done({})
    assert not receiving.is_full()
