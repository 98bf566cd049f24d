"""The views that analysts rely on, filled by events as the services write them, through the recorder's own code."""

# ruff: noqa: S608 - the ids in the queries are made here

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import ConsumerRecord

from schemas.lifecycle_events import EventWord
from services.recorder.app import RecorderHandler, known_migrations, migrate
from services.recorder.patience import Patience
from services.recorder.rollup import REFRESH_HOUR, RollupPlan
from shared.messages.events import EventMaker
from shared.operations.clickhouse_access import clickhouse_problem
from shared.process.settings import ClickHouseSettings
from tests.integration.database_rig import Database, Story
from tests.unit.recorder.clickhouse_double import FakeHost

pytestmark = pytest.mark.clickhouse

CONTRACT = {
    "message_state": "message_id account_id campaign_id to sender country connector_id lane encoding segments "
    "segments_delivered attempts status final reason smsc_error accepted_at submitted_at finished_at latency_ms "
    "late_status",
    "segment_state": "message_id segment_index attempt connector_id smsc_message_id status submitted_at done_at",
    "events": "event_id message_id segment_index attempt event service connector_id reason occurred_at detail",
    "stats_1h": "hour account_id connector_id country sender messages segments submitted delivered failed pending",
    "missing_receipts": "message_id segment_index connector_id submitted_at deadline_at",
    "stuck_messages": "message_id account_id connector_id last_event last_event_at age_s",
    "connector_health": "connector_id state binds_up binds_max throttled_1m errors_1m updated_at",
}


async def test_views_have_at_least_the_columns_of_the_contract(database: Database) -> None:
    for view, names in CONTRACT.items():
        columns = {row[0] for row in await database.clickhouse.rows(f"DESCRIBE TABLE sms.{view}")}
        assert set(names.split()) <= columns, view


