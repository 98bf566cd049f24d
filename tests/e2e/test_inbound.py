"""Edge: messages of handsets through a whole gateway."""

import asyncio
from itertools import chain

import pytest

from schemas.mo_messages import InboundMessage
from schemas.topics import INBOUND_PARTS, MO_MESSAGES, SMSC_INBOUND
from shared.kafka.client import EARLIEST, make_consumer
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from tests.e2e.gateway import Gateway
from tests.unit.correlator.making import raw_inbound

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NUMBER = "60888"


def _part(number: int, text: bytes) -> Out:
    raw = raw_inbound(bytes((5, 0, 3, 77, 3, number)) + text, esm_class=0x40, destination_addr=NUMBER)
    return Out(SMSC_INBOUND, NUMBER.encode(), raw.to_json())


async def test_kill_9_of_the_correlator_in_the_middle_of_a_long_message(gateway: Gateway) -> None:
    producer = BatchProducer(gateway.settings, client_id="handset")
    consumer = make_consumer(gateway.settings, MO_MESSAGES, INBOUND_PARTS, auto_offset_reset=EARLIEST)
    await producer.start()
    await consumer.start()
    held: list[bytes] = []
    told: list[InboundMessage] = []

    async def until_read(seen: list[bytes] | list[InboundMessage], count: int) -> None:
        async with asyncio.timeout(60):
            while len(seen) < count:
                for record in chain.from_iterable((await consumer.getmany(timeout_ms=200)).values()):
                    if record.topic == MO_MESSAGES and record.key == NUMBER.encode():
                        told.append(InboundMessage.from_json(record.value))
                    elif NUMBER.encode() in (record.key or b""):
                        held.append(record.value)

    try:
        await producer.send_all([_part(3, b"three"), _part(1, b"one ")])
        await until_read(held, 1)
        await gateway.kill("correlator")
        await producer.send_all([_part(1, b"one "), _part(2, b"two ")])
        await until_read(told, 1)
    finally:
        await consumer.stop()
        await producer.stop()
    assert [(message.text, message.complete, message.parts) for message in told] == [("one two three", True, 3)]
