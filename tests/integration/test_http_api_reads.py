"""The reads of the HTTP door on a real ClickHouse."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.http_api.access import Declined
from services.http_api.clickhouse_reads import ClickHouseReads
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from shared.process.settings import ClickHouseSettings
from tests.integration.database_rig import Database, Story
from tests.unit.http_api.scene import KEY, OTHER_KEY, Scene, account

pytestmark = pytest.mark.clickhouse


async def test_what_an_account_reads_of_its_messages(database: Database, clickhouse_url: str) -> None:
    shop, other = f"s-{uuid4().hex[:8]}", f"o-{uuid4().hex[:8]}"
    stories = [Story(shop, campaign_id="spring").accepted().submitted(60) for _ in range(3)]
    stories[0].receipt(900).status(900, "delivered", True, segments_delivered=1)
    foreign = Story(other, campaign_id="spring").accepted()
    repeat_id = derived_id(stories[0].at_ms + 50, uuid4().hex)
    repeat = EventMaker("ingress", "0").out(
        "duplicate", occurred_at_ms=stories[0].at_ms + 50, message_id=stories[0].message_id,
        accepted_at_ms=stories[0].at_ms, account_id=shop, detail=f"a repeat was dropped: {repeat_id}",
    )  # fmt: skip
    events = [event for story in (*stories, foreign) for event in story.events]
    await database.clickhouse.insert([*events, repeat.value or b""])
    reads = ClickHouseReads(ClickHouseSettings(clickhouse_url=clickhouse_url))
    scene = Scene(account(shop, KEY), account(other, OTHER_KEY))
    scene.clickhouse = reads
    transport = httpx.ASGITransport(scene.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:

        async def got(path: str, key: str = KEY) -> Any:
            answer = await client.get(f"/v1/{path}", headers={"Authorization": f"Bearer {key}"})
            return answer.json() if answer.status_code == 200 else answer.json()["reason"]

        message = await got(f"messages/{stories[0].message_id}")
        assert (message["status"], message["final"], message["segments_delivered"]) == ("delivered", True, 1)
        steps = ["accepted", "encoded", "submitted", "receipt", "status"]
        assert [step["event"] for step in message["events"] if step["event"] != "duplicate"] == steps
        assert await got(f"messages/{stories[0].message_id}", OTHER_KEY) == "not_found"
        assert (await got(f"messages/{repeat_id}"))["duplicate_of"] == stories[0].message_id
        assert await got(f"messages/{repeat_id}", OTHER_KEY) == "not_found"
        newest_first = sorted((one.message_id for one in stories), key=lambda one: UUID(one).int, reverse=True)
        first = await got("messages?limit=2&campaign_id=spring&to=%2B447700900123&from=SHOP&lane=txn")
        rest = await got(f"messages?limit=2&cursor={first['next_cursor']}")
        assert [one["message_id"] for one in (*first["messages"], *rest["messages"])] == newest_first
        assert [one["message_id"] for one in (await got("messages?status=delivered"))["messages"]] == [
            stories[0].message_id
        ]
        assert (await got("messages?since=2099-01-01T00:00:00Z"))["messages"] == []
        assert (await got("campaigns/spring"))["statuses"] == {"delivered": 1, "submitted": 2}
        assert (await got("campaigns/spring", OTHER_KEY))["total"] == 1
        assert await got("campaigns/summer") == "not_found"
    reads.stop()


async def test_clickhouse_that_is_away_is_told() -> None:
    reads = ClickHouseReads(ClickHouseSettings(clickhouse_url="http://127.0.0.1:9"))
    with pytest.raises(Declined) as declined:
        await reads.rows("SELECT 1", {})
    reads.stop()
    assert declined.value.told.errors[0].reason == "clickhouse_unavailable"
