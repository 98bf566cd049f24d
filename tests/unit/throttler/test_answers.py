"""Pure: the table of what answers mean has a row for every word, and the rows add up."""

from typing import get_args

import pytest

from schemas.feedback import Answer, AnswerWord
from schemas.reasons import REASONS
from services.throttler.connector.answers import ANSWER_KINDS, SegmentEnd, StayStep, end_of


def answer(word: AnswerWord, **fields: object) -> Answer:
    return Answer.model_validate({"id": "m/0/1/1", "offset": 0, "outcome": word, "answered_at_ms": 1} | fields)


def test_every_word_has_a_row_and_only_a_lost_segment_has_an_end() -> None:
    assert set(ANSWER_KINDS) == set(get_args(AnswerWord))
    for kind in ANSWER_KINDS.values():
        assert (kind.end is not None) == (kind.next_step is StayStep.FAILED)
        assert kind.next_step is not StayStep.IN_FLIGHT
        assert kind.end is None or kind.end.reason in REASONS


def test_as_what_a_segment_ends() -> None:
    assert end_of(answer("permanent", smsc_error="0x0000000b")) == SegmentEnd(
        "undeliverable", "smsc_refused", "0x0000000b"
    )
    assert end_of(answer("outcome_unknown", reason="in_doubt")) == SegmentEnd("outcome_unknown", "in_doubt")
    assert end_of(answer("outcome_unknown")) == SegmentEnd("outcome_unknown", "no_submit_response")
    with pytest.raises(LookupError):
        end_of(answer("temporary"))


def test_only_throttling_pauses_the_connector_and_uses_up_no_try() -> None:
    assert [word for word, kind in ANSWER_KINDS.items() if kind.pauses] == ["throttled"]
    assert [word for word, kind in ANSWER_KINDS.items() if kind.again_now] == ["not_sent", "throttled"]
