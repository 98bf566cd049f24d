"""Edge: a mistake of ours costs the one record, and many in a row stop the consumer, over restarts too."""

from types import SimpleNamespace
from typing import Any

import pytest

from schemas.commit_marks import StageMark
from schemas.topics import MT_SUBMISSIONS
from shared.membership.mistakes import Mistakes, TooManyMistakes
from shared.process.settings import read_settings
from tests.unit.ingress.scene import AT_MS, Record

LIMIT = 20


def mistakes(limit: int | None = None) -> Mistakes:
    given: dict[str, Any] = {} if limit is None else {"internal_errors_max": limit}
    settings = read_settings(kafka_bootstrap_servers="127.0.0.1:9", **given)
    service: Any = SimpleNamespace(name="encoder", settings=settings)
    return Mistakes(service, "encoder-otp")


def stumble(over: Mistakes, times: int, start: int = 0) -> None:
    for offset in range(start, start + times):
        out = over.dead_letter(Record(b"x", topic=MT_SUBMISSIONS, offset=offset), KeyError(offset), AT_MS)
        assert (out.topic, dict(out.headers)["dlq_reason"]) == (f"{MT_SUBMISSIONS}.dlq", b"internal_error")


def test_twenty_in_a_row_stop_the_consumer_with_a_sentence() -> None:
    over = mistakes()
    stumble(over, LIMIT - 1)
    with pytest.raises(TooManyMistakes) as caught:
        stumble(over, 1, start=19)
    assert str(caught.value) == (
        "encoder-otp stopped: 20 records in a row ended in a mistake of ours, the last one, "
        "mt.submissions:0 offset 19, in KeyError(19)"
    )


def test_a_good_record_ends_the_row() -> None:
    over = mistakes()
    for _ in range(5):
        stumble(over, LIMIT - 1)
        over.decided()


def test_a_successor_counts_on_from_the_last_commit() -> None:
    before = mistakes()
    stumble(before, LIMIT - 1)
    after = mistakes()
    after.resume([StageMark(1), StageMark(3, before.in_a_row), StageMark(2, 3)])
    with pytest.raises(TooManyMistakes):
        stumble(after, 1)


def test_what_another_partition_committed_long_ago_counts_no_more() -> None:
    over = mistakes()
    over.resume([StageMark(1, 19), StageMark(2)])
    stumble(over, LIMIT - 1)


def test_a_rebalance_does_not_begin_the_row_anew() -> None:
    over = mistakes(limit=3)
    stumble(over, 2)
    over.resume([StageMark(5)])
    with pytest.raises(TooManyMistakes):
        stumble(over, 1)
