"""Pure: the records that the throttler writes. No decision is taken here, only what follows from one is spelled out."""

from collections.abc import Iterable
from typing import Any

import orjson

from schemas.dispatch import Dispatch
from schemas.feedback import Answer, Feedback
from schemas.payloads.kinds import PAYLOAD_MAKERS
from schemas.segments import SegmentedMessage
from schemas.statuses import StatusWord
from schemas.topics import MT_OUTCOMES, RETRY_LANE, SUBMIT_RESULTS, dispatch_topic, feedback_topic, segments_topic
from services.throttler.connector.answers import SegmentEnd
from services.throttler.connector.pacing import spacing_us
from services.throttler.connector.policy import Policy
from services.throttler.connector.stay import SegmentProgress, Stay
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.messages.reroutes import reroute_out
from shared.messages.statuses import status_outs


def smsc_error_of(answer: Answer | None) -> str:
    """The channel's error; empty where there is none."""
    return (answer.smsc_error or "") if answer is not None else ""


def first_id(answer: Answer) -> str:
    """What the channel calls the segment; empty where it said nothing."""
    return answer.smsc_message_ids[0] if answer.smsc_message_ids else ""


def join_key(policy: Policy, stay: Stay, segment: SegmentProgress, answer: Answer) -> bytes:
    """Where the receipt of an accepted segment will be looked for: `provider|join id`.

    An answer without an id (quirk Q27) has no receipt to join: `provider|-|message_id/index` keeps its deadline apart.
    """
    if (ids := answer.join_ids or answer.smsc_message_ids) and ids[0]:
        return f"{policy.provider}|{ids[0]}".encode()
    return f"{policy.provider}|-|{stay.message.context.message_id}/{segment.index}".encode()


def dispatch(policy: Policy, stay: Stay, segment: SegmentProgress, partition: int, *, with_message: bool) -> Out:
    """The dispatch of `segment` as it stands now (attempt and share are those of this dispatch)."""
    message = stay.message
    record = {
        "schema_version": Dispatch.CURRENT_VERSION,
        "kind": policy.kind,
        "id": stay.dispatch_id(segment),
        "message_id": message.context.message_id,
        "route_no": message.route_no,
        "run": message.run,
        "index": segment.index,
        "attempt": segment.attempt,
        "lane": message.context.lane,
        "accepted_at_ms": message.context.accepted_at_ms,
        "expires_at_ms": message.expires_at_ms,
        "spacing_us": spacing_us(segment.share),
        "payload": PAYLOAD_MAKERS[policy.kind](message, segment.index, segment.octets, segment.tlvs),
    }
    if with_message:
        record["message"] = stay.value.decode()
    return Out(
        dispatch_topic(message.connector_id),
        message.context.message_id.encode(),
        orjson.dumps(record),
        stay.headers,
        partition,
    )


def submit_result(policy: Policy, stay: Stay, segment: SegmentProgress, answer: Answer, deadline_at_ms: int) -> Out:
    """An accepted segment, for the join with its receipt."""
    record = {
        "provider": policy.provider,
        "index": segment.index,
        "attempt": segment.attempt,
        "smsc_message_id": first_id(answer),
        "submitted_at_ms": answer.submitted_at_ms or answer.answered_at_ms,
        "answered_at_ms": answer.answered_at_ms,
        "deadline_at_ms": deadline_at_ms,
    }
    return Out(SUBMIT_RESULTS, join_key(policy, stay, segment, answer), _result(stay, record), stay.headers)


def outcome(stay: Stay, segment: SegmentProgress, end: SegmentEnd, at_ms: int) -> Out:
    """The end of a segment of a message that was dispatched: the correlator folds it."""
    record = {
        "index": segment.index,
        "attempt": segment.attempt,
        "outcome": end.outcome,
        "reason": end.reason,
        "occurred_at_ms": at_ms,
    }
    if end.smsc_error:
        record["smsc_error"] = end.smsc_error
    return Out(MT_OUTCOMES, stay.message.context.message_id.encode(), _result(stay, record), stay.headers)


def _result(stay: Stay, members: dict[str, Any]) -> bytes:
    """A record about one segment: what the whole message has in common was encoded once."""
    return b"{" + stay.result_members + b"," + orjson.dumps(members)[1:]


def retry(message: SegmentedMessage, headers: Headers) -> Out:
    """A message's next stay, by way of the retry lane."""
    topic = segments_topic(message.connector_id, RETRY_LANE)
    return Out(topic, message.context.account_id.encode(), message.to_json(), headers)


def reroute(stay: Stay, end: SegmentEnd, at_ms: int) -> Out:
    """A message that may go another way, back to ingress; `end` is its final status where there is no other way."""
    return reroute_out(
        stay.message, queued=True, status=end.outcome, reason=end.reason, occurred_at_ms=at_ms, headers=stay.headers
    )


def closed_stays(connector_id: str, partition: int, epoch: int, owner: str, stays: list[str]) -> Out:
    """The mark that tells a successor which stays were ended without an answer."""
    feedback = Feedback(
        kind="closed", connector_id=connector_id, partition=partition, epoch=epoch, owner=owner, closed=stays
    )
    return Out(feedback_topic(connector_id), None, feedback.to_json(), (), partition)


def status(events: EventMaker, stay: Stay, word: StatusWord, end: SegmentEnd | None, at_ms: int) -> Iterable[Out]:
    """A status that the throttler writes itself, and its event: `queued`, or (with `end`) the final of a route of
    which nothing was dispatched."""
    return status_outs(
        events,
        stay.message.context,
        word,
        final=end is not None,
        occurred_at_ms=at_ms,
        route_no=stay.message.route_no,
        connector_id=stay.message.connector_id,
        reason=end.reason if end is not None else "",
        segments=len(stay.message.segments),
        headers=stay.headers,
    )