class TestMessages:
    """sms.message_state, sms.segment_state, sms.events."""

    @pytest.mark.parametrize("seed", range(4))
    async def test_order_and_repeats_do_not_matter(self, database: Database, seed: int) -> None:
        story = Story(segments=2, campaign_id="spring").accepted().submitted(60, 1).submitted(75, 2)
        story.receipt(1000, 1).receipt(1500, 2).status(1500, "delivered", True, smsc_error="000", segments_delivered=2)
        events = story.events * 2
        random.Random(seed).shuffle(events)
        cut = random.Random(seed).randrange(1, len(events))
        for part in (events[:cut], events[cut:], events):
            await database.clickhouse.insert(part)
        row = await database.one("message_state", story.message_id)
        expected = {
            "account_id": "shop", "campaign_id": "spring", "to": "447700900123",
            "sender": "SHOP", "country": "GB", "connector_id": "acme-1",
            "lane": "txn", "encoding": "gsm7", "segments": 2, "segments_delivered": 2, "attempts": 1,
            "status": "delivered", "final": True, "reason": "", "smsc_error": "000", "latency_ms": 1440,
            "late_status": "", "last_event": "status",
        }  # fmt: skip
        assert {name: row[name] for name in expected} == expected
        assert await moments(database, "message_state", story) == (0, 60, 1500)
        segments = await database.all(
            f"SELECT * FROM sms.segment_state WHERE message_id = '{story.message_id}' ORDER BY segment_index"
        )
        assert [(s["segment_index"], s["status"], s["smsc_message_id"], s["connector_id"]) for s in segments] == [
            (1, "delivered", "id-1", "acme-1"),
            (2, "delivered", "id-2", "acme-1"),
        ]
        assert len(await database.of("events", story)) == len(story.events)

    @pytest.mark.parametrize(
        ("tell", "status"),
        [
            (lambda s: s.accepted(), "accepted"),
            (lambda s: s.accepted().tell("throttler", "dispatched", 50), "queued"),
            (lambda s: s.accepted().tell("throttler", "retry_scheduled", 50, reason="temporary"), "queued"),
            (lambda s: s.accepted().submitted(), "submitted"),
            (lambda s: s.accepted().submitted().status(3, "accepted", False), "accepted"),
        ],
    )
    async def test_before_the_final_status(
        self, database: Database, tell: Callable[[Story], Story], status: str
    ) -> None:
        story = tell(Story())
        await database.clickhouse.insert(story.events)
        row = await database.one("message_state", story.message_id)
        assert (row["status"], row["final"], row["finished_at"], row["latency_ms"]) == (status, False, None, None)

    async def test_a_final_status_wins_over_later_ones(self, database: Database) -> None:
        story = Story().accepted().status(900, "expired", True, reason="validity_passed").status(950, "queued", False)
        await database.clickhouse.insert(story.events)
        row = await database.one("message_state", story.message_id)
        assert (row["status"], row["reason"], row["final"]) == ("expired", "validity_passed", True)
        assert row["latency_ms"] is None

    async def test_a_late_receipt_changes_nothing_but_late_status(self, database: Database) -> None:
        story = Story().accepted().submitted().tell("correlator", "receipt_missing", 700, segment_index=1)
        story.status(700, "receipt_missing", True, reason="receipt_deadline").receipt(900, word="late_receipt")
        await database.clickhouse.insert(story.events)
        row = await database.one("message_state", story.message_id)
        assert (row["status"], row["late_status"]) == ("receipt_missing", "delivered")
        assert row["last_event"] == "late_receipt"
        assert (await database.one("segment_state", story.message_id))["status"] == "receipt_missing"

    @pytest.mark.parametrize(
        ("reason", "status"),
        [("validity_passed", "expired"), ("retries_exhausted", "undeliverable"), ("smsc_refused", "undeliverable")],
    )
    async def test_a_segment_that_is_given_up_has_an_end(self, database: Database, reason: str, status: str) -> None:
        story = Story(segments=2).accepted().submitted(60, 1)
        story.tell("throttler", "dispatched", 60, connector_id="acme-1", segment_index=2, attempt=1)
        story.tell("throttler", "temporary_error", 70, connector_id="acme-1", segment_index=2, command_status=0x14)
        story.tell("throttler", "submit_failed", 90, connector_id="acme-1", segment_index=2, attempt=1, reason=reason)
        await database.clickhouse.insert(story.events)
        rows = {row["segment_index"]: row for row in await database.of("segment_state", story)}
        assert {index: row["status"] for index, row in rows.items()} == {1: "submitted", 2: status}
        assert rows[1]["done_at"] is None
        assert rows[2]["done_at"] is not None

    async def test_a_rejected_request_is_final(self, database: Database) -> None:
        story = Story(account_id="")
        story.tell("ingress", "rejected", 0, reason="invalid_destination", field="to", detail="too short", to="12")
        await database.clickhouse.insert(story.events)
        row = await database.one("message_state", story.message_id)
        assert (row["status"], row["reason"], row["final"]) == ("rejected", "invalid_destination", True)
        event = await database.one("events", story.message_id)
        assert (event["event"], event["field"], event["detail"]) == ("rejected", "to", "too short")

    async def test_the_connector_is_that_of_the_last_route(self, database: Database) -> None:
        story = Story().accepted().tell("throttler", "submit_failed", 50, connector_id="acme-1", segment_index=1)
        story.tell("ingress", "rerouted", 60, route_no=1, connector_id="aaa-1")
        story.submitted(90, route_no=1, connector_id="aaa-1")
        await database.clickhouse.insert(story.events)
        assert (await database.one("message_state", story.message_id))["connector_id"] == "aaa-1"
        segment = await database.one("segment_state", story.message_id)
        assert (segment["connector_id"], segment["status"]) == ("aaa-1", "submitted")

    @pytest.mark.parametrize("word", ["duplicate", "inbound", "orphan_receipt"])
    async def test_some_events_make_no_message(self, database: Database, word: EventWord) -> None:
        story = Story().tell("x", word, 5, to="4477", sender="me")
        await database.clickhouse.insert(story.events)
        assert await database.of("message_state", story) == []
        event = await database.one("events", story.message_id)
        assert (event["event"], event["to"], event["sender"], event["account_id"]) == (word, "4477", "me", "shop")

    async def test_one_message_is_found_by_its_key(self, database: Database) -> None:
        for view in ("message_state", "segment_state", "events"):
            plan = await database.clickhouse.rows(
                f"EXPLAIN indexes = 1 SELECT * FROM sms.{view} WHERE message_id = '{uuid4()}'"
            )
            text = "\n".join(str(row[0]) for row in plan)
            assert "PrimaryKey" in text, text
            assert "Keys:" in text, text

    async def test_who_asks_for_a_time_reads_no_other(self, database: Database) -> None:
        story = Story().accepted().submitted()
        await database.clickhouse.insert(story.events)
        assert (await moments(database, "segment_state", story))[0] == 0
        for view in ("message_state", "segment_state", "missing_receipts", "events"):
            assert await database.rows_read(f"SELECT * FROM sms.{view} WHERE accepted_at > now() + 86400") == 0, view
            assert await database.rows_read(f"SELECT * FROM sms.{view} WHERE accepted_at > now() - 86400") > 0, view


