"""Pure: what follows from an answer, and what becomes of a stay that is over or must be ended."""

from collections.abc import Iterator
from typing import Any

import orjson

from schemas.feedback import Answer
from schemas.lifecycle_events import ERROR_CODE_COLUMN, EventWord
from services.throttler.connector import outputs
from services.throttler.connector.answers import (
    ANSWER_KINDS,
    CONNECTOR_REMOVED,
    VALIDITY_PASSED,
    AnswerKind,
    SegmentEnd,
    StayStep,
    end_of,
)
from services.throttler.connector.outputs import first_id, smsc_error_of
from services.throttler.connector.policy import Policy
from services.throttler.connector.stay import SegmentProgress, Stay
from shared.kafka.records import Out
from shared.messages.events import EventMaker

_UNFINISHED = frozenset({StayStep.WAITING, StayStep.DELAYED})


def segment_event(
    events: EventMaker, stay: Stay, segment: SegmentProgress, word: EventWord, at_ms: int, **columns: Any
) -> Out:
    """An event of one segment; empty columns are left out."""
    found = {name: value for name, value in columns.items() if value}
    members = stay.event_members + b"," + orjson.dumps(found)[1:-1] if found else stay.event_members
    message = stay.message
    return events.encoded(
        word,
        members,
        occurred_at_ms=at_ms,
        message_id=message.context.message_id,
        accepted_at_ms=message.context.accepted_at_ms,
        segment_index=segment.index,
        attempt=segment.attempt,
        route_no=message.route_no,
        headers=stay.headers,
    )


def follow(
    policy: Policy,
    events: EventMaker,
    stay: Stay,
    segment: SegmentProgress,
    kind: AnswerKind,
    answer: Answer,
    told_at_ms: int,
) -> Iterator[Out]:
    """What follows at once from one answer, whatever becomes of the rest of the message.

    `told_at_ms`: when Kafka had it. The receipt's deadline counts from there, for Kafka's time of the receipt decides.
    """
    at_ms = answer.answered_at_ms
    if kind.accepted:
        deadline_at_ms = told_at_ms + policy.receipt_deadline_ms
        yield outputs.submit_result(policy, stay, segment, answer, deadline_at_ms)
        yield segment_event(
            events,
            stay,
            segment,
            kind.event,
            at_ms,
            smsc_message_id=first_id(answer),
            latency_ms=max(0, (answer.submitted_at_ms or at_ms) - stay.message.context.accepted_at_ms),
            deadline_at_ms=0 if stay.message.context.receipt == "none" else deadline_at_ms,
        )
        return
    if kind.ends_at_once:
        yield outputs.outcome(stay, segment, end_of(answer), at_ms)
    yield segment_event(
        events,
        stay,
        segment,
        kind.event,
        at_ms,
        reason=answer.reason,
        smsc_error=answer.smsc_error,
        **{ERROR_CODE_COLUMN: answer.error_code},
    )


def settle(policy: Policy, events: EventMaker, stay: Stay, at_ms: int) -> Iterator[Out]:
    """What becomes of a stay that is over; `at_ms` is now, by Kafka's clock.

    A segment that failed takes along all that were not accepted; else what was delayed goes to the retry lane, unless
    its tries or its validity are used up.
    """
    failed = [
        (segment, segment.answer)
        for segment in stay.segments.values()
        if segment.step is StayStep.FAILED and segment.answer is not None
    ]
    if failed:
        yield from _fail(events, stay, failed, at_ms)
    elif stay.held:
        yield from _retry_or_end(policy, events, stay, at_ms)


def _fail(events: EventMaker, stay: Stay, failed: list[tuple[SegmentProgress, Answer]], at_ms: int) -> Iterator[Out]:
    ends = [(segment, answer, end_of(answer)) for segment, answer in failed]
    for segment, answer, end in ends:
        if not ANSWER_KINDS[answer.outcome].ends_at_once:
            yield outputs.outcome(stay, segment, end, answer.answered_at_ms)
    # What was never handed over is not in doubt itself; the reason says whose fault it is.
    yield from _give_up(events, stay, ends[0][2]._replace(outcome="undeliverable"), at_ms)


def _retry_or_end(policy: Policy, events: EventMaker, stay: Stay, at_ms: int) -> Iterator[Out]:
    delayed = [segment for segment in stay.segments.values() if segment.step is StayStep.DELAYED]
    due_at_ms = at_ms + policy.retry_delay_ms
    if policy.retries_max is not None and any(segment.tries > policy.retries_max for segment in delayed):
        worst = max(delayed, key=lambda segment: segment.tries)
        end = SegmentEnd("undeliverable", "retries_exhausted", smsc_error_of(worst.answer))
        yield from _give_up(events, stay, end, at_ms)
    elif due_at_ms >= stay.message.expires_at_ms:
        end = VALIDITY_PASSED._replace(smsc_error=smsc_error_of(delayed[0].answer))
        yield from _give_up(events, stay, end, at_ms)
    else:
        message = stay.next_stay(due_at_ms)
        yield outputs.retry(message, stay.headers)
        yield segment_event(events, stay, delayed[0], "retry_scheduled", at_ms, deadline_at_ms=due_at_ms)


def stop(events: EventMaker, stay: Stay, end: SegmentEnd, at_ms: int) -> Iterator[Out]:
    """End a stay of which nothing is in flight, by a decision of ours.

    On a connector that is removed it gets another route, unless the request pinned this one. Where nothing of the
    route was ever dispatched the status is written here; else the correlator folds the outcomes.
    """
    if end is CONNECTOR_REMOVED and not stay.message.pinned:
        yield outputs.reroute(stay, end, at_ms)
    elif stay.untouched:
        yield from outputs.status(events, stay, end.outcome, end, at_ms)
    else:
        yield from _give_up(events, stay, end, at_ms)


def _give_up(events: EventMaker, stay: Stay, end: SegmentEnd, at_ms: int) -> Iterator[Out]:
    """What was not accepted and will not be dispatched again."""
    for segment in stay.segments.values():
        if segment.step in _UNFINISHED:
            yield outputs.outcome(stay, segment, end, at_ms)
            yield segment_event(
                events, stay, segment, "submit_failed", at_ms, reason=end.reason, smsc_error=end.smsc_error
            )
