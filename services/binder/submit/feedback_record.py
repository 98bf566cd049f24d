"""Pure: answers and fences as records of `mt.feedback.<connector>`; the partition number is that of the dispatch."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from schemas.feedback import AnswerWord, Feedback
from schemas.topics import feedback_topic
from shared.kafka.records import Out

ANSWERS_MAX: Final = 500
"""Answers in one record: below the size of a produce batch, whatever the SMSC's ids look like."""

# Reasons of answers: why nothing was sent, or why nobody knows whether it was.
NO_LINK: Final = "no_link"
EXPIRED: Final = "validity_passed"
UNREADABLE: Final = "invalid_record"
IN_DOUBT: Final = "in_doubt"
NO_RESPONSE: Final = "no_submit_response"


class SegmentAnswer(NamedTuple):
    """What became of the segment dispatched at `offset`; fields of `schemas.feedback.Answer`, None is left out."""

    id: str
    offset: int
    outcome: AnswerWord
    answered_at_ms: int
    reason: str | None = None
    smsc_error: str | None = None
    error_code: int | None = None
    smsc_message_ids: tuple[str, ...] | None = None
    join_ids: tuple[str, ...] | None = None
    submitted_at_ms: int | None = None


class Said(NamedTuple):
    """What the channel said to a submit, in the words of `SegmentAnswer`."""

    outcome: AnswerWord
    smsc_error: str | None = None
    error_code: int | None = None
    smsc_message_ids: tuple[str, ...] | None = None
    join_ids: tuple[str, ...] | None = None


_FIELDS: Final = SegmentAnswer._fields


class Origin(NamedTuple):
    """Who answers: the lease."""

    connector_id: str
    partition: int
    epoch: int
    owner: str


def answers_record(origin: Origin, answers: Sequence[SegmentAnswer]) -> Out:
    """One record for all of `answers` (at most `ANSWERS_MAX`)."""
    told: list[dict[str, object]] = [
        {name: value for name, value in zip(_FIELDS, one, strict=True) if value is not None} for one in answers
    ]
    return _record(origin, "answers", told)


def fence_record(origin: Origin) -> Out:
    """Behind this record feedback of epochs older than `origin.epoch` is void."""
    return _record(origin, "fence", [])


def _record(origin: Origin, kind: str, answers: list[dict[str, object]]) -> Out:
    value = {
        "schema_version": Feedback.CURRENT_VERSION,
        "kind": kind,
        "connector_id": origin.connector_id,
        "partition": origin.partition,
        "epoch": origin.epoch,
        "owner": origin.owner,
        "answers": answers,
    }
    return Out(feedback_topic(origin.connector_id), None, orjson.dumps(value), partition=origin.partition)