class TestWatching:
    """sms.missing_receipts, sms.stuck_messages, sms.connector_health."""

    async def test_missing_receipts(self, database: Database) -> None:
        waiting = Story(segments=2).accepted().submitted(60, 1).submitted(70, 2).receipt(500, 2)
        waiting.receipt(400, 1, "intermediate_receipt", status="")
        unasked = Story().accepted().submitted(deadline_at_ms=0)
        late = Story().accepted().submitted().receipt(900, word="late_receipt")
        for story in (waiting, unasked, late):
            await database.clickhouse.insert(story.events)
        row = await database.one("missing_receipts", waiting.message_id)
        assert (row["segment_index"], row["connector_id"]) == (1, "acme-1")
        assert await moments(database, "missing_receipts", waiting) == (60, 172_800_000)
        for story in (unasked, late):
            assert await database.of("missing_receipts", story) == []

    async def test_stuck_messages(self, database: Database) -> None:
        stuck = Story().accepted()
        ended = Story().accepted().status(100, "delivered", True)
        lively = Story().accepted().tell("throttler", "queued", 595_000)
        for story in (stuck, ended, lively):
            await database.clickhouse.insert(story.events)
        row = await database.one("stuck_messages", stuck.message_id)
        assert (row["account_id"], row["connector_id"], row["last_event"]) == ("shop", "acme-1", "encoded")
        assert 590 <= row["age_s"] <= 660
        for story in (ended, lively):
            assert await database.of("stuck_messages", story) == []

    async def test_connector_health(self, database: Database) -> None:
        connector, silent, instance = f"c-{uuid4().hex[:8]}", f"c-{uuid4().hex[:8]}", uuid4().hex[:8]
        binder, now_ms = EventMaker("binder", instance), int(time.time() * 1000)

        async def happened(word: EventWord, ago_ms: int, detail: str = "", **columns: Any) -> None:
            columns = {"detail": detail, "connector_id": connector, "identity": (connector, ago_ms)} | columns
            made = binder.out(word, occurred_at_ms=now_ms - ago_ms, **columns)
            await database.clickhouse.insert([made.value or b""] * 2)

        async def health(of: str = connector) -> tuple[Any, ...]:
            [row] = await database.all(f"SELECT * FROM sms.connector_health WHERE connector_id = '{of}'")
            return row["state"], row["binds_up"], row["binds_max"], row["throttled_1m"], row["errors_1m"]

        async def configured(ago_ms: int, **binds_max: int) -> None:
            listed = [{"id": name, "max_binds": count} for name, count in binds_max.items()]
            detail = orjson.dumps({"hash": "x", "connectors": listed}).decode()
            await happened("config_applied", ago_ms, detail, connector_id="")

        await configured(950_000, **{connector: 2, silent: 3})
        assert await health() == ("down", 0, 2, 0, 0)
        await happened("service_started", 900_000, connector_id="")
        await happened("bind_up", 800_000, "bind 0: transceiver at 127.0.0.1:2775, window 10")
        await happened("bind_refused", 790_000, "bind 1: wrong password", command_status=14)
        assert await health() == ("degraded", 1, 2, 0, 0)
        await happened("bind_up", 700_000, "bind 1: transceiver at 127.0.0.1:2775, window 10")
        await happened("throttled", 20_000)
        await happened("temporary_error", 30_000)
        await happened("throttled", 90_000)
        await happened("submit_failed", 10_000, reason="validity_passed")
        assert await health() == ("up", 2, 2, 1, 1)
        await happened("submit_failed", 11_000, command_status=0x0B)
        assert await health() == ("up", 2, 2, 1, 2)
        await happened("bind_down", 600_000, "bind 0: connection lost")
        assert (await health())[:3] == ("degraded", 1, 2)
        await happened("service_started", 500_000, connector_id="")  # it was killed: its binds are gone
        assert (await health())[:3] == ("down", 0, 2)
        await happened("bind_refused", 400_000, "bind 1: wrong password")
        assert (await health())[:3] == ("refused", 0, 2)
        assert await health(silent) == ("down", 0, 3, 0, 0)
        await happened("bind_up", 300_000, "bind 1: transceiver at 127.0.0.1:2775, window 10")
        await configured(200_000, **{silent: 1})
        assert (await health())[:3] == ("degraded", 1, 2)  # drains
        await happened("bind_down", 100_000, "bind 1: the connector was removed")
        left = await database.all("SELECT connector_id FROM sms.connector_health")
        assert {"connector_id": connector} not in left
        assert {"connector_id": silent} in left


