"""Edge: messages of handsets through a whole gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain

import pytest

from schemas.mo_messages import InboundMessage
from schemas.topics import INBOUND_PARTS, MO_MESSAGES, SMSC_INBOUND
from shared.kafka.client import EARLIEST, make_consumer
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.process.clock import now_ms
from tests.e2e.gateway import Gateway, rows, statuses_of, traffic
from tests.unit.correlator.making import raw_inbound

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NUMBER = "60888"
OF_SHOP = "60889"
HANDSET = "4407770000000"


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


@asynccontextmanager
async def _sending(gateway: Gateway) -> AsyncIterator[BatchProducer]:
    producer = BatchProducer(gateway.settings, client_id="handset")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def _text(text: bytes) -> Out:
    raw = raw_inbound(text, source_addr=HANDSET, destination_addr=OF_SHOP, received_at_ms=now_ms())
    return Out(SMSC_INBOUND, OF_SHOP.encode(), raw.to_json())


async def test_stop_is_honoured_confirmed_and_taken_back(gateway: Gateway) -> None:
    """Each time one message after the other is sent until one ends otherwise than before."""
    async with traffic(gateway) as (publisher, follower), _sending(gateway) as handset:
        news = {"account_id": "shop", "from": OF_SHOP, "to": f"+{HANDSET}", "text": "news"}

        async def until(wanted: str) -> str | None:
            async with asyncio.timeout(60):
                while True:
                    await publisher.publish([{"value": news}])
                    message_id = publisher.published[-1].message_id
                    assert await follower.wait_for([message_id], 30) == set()
                    (told,) = (await statuses_of(gateway, [message_id])).values()
                    if told[-1].status == wanted:
                        return told[-1].reason
                    assert told[-1].status in ("delivered", "rejected")

        await until("delivered")
        await handset.send_all([_text(b"Stop!")])
        assert await until("rejected") == "opted_out"
        listed = rows(gateway.cli("optout", "list", HANDSET, "--json"))
        assert [(one["account_id"], one["from"], one["source"]) for one in listed] == [
            ("shop", OF_SHOP, "handset"),
            ("shop", "SHOP", "handset"),
        ]
        own = {one.message_id for one in publisher.published}
        sent = sum(one.status == "delivered" and one.message_id in own for one in follower.told)
        async with asyncio.timeout(30):
            while len(gateway.submits_to([HANDSET])) < sent + 1:  # and the confirmation
                await asyncio.sleep(0.2)
        await handset.send_all([_text(b"start")])
        await until("delivered")
        assert rows(gateway.cli("optout", "list", HANDSET, "--json")) == []
        assert gateway.cli("optout", "add", f"+{HANDSET}", "--account", "shop").returncode == 0
        assert await until("rejected") == "opted_out"
        assert gateway.cli("optout", "remove", HANDSET, "--account", "shop").returncode == 0
        assert gateway.cli("optout", "remove", HANDSET, "--account", "shop").returncode == 1
        await until("delivered")
    async with asyncio.timeout(30):
        while True:
            found = rows(gateway.cli("report", "inbound", "--json"))
            if any((row["to"], row["account_id"], row["messages"]) == (OF_SHOP, "shop", 2) for row in found):
                break
            await asyncio.sleep(0.5)
    unclaimed = gateway.cli("report", "inbound", "--unclaimed", "--json").stdout
    assert all(json.loads(line)["account_id"] == "" for line in unclaimed.splitlines())
