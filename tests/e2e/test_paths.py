"""Edge: the ways a message can go, end to end on real parts: Kafka, SMPP over TCP, ClickHouse."""

import asyncio
import json
from itertools import chain
from typing import Any

import pytest

from schemas.mo_messages import InboundMessage
from schemas.topics import MO_MESSAGES
from shared.kafka.client import EARLIEST, make_consumer
from tests.e2e.gateway import Gateway, messages_to, rows, settle, statuses_of, traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LONG = "This text is longer than one segment. " * 8


WAYS: dict[str, tuple[str, dict[str, Any], tuple[str, str | None, int, int]]] = {
    "one segment": ("440101", {"metadata": {"order": "7"}}, ("delivered", None, 1, 1)),
    "two segments": ("440102", {"text": LONG}, ("delivered", None, 2, 2)),
    "UCS-2": ("440103", {"text": "Привет " * 30}, ("delivered", None, 4, 4)),
    "emoji": ("440104", {"text": "👨‍👩‍👧‍👦 🎉 " * 20}, ("delivered", None, 5, 5)),
    "binary": ("440105", {"text": None, "data": "AAECAwQF", "udh": "BgUEFYoAAA=="}, ("delivered", None, 1, 1)),
    "flash": ("440106", {"text": "flash", "flash": True}, ("delivered", None, 1, 1)),
    "Latin-1": ("440107", {"text": "Grüße", "encoding": "latin1"}, ("delivered", None, 1, 1)),
    "one-time password": ("440108", {"lane": "otp"}, ("delivered", None, 1, 1)),
    "no receipt": ("440110", {"receipt": "none", "text": LONG}, ("submitted", None, 2, 0)),
    "undelivered": ("330112", {"text": LONG}, ("undeliverable", "smsc_undelivered", 2, 0)),
    "nobody is bound": ("390113", {"validity_s": 2}, ("expired", "validity_passed", 1, 0)),
}


async def test_every_way_a_message_can_go(gateway: Gateway) -> None:
    messages = []
    for prefix, fields, _ in WAYS.values():
        message = messages_to(prefix, 1)[0]
        message["value"] = {k: v for k, v in (message["value"] | fields).items() if v is not None}
        messages.append(message | {"otp": fields.get("lane") == "otp"})
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages)
        result = await settle(gateway, publisher, follower, [prefix for prefix, *_ in WAYS.values()])
    assert result.ok, result
    found = await statuses_of(gateway, [p.message_id for p in publisher.published])
    finals = {}
    for way, published in zip(WAYS, publisher.published, strict=True):
        (final,) = [status for status in found[published.message_id] if status.final]
        finals[way] = final
    ends = {way: (s.status, s.reason, s.segments, s.segments_delivered) for way, s in finals.items()}
    assert ends == {way: end for way, (_, _, end) in WAYS.items()}
    assert finals["one segment"].metadata == {"order": "7"}
    assert finals["one segment"].connector_id == "quick-1"


async def test_all_receipts_tell_every_step(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("440109", 1, receipt="all", text=LONG))
        result = await settle(gateway, publisher, follower, ["440109"])
        assert result.ok, result
    (told,) = (await statuses_of(gateway, [publisher.published[0].message_id])).values()
    assert [status.status for status in told] == ["accepted", "queued", "submitted", "delivered"]


async def test_the_same_key_is_the_same_message(gateway: Gateway) -> None:
    message = messages_to("440114", 1, idempotency_key="once")[0]
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish([message])
        await settle(gateway, publisher, follower, ["440114"])
        first = publisher.published[0]
        await publisher.publish([message, {"value": message["value"] | {"text": "another body"}, "wrong": True}])
        conflict = publisher.published[2]
        assert await follower.wait_for([conflict.message_id], 30) == set()
        publisher.published.pop(1)  # the repeat: it never was a message
        result = await settle(gateway, publisher, follower, ["440114"])
    assert result.ok, result
    assert result.submits == 1
    assert {one.message_id: one.status for one in follower.told} == {
        first.message_id: "delivered",
        conflict.message_id: "rejected",
    }


