"""`smsgw track` on a real ClickHouse: what a person reads of one message."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from services.cli.commands import track
from services.cli.runtime import CLICKHOUSE_VARIABLE
from tests.integration.database_rig import Database, Story

pytestmark = pytest.mark.clickhouse


@pytest.fixture(autouse=True)
def _known(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLICKHOUSE_VARIABLE, clickhouse_url)


async def test_the_timeline_reads_as_things_followed_from_each_other(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is of the same millisecond as the receipt that it follows from, and has no segment to sort by."""
    story = Story(segments=2).accepted().submitted(60, 1).submitted(60, 2)
    story.receipt(900, 2).receipt(1500, 1).status(1500, "delivered", True, segments_delivered=2)
    await database.clickhouse.insert(list(reversed(story.events)))
    assert await track.run(str(story.message_id), None, wait_s=0, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(event["event"], event["segment_index"]) for event in told["events"]] == [
        ("accepted", 0),
        ("encoded", 0),
        ("submitted", 1),
        ("submitted", 2),
        ("receipt", 2),
        ("receipt", 1),
        ("status", 0),
    ]
    assert (told["state"]["status"], told["state"]["segments_delivered"]) == ("delivered", 2)


async def test_of_an_unknown_message_nothing_is_told(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert await track.run(str(uuid4()), None, wait_s=0, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["found"] is False


async def test_what_is_recorded_between_its_two_questions_is_found(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story().accepted().submitted().receipt(900).status(900, "delivered", True)
    to_thread, asked = asyncio.to_thread, 0

    async def recorded_meanwhile(question: Any, *args: Any, **options: Any) -> Any:
        nonlocal asked
        answer = await to_thread(question, *args, **options)
        if args and "{id:UUID}" in str(args[0]):
            asked += 1
            if asked == 1:
                await database.clickhouse.insert(story.events)
        return answer

    monkeypatch.setattr(asyncio, "to_thread", recorded_meanwhile)
    assert await track.run(str(story.message_id), None, wait_s=5, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"]["status"] == "delivered"
    assert "status" in [event["event"] for event in told["events"]]
