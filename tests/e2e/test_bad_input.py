"""Edge: whatever a producer may write to `mt.requests` ends with a reason and a field, or as a dead letter that says
where it came from; and the partition goes on.
"""

import asyncio
import json
from collections.abc import Collection
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from schemas.statuses import Status
from schemas.topics import MT_REQUESTS
from services.cli.demo.traffic import StatusFollower
from shared.kafka.client import connection_options
from shared.messages.ids import message_id_of
from shared.process.visible import UNSAFE
from tests.e2e.gateway import Gateway, messages_to, rows, statuses_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PARTITION = 0
"""Everything goes to one partition, good ones in between: what stops there stops all of them."""

GOOD: dict[str, Any] = messages_to("440701", 1)[0]["value"]

NESTED: dict[str, Any] = {}
for _ in range(500):
    NESTED = {"a": NESTED}

WRONG: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "unknown account": ({"account_id": "ghost"}, "unknown_account", "account_id"),
    "no account": ({"account_id": None}, "missing_field", "account_id"),
    "no destination": ({"to": None}, "missing_field", "to"),
    "no body": ({"text": None}, "body_conflict", "text"),
    "two bodies": ({"data": "AAEC"}, "body_conflict", "data"),
    "letters for a number": ({"to": "0044-not-a-number"}, "invalid_destination", "to"),
    "a number too short": ({"to": "+44011"}, "invalid_destination", "to"),
    "a number too long": ({"to": "+4407011234567890"}, "invalid_destination", "to"),
    "a number that is none": ({"to": 440701}, "invalid_field", "to"),
    "a lone surrogate": ({"text": "half an emoji: \ud83c"}, "invalid_field", "text"),
    "a deep object beside one": ({"text": "\ud83c", "metadata": NESTED}, "invalid_field", "text"),
    "64 KiB of text": ({"text": "x" * 65_536}, "text_too_long", "text"),
    "more than 64 KiB of text": ({"text": "x" * 65_537}, "text_too_long", "text"),
    "a date far ahead": ({"send_at": "9999-12-31T23:59:59Z"}, "schedule_out_of_range", "send_at"),
    "a date long ago": ({"send_at": "0001-01-01T00:00:00Z"}, "schedule_out_of_range", "send_at"),
    "a day that never was": ({"send_at": "2026-02-30T12:00:00Z"}, "invalid_field", "send_at"),
    "a validity without end": ({"validity_s": 10**18}, "invalid_field", "validity_s"),
    "unknown connector": ({"connector_id": "no-such-1"}, "unknown_connector", "connector_id"),
    "a sender of 12 letters": ({"from": "TwelveLetter"}, "invalid_sender", "from"),
    "another schema": ({"schema_version": 2}, "unsupported", "schema_version"),
    "an alphabet that does not fit": ({"text": "не латиница", "encoding": "gsm7"}, "not_encodable", "text"),
    "nowhere to go": ({"to": "+9901110000004"}, "no_route", None),
}

NO_OBJECT: dict[str, bytes | None] = {
    "no JSON": b"this is no JSON",
    "half an object": b'{"account_id": "shop", "to": "+44',
    "a list": b"[1, 2]",
    "a text": b'"shop"',
    "a number": b"17",
    "null": b"null",
    "nothing": b"",
    "no value": None,
    "not UTF-8": b'{"account_id": "\xff\xfe"}',
    "nested without end": b"[" * 100_000,
}


async def _publish(producer: AIOKafkaProducer, value: bytes | None) -> RecordMetadata:
    return await producer.send_and_wait(MT_REQUESTS, value, key=b"-", partition=PARTITION)


def _id(place: RecordMetadata) -> str:
    return message_id_of(place.timestamp, place.topic, place.partition, place.offset)


def _request(number: int, **changes: Any) -> bytes:
    value = GOOD | {"to": f"+440701{number:07d}"} | changes
    return json.dumps({name: found for name, found in value.items() if found is not None}).encode()


async def _end_of_all(
    gateway: Gateway, values: list[bytes | None], endless: Collection[int] = ()
) -> tuple[list[RecordMetadata], list[Status | None]]:
    """Publish the values with a good request behind each; the places and final statuses of the values.

    Returns when every good one was delivered and every value has a final status, but for those whose indexes are
    `endless`: partitions and services run beside each other, so the end of a later one says nothing of an earlier one.
    """
    follower = StatusFollower(gateway.settings)
    producer = AIOKafkaProducer(**connection_options(gateway.settings), acks="all", enable_idempotence=True)
    await follower.start()
    await producer.start()
    try:
        places = []
        good = set()
        for number, value in enumerate(values):
            places.append(await _publish(producer, value))
            good.add(_id(await _publish(producer, _request(1_000 + number))))
        ending = {_id(place) for number, place in enumerate(places) if number not in endless}
        assert await follower.wait_for(good | ending, 60) == set()
        assert {one.status for one in follower.told if one.message_id in good} == {"delivered"}
    finally:
        await producer.stop()
        await follower.stop()
    found = await statuses_of(gateway, [_id(place) for place in places])
    return places, [next((s for s in found[_id(place)] if s.final), None) for place in places]