class TestHours:
    """sms.stats_1h, recomputed."""

    async def test_counts_replays_and_cells_that_vanish(self, database: Database) -> None:
        account = f"a-{uuid4().hex[:8]}"
        delivered = Story(account, segments=3).accepted().submitted().status(900, "delivered", True)
        failed = Story(account).accepted().submitted().status(900, "undeliverable", True)
        unasked = Story(account).accepted().submitted().status(60, "submitted", True)
        waiting = Story(account).accepted()
        stories = (delivered, failed, unasked, waiting)

        async def counts() -> list[tuple[Any, ...]]:
            rows = await database.all(f"SELECT * FROM sms.stats_1h WHERE account_id = '{account}'")
            names = ("connector_id", "messages", "segments", "submitted", "delivered", "failed", "pending")
            totals: dict[str, list[int]] = {}
            for row in rows:  # the stories may lie on both sides of a full hour
                cell = totals.setdefault(row["connector_id"], [0] * 6)
                totals[row["connector_id"]] = [a + row[name] for a, name in zip(cell, names[1:], strict=True)]
            return sorted((name, *cell) for name, cell in totals.items())

        handler = await handler_at_work(database)
        await handler([event for story in stories for event in story.events])
        assert await counts() == [("acme-1", 4, 6, 3, 1, 1, 1)]
        waiting.tell("ingress", "rerouted", 500, route_no=1, connector_id="beta-1")
        await handler([*waiting.events, *delivered.events])
        assert await counts() == [("acme-1", 3, 5, 3, 1, 1, 0), ("beta-1", 1, 1, 0, 0, 0, 1)]

    async def test_an_hour_can_be_recomputed_at_any_time(self, database: Database) -> None:
        hour_s = int(time.time()) // 3600 * 3600
        before = await database.all("SELECT * EXCEPT refreshed_at FROM sms.stats_1h ORDER BY ALL")
        for _ in range(2):
            await database.clickhouse.execute(REFRESH_HOUR, {"hour_s": hour_s - 50 * 3600})
        assert await database.all("SELECT * EXCEPT refreshed_at FROM sms.stats_1h ORDER BY ALL") == before


