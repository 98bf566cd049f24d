"""Named reports on a real ClickHouse: the same from the messages of an hour and from its roll-up."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from services.recorder.app import apply_retention, known_migrations, roll_up
from services.recorder.rollup import DIRTY_HOURS
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from shared.operations.named_reports import REPORTS, Found, Question, read_named_report
from shared.process.settings import ClickHouseSettings
from tests.integration.database_rig import Database, Story

pytestmark = pytest.mark.clickhouse
PAGE = Path(__file__).parents[2] / "docs" / "analytics.md"


class Asking:
    """Reports of one account's messages."""

    def __init__(self, url: str, account: str, since_s: int) -> None:
        self._settings = ClickHouseSettings(clickhouse_url=url)
        self._account, self._since_s = account, since_s

    async def found(self, name: str, what: str = "") -> Found:
        question = Question(self._since_s, what=what, account=self._account, step_s=60)
        return await asyncio.to_thread(read_named_report, self._settings, name, question)

    async def rows(self, name: str, what: str = "") -> list[dict[str, Any]]:
        found = await self.found(name, what)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def told(account: str) -> list[Story]:
    """One of each end."""
    delivered = Story(account, segments=2, campaign_id=account).accepted().submitted(60, 1).submitted(70, 2)
    delivered.receipt(1000, 1).receipt(1100, 2).status(1100, "delivered", True, segments_delivered=2)
    failed = Story(account).accepted().submitted(60).receipt(900, status="undeliverable", smsc_error="011")
    failed.status(900, "undeliverable", True, reason="smsc_undelivered", smsc_error="011")
    refused = (
        Story(account).accepted().status(80, "undeliverable", True, reason="smsc_refused", smsc_error="0x0000000b")
    )
    waiting = Story(account).accepted().submitted(60)
    opted_out = Story(account).tell("ingress", "rejected", 5, reason="opted_out", final=True)
    return [delivered, failed, refused, waiting, opted_out]