async def test_every_wrong_request_is_rejected_with_its_reason_and_field(gateway: Gateway) -> None:
    values: list[bytes | None] = [_request(n, **changes) for n, (changes, *_) in enumerate(WRONG.values())]
    _, finals = await _end_of_all(gateway, values)
    ends = {kind: (s.status, s.reason, s.field) if s else None for kind, s in zip(WRONG, finals, strict=True)}
    assert ends == {kind: ("rejected", reason, field) for kind, (_, reason, field) in WRONG.items()}
    assert gateway.submits_to(["4407010000", "990111"]) == []


async def test_a_key_with_another_body_is_a_conflict(gateway: Gateway) -> None:
    first = _request(900, idempotency_key="order-1")
    _, finals = await _end_of_all(gateway, [first, _request(901, idempotency_key="order-1"), first], endless={2})
    ends = [(s.status, s.reason, s.field) if s else None for s in finals]
    conflict = ("rejected", "idempotency_conflict", "idempotency_key")
    assert ends == [("delivered", None, None), conflict, None]


async def test_what_is_no_object_is_a_dead_letter_that_says_where_it_was(gateway: Gateway) -> None:
    places, finals = await _end_of_all(gateway, list(NO_OBJECT.values()), endless=range(len(NO_OBJECT)))
    assert finals == [None] * len(NO_OBJECT)
    letters = {row["topic_offset"]: row for row in await _letters(gateway, len(NO_OBJECT))}
    for place, value in zip(places, NO_OBJECT.values(), strict=True):
        letter = letters[place.offset]
        assert (letter["topic"], letter["partition"]) == (MT_REQUESTS, PARTITION)
        assert letter["reason"] == "not_an_object"
        assert letter["error"]
        assert letter["value"] == (value or b"")[:200].decode("utf-8", "replace")


async def test_a_dead_letter_can_be_replayed_and_comes_back(gateway: Gateway) -> None:
    await _end_of_all(gateway, [b"again and again"], endless={0})
    before = await _letters(gateway, 1)
    again = gateway.cli("dlq", "replay", MT_REQUESTS, "--offset", str(before[-1]["offset"]), "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"replayed": 1})
    after = await _letters(gateway, len(before) + 1)
    assert after[-1]["value"] == "again and again"
    assert (after[-1]["topic"], after[-1]["partition"]) == (MT_REQUESTS, PARTITION)
    assert after[-1]["topic_offset"] > before[-1]["topic_offset"]


HOSTILE = "[/x][red]\x1b[31m\x07\x00\x9b2J\u202e\u2066\x7f\nFORGED\r"
FIELDS = ("account_id", "to", "text", "from", "data", "udh", "lane", "encoding", "receipt", "connector_id",
          "campaign_id", "idempotency_key", "send_at", "callback_url", "metadata", "tlvs")  # fmt: skip
TRACKED = ("account_id", "text", "campaign_id", "metadata")


async def test_text_that_steers_terminals_ends_well_and_is_shown_as_text(gateway: Gateway) -> None:
    values: list[bytes | None] = [
        _request(n, **{name: {HOSTILE: HOSTILE} if name in {"metadata", "tlvs"} else HOSTILE})
        for n, name in enumerate(FIELDS)
    ]
    places, _ = await _end_of_all(gateway, [*values, HOSTILE.encode()], endless={len(values)})
    shown = [gateway.cli("track", _id(place), "--wait", "30") for name, place in zip(FIELDS, places, strict=False)
             if name in TRACKED]  # fmt: skip
    shown += [gateway.cli(*command) for command in (("report",), ("dlq", "list"), ("dlq", "show", MT_REQUESTS))]
    for ended in shown:
        assert (ended.returncode, ended.stderr) == (0, "")
        assert UNSAFE.search(ended.stdout.replace("\n", "")) is None
        assert not any(line.startswith("FORGED") for line in ended.stdout.splitlines())
    assert "\\x1b[31m" in shown[-1].stdout
    for command in (("report", "--json"), ("dlq", "show", MT_REQUESTS, "--json")):
        printed = gateway.cli(*command).stdout
        assert UNSAFE.search(printed.replace("\n", "")) is None
        assert rows(gateway.cli(*command))
    logs = "".join(log.read_text(errors="replace") for log in (gateway.data_dir / "logs").glob("*.log"))
    assert not any(line.startswith("FORGED") for line in logs.splitlines())
    assert "\x1b" not in logs


async def _letters(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """The dead letters of `mt.requests`, once there are so many."""
    async with asyncio.timeout(30):
        while len(found := rows(gateway.cli("dlq", "show", MT_REQUESTS, "--limit", "1000", "--json"))) < count:
            await asyncio.sleep(0.2)
    return found