async def test_temporary_permanent_and_missing_receipts_all_end(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("490115", 120) + messages_to("490116", 20, text=LONG))
        result = await settle(gateway, publisher, follower, ["490115", "490116"])
    assert result.ok, result
    assert result.unknown == {}
    assert {"delivered", "undeliverable", "receipt_missing"} <= set(result.finals)


async def test_receipts_of_every_shape_are_joined_and_the_format_of_their_ids_is_learned(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("470101", 160))
        result = await settle(gateway, publisher, follower, ["470101"])
        assert result.ok, result
        assert set(result.finals) == {"delivered", "undeliverable"}, "nothing is missing"
        connectors = {row["connector_id"]: row for row in rows(gateway.cli("connectors", "--json"))}
        assert connectors["odd-1"]["message_id_format"] == "auto: hex"
        await publisher.publish(messages_to("470102", 40))
        result = await settle(gateway, publisher, follower, ["470101", "470102"])
    assert result.ok, result
    assert set(result.finals) == {"delivered", "undeliverable"}
    replayed = json.loads(gateway.cli("receipts", "replay", "--since", "10m", "--connector", "odd-1", "--json").stdout)
    assert replayed == {"replayed": 200, "without_id": 0}
    told = gateway.cli("receipts", "orphans", "--connector", "odd-1", "--json")
    assert (told.returncode, rows(told)) == (0, [])


async def test_track_and_report_tell_the_story(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("440117", 1, text=LONG, campaign_id="spring"))
        await settle(gateway, publisher, follower, ["440117"])
    message_id = publisher.published[0].message_id
    told = gateway.cli("track", message_id, "--json")
    assert told.returncode == 0, told.stderr
    story = json.loads(told.stdout)
    words = [event["event"] for event in story["events"]]
    assert words[0] == "accepted"
    assert words.count("submitted") == 2
    assert story["state"]["status"] == "delivered"
    assert gateway.cli("track", "00000000-0000-7000-8000-000000000000", "--wait", "0").returncode == 1
    assert gateway.cli("track", "nonsense").returncode == 2
    report = gateway.cli("report", "--json")
    assert any(
        r["connector_id"] == "quick-1" and r["delivered"] >= 1 for r in json.loads(report.stdout)["by_connector"]
    )
    of_one = json.loads(gateway.cli("report", "--json", "--campaign", "spring").stdout)["by_connector"]
    assert [(r["connector_id"], r["messages"]) for r in of_one] == [("quick-1", 1)]
    connectors = {row["connector_id"]: row for row in rows(gateway.cli("connectors", "--json"))}
    assert connectors["quick-1"]["state"] == "bound"
    assert connectors["nowhere-1"]["state"] == "not bound"


async def test_messages_from_handsets_come_out_as_text(gateway: Gateway) -> None:
    """The scenario sends two, a second after a simulator's first bind: one in GSM-7, one in UCS-2.

    Other tests' handsets write to the same gateway: theirs are passed over.
    """
    handsets = {"447700900001", "380671234567"}
    consumer = make_consumer(gateway.settings, MO_MESSAGES, auto_offset_reset=EARLIEST)
    found: dict[int, InboundMessage] = {}
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            while len(found) < 2:
                for record in chain.from_iterable((await consumer.getmany(timeout_ms=500)).values()):
                    message = InboundMessage.from_json(record.value)
                    assert record.key == message.to.encode()
                    if message.sender in handsets:
                        found[message.data_coding] = message
    finally:
        await consumer.stop()
    assert {coding: (one.sender, one.text, one.keyword) for coding, one in found.items()} == {
        0: ("447700900001", "Stop tout à l'heure €", "STOP"),
        8: ("380671234567", "Дякую 👍", "ДЯКУЮ"),
    }
    for message in found.values():
        assert (message.connector_id, message.to) == ("quick-1", "12345")
        assert (message.data, message.parts, message.complete) == (None, 1, True)
    assert found[0].mo_id != found[8].mo_id