async def test_a_report_is_the_same_of_a_closed_hour(database: Database, clickhouse_url: str) -> None:
    account = f"a-{uuid4().hex[:8]}"
    stories = told(account)
    await database.clickhouse.insert([event for story in stories for event in story.events])
    asking = Asking(clickhouse_url, account, stories[0].at_ms // 1000 - 7200)
    names = [name for name in REPORTS if name not in ("message", "number", "stuck", "inbound")]
    before = {name: (await asking.found(name)).rows for name in names}
    for hour_s in sorted({story.at_ms // 3_600_000 * 3600 for story in stories}):
        await roll_up(database.clickhouse, hour_s, is_closed=True)
    rolled = await database.all(f"SELECT count() AS n FROM sms.hour_ends WHERE account_id = '{account}'")  # noqa: S608
    assert rolled[0]["n"] > 0
    after = {name: (await asking.found(name)).rows for name in names}
    assert {name: rows for name, rows in after.items() if name != "latency"} == {
        name: rows for name, rows in before.items() if name != "latency"
    }
    totals = [sum(row[name] for row in await asking.rows("senders")) for name in ("messages", "delivered", "failed")]
    assert totals == [5, 1, 2]
    [latency] = await asking.rows("latency")
    assert latency["delivered"] == 1
    assert abs(latency["p50_ms"] - 1040) <= 11
    [campaign] = await asking.rows("campaign", account)
    assert (campaign["messages"], campaign["delivered"], campaign["segments"]) == (1, 1, 2)
    [missing] = await asking.rows("missing")
    assert (str(missing["message_id"]), missing["segment_index"]) == (stories[3].message_id, 1)
    [optout] = await asking.rows("optouts")
    assert (optout["stops"], optout["refused"]) == (0, 1)
    said = [
        EventMaker("correlator", "0").out(
            "inbound", occurred_at_ms=stories[0].at_ms, identity=(word,), account_id=account, connector_id="acme-1",
            sender="447700900123", to="60777", reason=word, detail=f"mo_id {uuid4()}",
        ).value
        for word in ("stop", "start", "help")
    ]  # fmt: skip
    await database.clickhouse.insert([value or b"" for value in said])
    assert [(row["stops"], row["starts"], row["refused"]) for row in await asking.rows("optouts")] == [(1, 1, 1)]
    [inbound] = await asking.rows("inbound")
    assert (inbound["to"], inbound["messages"], inbound["handsets"]) == ("60777", 3, 1)
    by_error = {row["smsc_error"]: row for row in await asking.rows("errors")}
    assert by_error["0x0000000b"]["error_name"] == "ESME_RINVDSTADR"
    assert by_error["011"]["meaning"] == "The receipt says UNDELIV, DELETED or SKIPPED."
    assert {row["reason"] for row in await asking.rows("errors")} == {"smsc_undelivered", "smsc_refused", "opted_out"}


async def test_a_late_receipt_takes_a_segment_off_the_rolled_up_missing(
    database: Database, clickhouse_url: str
) -> None:
    account = f"a-{uuid4().hex[:8]}"
    story = Story(account).accepted().submitted(60)
    asking = Asking(clickhouse_url, account, story.at_ms // 1000 - 7200)
    for expected in (1, 0):
        await database.clickhouse.insert(story.events)
        await roll_up(database.clickhouse, story.at_ms // 3_600_000 * 3600, is_closed=True)
        assert len(await asking.rows("missing")) == expected
        story.receipt(5000, word="late_receipt")


async def test_a_number_and_a_message_are_found(database: Database, clickhouse_url: str) -> None:
    account = f"a-{uuid4().hex[:8]}"
    stories = told(account)
    for story in stories:  # in two parts each, the second without the number
        await database.clickhouse.insert(story.events[:2])
        await database.clickhouse.insert(story.events[2:] or story.events)
    asking = Asking(clickhouse_url, account, 0)
    found = {str(row["message_id"]): row for row in await asking.rows("number", "447700900123")}
    for story in stories:
        state = await database.one("message_state", story.message_id)
        for name in ("status", "reason", "smsc_error", "latency_ms", "sender", "country", "connector_id", "segments"):
            assert found[story.message_id][name] == state[name], name
    assert set(found) == {story.message_id for story in stories}
    events = await asking.rows("message", stories[0].message_id)
    assert [row["event"] for row in events][:2] == ["accepted", "encoded"]
    assert events[0]["after_ms"] == 5
    stuck = {str(row["message_id"]): row["last_event"] for row in await asking.rows("stuck")}
    assert stuck == {stories[3].message_id: "submitted"}


async def test_numbers_of_before_the_index_are_found_and_indexed_by_the_hour(
    database: Database, clickhouse_url: str
) -> None:
    ours, number = database.clickhouse, f"4477{uuid4().int % 10**8:08}"
    at_ms = int(time.time() * 1000) // 3_600_000 * 3_600_000 - (5 + uuid4().int % 40 * 24) * 3_600_000
    maker, ids = EventMaker("ingress", "0"), [derived_id(at_ms + n * 1000, number) for n in range(2)]
    before, since = (
        maker.out("accepted", occurred_at_ms=at_ms + n * 1000, message_id=ids[n], to=number, account_id=number).value
        or b""
        for n in range(2)
    )
    hour = f"toDateTime({at_ms // 1000}, 'UTC')"
    await ours.execute("DETACH TABLE sms.number_log_mv")
    await ours.execute("DETACH TABLE sms.hour_touched_mv")
    try:
        await ours.insert([before])
    finally:
        await ours.execute("ATTACH TABLE sms.number_log_mv")
        await ours.execute("ATTACH TABLE sms.hour_touched_mv")
    await ours.insert([since])
    [backfill] = [sql for sql in known_migrations()[9].statements if sql.startswith("INSERT INTO sms.hour_touched")]
    await ours.execute(backfill)
    asking = Asking(clickhouse_url, number, 0)
    indexed = f"SELECT DISTINCT accepted_at FROM sms.number_log WHERE to = '{number}'"  # noqa: S608
    unnumbered = f"SELECT hour FROM sms.unnumbered_hours WHERE hour = {hour}"  # noqa: S608
    assert (len(await database.all(indexed)), len(await database.all(unnumbered))) == (1, 1)
    assert [str(row["message_id"]) for row in await asking.rows("number", number)] == ids[::-1]
    dirty = dict(await ours.rows(DIRTY_HOURS, {"open_s": at_ms // 1000 + 3600, "oldest_s": 0}))
    assert not dirty[at_ms // 1000]
    await roll_up(ours, at_ms // 1000, is_closed=True, is_numbered=False)
    assert (len(await database.all(indexed)), len(await database.all(unnumbered))) == (2, 0)
    assert [str(row["message_id"]) for row in await asking.rows("number", number)] == ids[::-1]


async def test_retention_is_set_once_changed_and_taken_back(database: Database) -> None:
    ours = database.clickhouse
    assert set(await apply_retention(ours, {"events": 90, "minutes": 400})) == {"event_log", "minute_stats"}
    assert await apply_retention(ours, {"events": 90, "minutes": 400}) == []
    assert await apply_retention(ours, {"events": 120, "minutes": 400}) == ["event_log"]
    assert set(await apply_retention(ours, {})) == {"event_log", "minute_stats"}
    assert await apply_retention(ours, {}) == []


def questions() -> list[tuple[str, list[str]]]:
    """Each query of docs/analytics.md, and the head of the answer below it."""
    blocks = re.findall(
        r"```sql\n(.*?)```\s*(?:\|([^\n]*)\|\n\|[-:| ]+\|)?", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return [(sql, [cell.strip() for cell in head.split("|")] if head else []) for sql, head in blocks]


async def test_every_query_of_the_page_runs_and_has_the_columns_of_its_answer(
    database: Database, clickhouse_client: Callable[..., Client]
) -> None:
    found = questions()
    assert len(found) >= 10
    client = clickhouse_client()
    for sql, head in found:
        assert head, sql
        assert list(client.query(sql).column_names) == head, sql