class TestBadRows:
    """Values that ClickHouse cannot take, through the real engine."""

    async def test_bad_values_become_dead_letters_and_the_rest_goes_in(self, database: Database) -> None:
        story = Story().accepted().submitted()
        bad: list[bytes | None] = [
            b"{", b"[]", None, b'{"event_id":"x"}', b'{"a":1}{"b":2}', b"\xff\xfe", b'{"message_id": 1}',
            orjson.dumps({**orjson.loads(story.events[0]), "segments": "many"}),
            story.events[0][:-20] + b"}",
        ]  # fmt: skip
        outs = await recorded(database, [story.events[0], *bad, *story.events[1:]])
        assert sorted(int(dict(out.headers)["dlq_offset"]) for out in outs) == list(range(1, len(bad) + 1))
        assert {row["event"] for row in await database.of("events", story)} == {"accepted", "encoded", "submitted"}

    async def test_absurd_days_do_not_break_the_block(self, database: Database) -> None:
        story = Story().accepted()
        event = orjson.loads(story.events[0])
        days = range(1, 150)
        absurd = [orjson.dumps(event | {"accepted_at_ms": day * 86_400_000}) for day in days]
        outs = await recorded(database, [*absurd, *story.events])
        assert {dict(out.headers)["dlq_reason"] for out in outs} == {b"absurd_time"}
        assert len(outs) == len(absurd)
        assert (await database.one("message_state", story.message_id))["status"] == "accepted"

    async def test_fields_and_words_of_a_newer_version_are_no_problem(self, database: Database) -> None:
        story = Story().accepted()
        event = orjson.loads(story.events[0])
        newer = event | {"event": "teleported", "event_id": str(uuid4()), "beam": {"x": 1}}
        newer["occurred_at_ms"] = story.at_ms + 9999
        assert await recorded(database, [*story.events, orjson.dumps(newer)]) == []
        row = await database.one("message_state", story.message_id)
        assert (row["last_event"], row["status"]) == ("", "accepted")


class TestMigrations:
    """On the real engine."""

    async def test_the_second_time_nothing_is_applied(self, database: Database) -> None:
        assert await migrate(database.clickhouse) == []
        names = await database.clickhouse.rows("SELECT number, name FROM sms.schema_migrations FINAL ORDER BY number")
        assert names == [(m.number, m.name) for m in known_migrations()]

    async def test_status_knows_which_are_missing(self, database: Database, clickhouse_url: str) -> None:
        settings = ClickHouseSettings(clickhouse_url=clickhouse_url)
        assert clickhouse_problem(settings) == ""
        last = known_migrations()[-1]
        await database.clickhouse.execute(f"DELETE FROM sms.schema_migrations WHERE number = {last.number}")
        try:
            name = f"{last.number:04}_{last.name}"
            assert clickhouse_problem(settings) == f"migrations of ClickHouse have not run yet: {name}"
        finally:
            await migrate(database.clickhouse)

    async def test_every_statement_may_be_repeated_and_loses_nothing(self, database: Database) -> None:
        story = Story().accepted()
        await database.clickhouse.insert(story.events)
        for migration in known_migrations():
            for statement in migration.statements:
                await database.clickhouse.execute(statement)
        assert (await database.one("message_state", story.message_id))["status"] == "accepted"


def in_kafka(values: Sequence[bytes | None]) -> list[ConsumerRecord]:
    now_ms = int(time.time() * 1000)
    return [
        ConsumerRecord("lifecycle.events", 0, offset, now_ms, 1, None, value, 0, 0, 0, ())
        for offset, value in enumerate(values)
    ]


async def recorded(database: Database, values: Sequence[bytes | None]) -> list[Any]:
    """Record `values` as the service does; returns the dead letters."""
    handler = RecorderHandler(database.clickhouse, Patience(FakeHost()), RollupPlan(2**62), unexplained_max=20)
    return list(await handler.handle(in_kafka(values), int(time.time() * 1000)))


async def handler_at_work(database: Database) -> Callable[[Sequence[bytes]], Awaitable[None]]:
    """A function that records values, and recomputes the hours they touch at once."""

    async def work(values: Sequence[bytes]) -> None:
        handler = RecorderHandler(database.clickhouse, Patience(FakeHost()), RollupPlan(0), unexplained_max=20)
        assert list(await handler.handle(in_kafka(values), int(time.time() * 1000))) == []
        due_ms = handler.next_due_ms()
        assert due_ms is None or due_ms > time.time() * 1000

    return work


async def moments(database: Database, view: str, story: Story) -> tuple[int, ...]:
    """The times of a message's row, in milliseconds after it was accepted."""
    names = {
        "message_state": "accepted_at submitted_at finished_at",
        "missing_receipts": "submitted_at deadline_at",
        "segment_state": "accepted_at submitted_at",
    }
    columns = ", ".join(f"toUnixTimestamp64Milli({name}) - {story.at_ms}" for name in names[view].split())
    [row] = await database.clickhouse.rows(f"SELECT {columns} FROM sms.{view} WHERE message_id = '{story.message_id}'")
    return row
