"""Edge: dead letters written back on a real broker: once, by one operator, and nothing that has ended."""

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import ConsumerRecord

from schemas.statuses import Status
from schemas.topics import MT_REQUESTS, MT_STATUSES, MT_SUBMISSIONS, dispatch_topic, dlq_of
from services.cli.commands import dlq
from services.cli.runtime import CLICKHOUSE_VARIABLE, KAFKA_VARIABLE
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out, dead_letter
from shared.kafka.replay import read_range
from shared.messages.ids import derived_id, message_id_of
from shared.operations import dead_letter_replay, finals
from shared.operations.config.apply import create_topics
from shared.operations.dead_letter_replay import carry_out, plan_replay
from shared.operations.errors import Refused
from shared.operations.kafka_access import producing
from shared.process.clock import now_ms
from shared.process.settings import Settings
from tests.integration.database_rig import Database, Story

pytestmark = pytest.mark.kafka

Rows = Callable[[], list[dict[str, Any]]]
SUBMISSIONS_DLQ = dlq_of(MT_SUBMISSIONS)


@pytest.fixture
async def settings(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(KAFKA_VARIABLE, kafka_bootstrap)
    monkeypatch.setenv(CLICKHOUSE_VARIABLE, "http://127.0.0.1:1")
    found = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    await create_topics(found)
    return found


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Rows:
    """The JSON lines that were printed since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def submission(message_id: str) -> bytes:
    return json.dumps({"context": [message_id, 1, "shop", "447700900123"]}).encode()


def died(topic: str, value: bytes, *, reason: str = "internal_error", offset: int = 17, partition: int = 0) -> Out:
    """A record of `topic` as a dead letter."""
    record = ConsumerRecord(
        topic=topic, partition=partition, offset=offset, timestamp=now_ms(), timestamp_type=0, key=b"k", value=value,
        checksum=None, serialized_key_size=1, serialized_value_size=1, headers=(),
    )  # fmt: skip
    return dead_letter(record, reason=reason, error="[/x]\x1b[31m", at_ms=now_ms(), service="test")


async def bury(settings: Settings, *letters: Out) -> list[int]:
    """Write dead letters, all of one topic; their offsets."""
    async with producing(settings) as producer:
        first = (await producer.send_all(letters))[letters[0].topic, 0]
    return [first + number for number in range(len(letters))]


async def end(settings: Settings, message_id: str, word: str = "delivered") -> None:
    status = Status(
        status_id=str(uuid4()), message_id=message_id, status=word, final=word == "delivered", accepted_at_ms=1,
        occurred_at_ms=1,
    )  # fmt: skip
    async with producing(settings) as producer:
        await producer.send_all([Out(MT_STATUSES, message_id.encode(), status.to_json())])


async def came_back(settings: Settings, topic: str, value: bytes) -> int:
    """How often a record with this value lies in a topic's first partition."""
    count = 0
    async with aclosing(read_range(settings, topic, 0)) as batches:
        async for batch in batches:
            count += sum(record.value == value for record in batch)
    return count


def some_message() -> str:
    return derived_id(now_ms(), str(uuid4()))


async def replay(topic: str, *offsets: int, **options: bool) -> int:
    return await dlq.replay(topic, list(offsets), None, everything=not offsets, as_json=True, **options)


async def test_once_and_again_only_when_asked_to(settings: Settings, printed: Rows) -> None:
    value = submission(some_message())
    (offset,) = await bury(settings, died(MT_SUBMISSIONS, value))
    assert await replay(MT_SUBMISSIONS, offset, dry_run=True) == 0
    (shown,) = printed()
    assert (shown["offset"], shown["topic"], shown["replay"]) == (offset, MT_SUBMISSIONS, True)
    assert await came_back(settings, MT_SUBMISSIONS, value) == 0, "a dry run writes nothing"
    assert await replay(MT_SUBMISSIONS, offset) == 0
    assert printed() == [{"replayed": 1}]
    assert await replay(MT_SUBMISSIONS, offset) == 1
    (told,) = printed()
    assert told["replayed"] == 0
    assert "it was replayed at " in told["refused"][0]["why_not"]
    assert " by " in told["refused"][0]["why_not"]
    assert await came_back(settings, MT_SUBMISSIONS, value) == 1
    assert await replay(MT_SUBMISSIONS) == 0, "all that are there: what was replayed before is no mistake"
    assert await came_back(settings, MT_SUBMISSIONS, value) == 1
    printed()
    assert await replay(MT_SUBMISSIONS, offset, again=True) == 0
    assert printed() == [{"replayed": 1}]
    assert await came_back(settings, MT_SUBMISSIONS, value) == 2


async def test_nothing_that_has_ended(settings: Settings, printed: Rows) -> None:
    over, going = some_message(), some_message()
    await end(settings, over)
    await end(settings, going, "queued")
    offsets = await bury(
        settings, died(MT_SUBMISSIONS, submission(over)), died(MT_SUBMISSIONS, submission(going)),
    )  # fmt: skip
    assert await replay(MT_SUBMISSIONS, *offsets) == 1
    (told,) = printed()
    assert told["replayed"] == 1
    assert [one["why_not"] for one in told["refused"]] == [f"message {over} has ended: delivered"]
    assert await replay(MT_SUBMISSIONS, offsets[0], again=True) == 1, "not even again"
    assert await came_back(settings, MT_SUBMISSIONS, submission(over)) == 0
    assert await came_back(settings, MT_SUBMISSIONS, submission(going)) == 1


async def test_a_dispatch_and_a_request_that_have_ended(settings: Settings, printed: Rows) -> None:
    over = some_message()
    await end(settings, over)
    (offset,) = await bury(settings, died(dispatch_topic("acme"), json.dumps({"message_id": over}).encode()))
    assert await replay("mt.dispatch.dlq", offset) == 1
    assert "has its answer by where it lay" in printed()[0]["refused"][0]["why_not"]
    letter = died(MT_REQUESTS, b"{}", offset=int(uuid4().int % 10**15))
    headers = dict(letter.headers)
    place = [int((headers[name] or b"").decode()) for name in ("dlq_timestamp_ms", "dlq_partition", "dlq_offset")]
    first = message_id_of(place[0], MT_REQUESTS, place[1], place[2])
    await end(settings, first)
    (offset,) = await bury(settings, letter)
    assert await replay(MT_REQUESTS, offset) == 1
    assert printed()[0]["refused"][0]["why_not"] == f"message {first} has ended: delivered"


async def test_what_was_cut_or_lies_in_a_foreign_place_is_refused(settings: Settings, printed: Rows) -> None:
    stranger = died(MT_SUBMISSIONS, b"{}")
    headers = tuple((name, b"config.gateway" if name == "dlq_topic" else value) for name, value in stranger.headers)
    offsets = await bury(
        settings, died(MT_SUBMISSIONS, b"{", reason="too_large"), stranger._replace(headers=headers),
        stranger._replace(headers=()),
    )  # fmt: skip
    assert await replay(MT_SUBMISSIONS, *offsets) == 1
    (told,) = printed()
    whys = [one["why_not"] for one in told["refused"]]
    assert told["replayed"] == 0
    assert "is cut" in whys[0]
    assert whys[1] == f"dead letters of config.gateway do not lie in {SUBMISSIONS_DLQ}"
    assert whys[2] == "it does not say where it came from"


async def test_of_two_operators_at_a_time_one_replays(settings: Settings) -> None:
    value = submission(some_message())
    (offset,) = await bury(settings, died(MT_SUBMISSIONS, value))
    first, second = [
        await plan_replay(settings, MT_SUBMISSIONS, [offset], again=False, ask_clickhouse=False) for _ in range(2)
    ]
    assert len((await carry_out(settings, first, "a@here")).wanted) == 1
    late = await carry_out(settings, second, "b@there")
    assert (late.wanted, len(late.refused)) == ([], 1)
    assert "by a@here" in late.refused[0].why_not
    again = [await plan_replay(settings, MT_SUBMISSIONS, [offset], again=True, ask_clickhouse=False) for _ in range(2)]
    assert [len((await carry_out(settings, plan, "c@here")).wanted) for plan in again] == [1, 0]
    assert await came_back(settings, MT_SUBMISSIONS, value) == 2


async def test_an_operator_who_was_overtaken_writes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins between the first's look at the marks and its write."""
    value = submission(some_message())
    (offset,) = await bury(settings, died(MT_SUBMISSIONS, value))
    plans = [await plan_replay(settings, MT_SUBMISSIONS, [offset], again=False, ask_clickhouse=False) for _ in range(2)]
    ended_since = finals.ended_since

    async def overtaken(*args: Any) -> dict[str, str]:
        monkeypatch.setattr(dead_letter_replay, "ended_since", ended_since)
        assert len((await carry_out(settings, plans[1], "second")).wanted) == 1
        return {}

    monkeypatch.setattr(dead_letter_replay, "ended_since", overtaken)
    with pytest.raises(Refused, match=r"fenced.*0 dead letters were replayed"):
        await carry_out(settings, plans[0], "first")
    assert await came_back(settings, MT_SUBMISSIONS, value) == 1


async def test_a_crash_before_the_commit_replays_and_remembers_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, printed: Rows
) -> None:
    value = submission(some_message())
    (offset,) = await bury(settings, died(MT_SUBMISSIONS, value))

    async def killed(_: BatchProducer) -> None:
        raise FatalKafkaError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(BatchProducer, "commit", killed)
        with pytest.raises(Refused, match="whether the next 1 were is not known"):
            await replay(MT_SUBMISSIONS, offset)
    assert await came_back(settings, MT_SUBMISSIONS, value) == 0
    assert await replay(MT_SUBMISSIONS, offset) == 0
    assert printed() == [{"replayed": 1}]
    assert await came_back(settings, MT_SUBMISSIONS, value) == 1


