"""Edge: everything goes out together, in order, one request at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from services.binder.outbox import FirstOffsets, Outbox, Parcel
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.process.metrics import REGISTRY
from tests.unit.binder.fakes import FakeProducer


class Answers:
    """A source with something in it once."""

    def __init__(self, outbox: Outbox) -> None:
        self.waiting = [Out("mt.feedback.c", None, b"a", partition=1)]
        self.told: list[FirstOffsets] = []
        outbox.add(self)

    def collect(self) -> Parcel | None:
        outs, self.waiting = self.waiting, []
        return Parcel(outs, self.told.append) if outs else None


@pytest.fixture
async def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
async def outbox(producer: FakeProducer) -> AsyncIterator[Outbox]:
    made = Outbox(cast("BatchProducer", producer))
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_posted_and_collected_go_in_one_request(producer: FakeProducer, outbox: Outbox) -> None:
    source = Answers(outbox)
    outbox.post(Out("a", None, b"1"))
    await outbox.send(Out("b", None, b"2"))
    assert [[o.topic for o in request] for request in producer.requests] == [["a", "b", "mt.feedback.c"]]
    assert source.told == [{("a", 0): 1, ("b", 0): 1, ("mt.feedback.c", 1): 1}]


async def test_what_was_produced_is_counted(outbox: Outbox) -> None:
    before = REGISTRY.get_sample_value("smsgw_records_out_total", {"topic": "counted.dlq"}) or 0.0
    await outbox.send(Out("counted.dlq", None, b"1"), Out("counted.dlq", None, b"2"))
    assert REGISTRY.get_sample_value("smsgw_records_out_total", {"topic": "counted.dlq"}) == before + 2
    assert REGISTRY.get_sample_value("smsgw_dead_letters_total", {"topic": "counted.dlq"}) == before + 2


async def test_what_comes_while_a_request_is_out_goes_with_the_next(producer: FakeProducer, outbox: Outbox) -> None:
    producer.open.clear()
    first = asyncio.create_task(outbox.send(Out("a", None, b"1")))
    async with asyncio.timeout(5):
        while not producer.requests:
            await asyncio.sleep(0)
    second = asyncio.create_task(outbox.send(Out("a", None, b"2")))
    await asyncio.sleep(0)
    assert len(producer.requests) == 1
    assert not first.done()
    producer.open.set()
    await asyncio.gather(first, second)
    assert [[o.value for o in request] for request in producer.requests] == [[b"1"], [b"2"]]


async def test_a_produce_that_ends_unknown_ends_the_outbox_and_tells_nobody(producer: FakeProducer) -> None:
    producer.failure = FatalKafkaError("unknown")
    outbox = Outbox(cast("BatchProducer", producer))
    source = Answers(outbox)
    waiter = outbox.flushed()
    with pytest.raises(FatalKafkaError):
        await outbox.run()
    assert source.told == []
    assert not waiter.done()


async def test_nothing_to_send_is_flushed_too(outbox: Outbox) -> None:
    async with asyncio.timeout(5):
        await outbox.flushed()
