"""Pure: what each answer to a dispatch means: one table, read by everything that follows from an answer.

An answer comes in the words of `schemas.feedback.AnswerWord`: whoever serves a kind of connector has put what its
channel said into them. A row says

* where the segment stands then in its stay: sent and done, to be dispatched again now, to be tried again after
  `retry_delay_s`, or lost;
* whether the whole connector pauses, because it was too fast;
* which event is written;
* as what the segment ends where it is lost, and whether that is written at once or when the stay is over. A segment
  that is tried again until nothing more is allowed ends by a decision of ours (`endings.py`): as `validity_passed` or
  `retries_exhausted`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple

from schemas.feedback import Answer, AnswerWord
from schemas.lifecycle_events import EventWord

EndWord = Literal["undeliverable", "expired", "outcome_unknown"]


class SegmentEnd(NamedTuple):
    """What a segment, or an untouched route, comes to: a word and a reason of the public status."""

    outcome: EndWord
    reason: str
    smsc_error: str = ""


VALIDITY_PASSED: Final = SegmentEnd("expired", "validity_passed")
CONNECTOR_REMOVED: Final = SegmentEnd("undeliverable", "connector_removed")
"""Ends by a decision of ours."""


class StayStep(Enum):
    """How far a segment is in its stay."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    DELAYED = "delayed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AnswerKind:
    """A row of the table. `end` only where `next_step` is `FAILED`.

    `timed`: how long it took tells how fast the channel answers. `ends_at_once`: the end is not kept back until nothing
    of the message is in flight.
    """

    next_step: StayStep
    event: EventWord
    pauses: bool = False
    timed: bool = True
    end: SegmentEnd | None = None
    ends_at_once: bool = False

    @property
    def accepted(self) -> bool:
        return self.next_step is StayStep.ACCEPTED

    @property
    def again_now(self) -> bool:
        """The segment is the next one of its lane; no try was used up."""
        return self.next_step is StayStep.WAITING


ANSWER_KINDS: Final[Mapping[AnswerWord, AnswerKind]] = {
    "accepted": AnswerKind(StayStep.ACCEPTED, "submitted"),
    "not_sent": AnswerKind(StayStep.WAITING, "not_sent"),
    "throttled": AnswerKind(StayStep.WAITING, "throttled", pauses=True),
    "temporary": AnswerKind(StayStep.DELAYED, "temporary_error"),
    "permanent": AnswerKind(StayStep.FAILED, "submit_failed", end=SegmentEnd("undeliverable", "smsc_refused")),
    "outcome_unknown": AnswerKind(
        StayStep.FAILED,
        "outcome_unknown",
        timed=False,
        end=SegmentEnd("outcome_unknown", "no_submit_response"),
        ends_at_once=True,
    ),
}


def end_of(answer: Answer) -> SegmentEnd:
    """As what the answer ends its segment. Raises LookupError for an answer that ends none.

    The answer itself has the reason of an unknown outcome; of a refusal it has the channel's error.
    """
    end = ANSWER_KINDS[answer.outcome].end
    if end is None:
        raise LookupError(f"{answer.outcome} ends nothing")
    if end.outcome == "outcome_unknown":
        return end._replace(reason=answer.reason or end.reason)
    return end._replace(smsc_error=answer.smsc_error or "")