async def test_what_nobody_can_know_is_not_replayed(settings: Settings, printed: Rows) -> None:
    old = derived_id(now_ms() - 8 * 86_400_000, str(uuid4()))
    (offset,) = await bury(settings, died(MT_SUBMISSIONS, submission(old)))
    assert await replay(MT_SUBMISSIONS, offset) == 1
    assert "is not known" in printed()[0]["refused"][0]["why_not"]


@pytest.mark.clickhouse
async def test_clickhouse_knows_of_those_that_are_older_than_kafka_keeps(
    settings: Settings, printed: Rows, database: Database, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLICKHOUSE_VARIABLE, clickhouse_url)
    story = Story().accepted().submitted().receipt(900).status(900, "delivered", True)
    await database.clickhouse.insert(story.events)
    old = derived_id(now_ms() - 8 * 86_400_000, str(uuid4()))
    offsets = await bury(
        settings, died(MT_SUBMISSIONS, submission(story.message_id)), died(MT_SUBMISSIONS, submission(old)),
    )  # fmt: skip
    assert await replay(MT_SUBMISSIONS, *offsets, dry_run=True) == 1
    assert [one["why_not"] for one in printed()] == [f"message {story.message_id} has ended: delivered", ""]


async def test_people_are_told_before_it_is_done(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    value = submission(some_message())
    offsets = await bury(settings, died(MT_SUBMISSIONS, value), died(MT_SUBMISSIONS, b"{", reason="too_large"))
    options: dict[str, Any] = {"everything": False, "as_json": False}
    assert await dlq.replay(MT_SUBMISSIONS, offsets, None, dry_run=True, **options) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{SUBMISSIONS_DLQ} offset {offsets[0]}: to {MT_SUBMISSIONS} partition 0; it was internal_error",
        f"{SUBMISSIONS_DLQ} offset {offsets[1]}: stays: it is cut, and not the record that it was: whoever "
        "wrote that has it",
    ]
    assert await dlq.replay(MT_SUBMISSIONS, offsets, None, **options) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"1 to replay: 1 to {MT_SUBMISSIONS}; 1 stay"
    assert lines[-1] == "replayed 1"
