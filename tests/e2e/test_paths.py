"""Edge: the ways a message can go, end to end on real parts: Kafka, SMPP over TCP, ClickHouse."""

import asyncio
import json
from typing import Any

import pytest

from schemas.statuses import Status
from schemas.topics import MT_STATUSES
from services.cli.traffic import Publisher, StatusFollower
from shared.kafka import EARLIEST, make_consumer
from tests.e2e.gateway import Gateway, messages_to, rows, settle, traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

LONG = "This text is longer than one segment. " * 8


async def _statuses(gateway: Gateway, message_id: str) -> list[Status]:
    """Every record of `mt.statuses` of one message, in order."""
    consumer = make_consumer(gateway.settings, MT_STATUSES, auto_offset_reset=EARLIEST)
    await consumer.start()
    found: list[Status] = []
    try:
        while batch := await consumer.getmany(timeout_ms=1500):
            found += [
                Status.from_json(r.value) for records in batch.values() for r in records if r.key == message_id.encode()
            ]
    finally:
        await consumer.stop()
    return found


async def _send(gateway: Gateway, message: dict[str, Any], prefix: str) -> tuple[Publisher, StatusFollower, Status]:
    """Publish one message, wait for its end, compare the four sources; returns the final status."""
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish([message])
        result = await settle(gateway, publisher, follower, [prefix])
        assert result.ok, result
    statuses = await _statuses(gateway, publisher.published[0].message_id)
    assert [s.final for s in statuses].count(True) == 1
    return publisher, follower, next(s for s in statuses if s.final)


async def test_a_single_segment_is_delivered(gateway: Gateway) -> None:
    _, _, final = await _send(gateway, messages_to("440101", 1, metadata={"order": "7"})[0], "440101")
    assert (final.status, final.segments, final.segments_delivered) == ("delivered", 1, 1)
    assert final.metadata == {"order": "7"}
    assert final.connector_id == "quick-1"


@pytest.mark.parametrize(
    ("prefix", "fields", "segments"),
    [
        ("440102", {"text": LONG}, 2),
        ("440103", {"text": "Привет " * 30}, 4),
        ("440104", {"text": "👨‍👩‍👧‍👦 🎉 " * 20}, 5),
        ("440105", {"text": None, "data": "AAECAwQF", "udh": "BgUEFYoAAA=="}, 1),
        ("440106", {"text": "flash", "flash": True}, 1),
        ("440107", {"text": "Grüße", "encoding": "latin1"}, 1),
    ],
)
async def test_alphabets_and_lengths(gateway: Gateway, prefix: str, fields: dict[str, Any], segments: int) -> None:
    message = messages_to(prefix, 1)[0]
    message["value"] = {k: v for k, v in (message["value"] | fields).items() if v is not None}
    _, _, final = await _send(gateway, message, prefix)
    assert (final.status, final.segments, final.segments_delivered) == ("delivered", segments, segments)


async def test_an_otp_goes_its_own_way(gateway: Gateway) -> None:
    message = messages_to("440108", 1)[0] | {"otp": True}
    _, _, final = await _send(gateway, message, "440108")
    assert final.status == "delivered"


async def test_all_receipts_tell_every_step(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("440109", 1, receipt="all", text=LONG))
        await settle(gateway, publisher, follower, ["440109"])
    words = [s.status for s in await _statuses(gateway, publisher.published[0].message_id)]
    assert words == ["accepted", "queued", "submitted", "delivered"]


async def test_no_receipt_ends_with_submitted(gateway: Gateway) -> None:
    _, _, final = await _send(gateway, messages_to("440110", 1, receipt="none", text=LONG)[0], "440110")
    assert (final.status, final.reason, final.segments) == ("submitted", None, 2)


async def test_a_rejection_names_reason_and_field(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        bad = [
            {"wrong": True, "value": {"account_id": "shop", "to": "+440111", "text": "x"}},
            {"wrong": True, "value": {"account_id": "ghost", "to": "+4401110000001", "text": "x"}},
            {"wrong": True, "value": {"account_id": "shop", "to": "+4401110000002"}},
            {
                "wrong": True,
                "value": {"account_id": "shop", "to": "+4401110000003", "text": "x", "from": "TwelveLetter"},
            },
            {"wrong": True, "value": {"account_id": "shop", "to": "+9901110000004", "text": "no route"}},
        ]
        await publisher.publish(bad)
        result = await settle(gateway, publisher, follower, ["440111", "990111"])
        assert result.ok, result
    finals = [(await _statuses(gateway, p.message_id))[-1] for p in publisher.published]
    assert [(s.status, s.reason, s.field) for s in finals] == [
        ("rejected", "invalid_destination", "to"),
        ("rejected", "unknown_account", "account_id"),
        ("rejected", "body_conflict", "text"),
        ("rejected", "invalid_sender", "from"),
        ("rejected", "no_route", None),
    ]


async def test_an_undelivered_message_fails(gateway: Gateway) -> None:
    _, _, final = await _send(gateway, messages_to("330112", 1, text=LONG)[0], "330112")
    assert (final.status, final.reason, final.segments_delivered) == ("undeliverable", "smsc_undelivered", 0)


async def test_a_message_expires_where_nobody_is_bound(gateway: Gateway) -> None:
    _, _, final = await _send(gateway, messages_to("390113", 1, validity_s=2)[0], "390113")
    assert (final.status, final.reason) == ("expired", "validity_passed")


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
    assert {f.message_id: f.status for f in follower.finals} == {
        first.message_id: "delivered",
        conflict.message_id: "rejected",
    }


async def test_temporary_permanent_and_missing_receipts_all_end(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("490115", 120) + messages_to("490116", 20, text=LONG))
        result = await settle(gateway, publisher, follower, ["490115", "490116"])
    assert result.ok, result
    assert result.in_doubt == 0
    assert {"delivered", "undeliverable", "receipt_missing"} <= set(result.finals)


async def test_track_and_report_tell_the_story(gateway: Gateway) -> None:
    publisher, _, _ = await _send(gateway, messages_to("440117", 1, text=LONG)[0], "440117")
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
    connectors = {row["connector_id"]: row for row in rows(gateway.cli("connectors", "--json"))}
    assert connectors["quick-1"]["state"] == "bound"
    assert connectors["nowhere-1"]["state"] == "not bound"


async def test_what_is_no_object_goes_to_the_dead_letters_and_back(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish([{"raw": "no JSON"}, {"raw": "[1, 2]"}, *messages_to("440118", 1)])
        result = await settle(gateway, publisher, follower, ["440118"])
    assert result.ok, result
    async with asyncio.timeout(20):
        while len(found := rows(gateway.cli("dlq", "show", "mt.requests", "--json"))) < 2:
            await asyncio.sleep(0.2)
    assert {row["value"] for row in found[-2:]} == {"no JSON", "[1, 2]"}
    assert all(row["topic"] == "mt.requests" and row["reason"] and row["error"] for row in found[-2:])
    again = gateway.cli("dlq", "replay", "mt.requests", "--offset", str(found[-1]["offset"]), "--json")
    assert again.returncode == 0, again.stderr
