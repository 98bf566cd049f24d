"""`smsgw track` on a real ClickHouse: what a person reads of one message."""

import json
from uuid import uuid4

import pytest

from services.cli import track
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
