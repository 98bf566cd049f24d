"""Pure: a submission to the record of its connector's lane, or to what becomes of it when that cannot be.

Whatever depends on the message is decided here once: octets, addresses, data_coding, esm_class, registered_delivery.
What depends on the connector alone (its vendor TLVs) is added by the binder to every submit_sm.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import orjson

from schemas.submissions import Submission
from schemas.topics import MT_REROUTES
from schemas.wire import Lane, ReceiptWish
from services.encoder.own_output import Ended
from services.encoder.plan import ConnectorPlan
from services.encoder.remark import remark
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.messages.statuses import status_outs
from shared.sms.addresses import Address
from shared.sms.concat_ref import RecentRefs
from shared.sms.cutting import USER_DATA_OCTETS
from shared.sms.message import Encoded, EncodeRequest, NotEncodable, Segment
from shared.sms.segmentation import encode_message

REGISTERED_DELIVERY: Final[Mapping[ReceiptWish, int]] = {"none": 0x00, "final": 0x01, "all": 0x11}
"""SMPP 3.4, 5.2.17: bit 0 asks for the final receipt, bit 4 (0x10) for intermediate notifications as well."""


SHORT_TEXT: Final = 17
"""Characters that are one segment in any alphabet: two code units each, or eight septets, if one is written out."""


class Encoder:
    """Encodes the submissions of one partition; `refs` keep long messages to one handset apart (quirk Q37)."""

    def __init__(self, events: EventMaker, refs: RecentRefs | None = None) -> None:
        self._events = events
        self._refs = refs

    def encode(
        self, submission: Submission, value: bytes, plan: ConnectorPlan, at_ms: int, headers: Headers = ()
    ) -> list[Out]:
        """What follows from `submission`; `value` are its bytes as they came, which go on untouched.

        On the first route a message that cannot be encoded for this connector is rejected; on a later one it goes
        back to ingress, which knows whether there is another connector.
        """
        source = plan.source(submission.sender)
        if source.problem:
            wrong = NotEncodable("invalid_sender", "from", source.problem)
            return self._refused(submission, value, wrong, at_ms, headers)
        encoded = encode_message(_request(submission), plan.profile, self._refs)
        if isinstance(encoded, NotEncodable):
            return self._refused(submission, value, encoded, at_ms, headers)
        return [
            _segmented(submission, value, plan, source, encoded, headers),
            self._event(submission, encoded, remark(encoded, source), at_ms, headers),
        ]

    def remember(self, submission: Submission, plan: ConnectorPlan) -> None:
        """Take the reference that `encode` took for this submission before this process was there."""
        if self._refs is not None and may_be_long(submission):
            with suppress(NotBase64):
                encode_message(_request(submission), plan.profile, self._refs)

    def connector_removed(self, submission: Submission, value: bytes, at_ms: int, headers: Headers = ()) -> list[Out]:
        """What follows where the connector is in use no more: ingress chooses another, or ends the message."""
        return [_reroute(submission, value, at_ms, headers, status="undeliverable", reason="connector_removed")]

    def rejected_before(self, submission: Submission, before: Ended, headers: Headers = ()) -> list[Out]:
        """The event of a rejection that is written: it may have been lost with who wrote it."""
        _, event = status_outs(
            self._events,
            submission,
            "rejected",
            final=True,
            occurred_at_ms=before.occurred_at_ms,
            reason=before.reason,
            field=before.field,
            headers=headers,
        )
        return [event]

    def _refused(
        self, submission: Submission, value: bytes, why: NotEncodable, at_ms: int, headers: Headers
    ) -> list[Out]:
        if submission.route_no > 0:
            return [_reroute(submission, value, at_ms, headers, status="rejected", reason=why.reason, field=why.field)]
        return [
            *status_outs(
                self._events,
                submission,
                "rejected",
                final=True,
                occurred_at_ms=at_ms,
                reason=why.reason,
                field=why.field,
                headers=headers,
                detail=why.detail,
            )
        ]

    def _event(self, submission: Submission, encoded: Encoded, detail: str, at_ms: int, headers: Headers) -> Out:
        members = _event_members(
            submission.account_id, submission.connector_id, submission.lane, encoded.alphabet, len(encoded.segments)
        )
        if detail:
            members += b"," + orjson.dumps({"detail": detail})[1:-1]
        return self._events.encoded(
            "encoded",
            members,
            occurred_at_ms=at_ms,
            message_id=submission.message_id,
            accepted_at_ms=submission.accepted_at_ms,
            segment_index=0,
            attempt=0,
            route_no=submission.route_no,
            headers=headers,
        )


@lru_cache(maxsize=4096)
def _event_members(account_id: str, connector_id: str, lane: Lane, encoding: str, segments: int) -> bytes:
    """The members of an event that are alike for thousands of messages, without braces."""
    record = {
        "account_id": account_id,
        "connector_id": connector_id,
        "lane": lane,
        "encoding": encoding,
        "segments": segments,
    }
    return orjson.dumps(record)[1:-1]


def may_be_long(submission: Submission) -> bool:
    """False: the message is one segment, whatever the connector wants. Quick, and judges by the body alone."""
    if submission.text is not None:
        return len(submission.text) > SHORT_TEXT
    return len(submission.data or "") + len(submission.udh or "") > USER_DATA_OCTETS


def _request(submission: Submission) -> EncodeRequest:
    """The submission as the encoder's core takes it. Raises ValueError where base64 is none."""
    data, udh = submission.data, submission.udh
    return EncodeRequest(
        message_id=submission.message_id,
        to=submission.to,
        text=submission.text,
        data=None if data is None else _octets(data, "data"),
        udh=b"" if udh is None else _octets(udh, "udh"),
        data_coding=submission.data_coding,
        encoding=submission.encoding,
        transliterate=submission.transliterate,
        lookalikes=submission.lookalikes,
        flash=submission.flash,
        max_segments=submission.max_segments,
    )


class NotBase64(ValueError):
    """A binary field of a submission that ingress cannot have written. `field` names it."""

    def __init__(self, field: str, error: ValueError) -> None:
        super().__init__(f"{field} is no base64: {error}")
        self.field = field


def _octets(text: str, field: str) -> bytes:
    try:
        return a2b_base64(text)
    except (Base64Error, ValueError) as error:
        raise NotBase64(field, error) from error


def _segmented(
    submission: Submission, value: bytes, plan: ConnectorPlan, source: Address, encoded: Encoded, headers: Headers
) -> Out:
    """The record of `mt.segments.<connector>.<lane>` (`schemas.segments.SegmentedMessage`)."""
    destination = plan.destination(submission.to)
    own: dict[str, Any] = {
        "message_id": submission.message_id,
        "route_no": submission.route_no,
        "accepted_at_ms": submission.accepted_at_ms,
        "expires_at_ms": submission.expires_at_ms,
        "destination_addr": destination.text,
        "segments": [_segment(segment) for segment in encoded.segments],
        "submission": value.decode(),
    }
    shared = _shared_members(
        submission.account_id,
        submission.connector_id,
        submission.lane,
        submission.receipt,
        encoded.alphabet,
        source.text,
        source.ton,
        source.npi,
        destination.ton,
        destination.npi,
        encoded.esm_class,
        encoded.data_coding,
        plan.send_validity,
    )
    topic = plan.lane_topics[submission.lane]
    return Out(topic, submission.account_id.encode(), orjson.dumps(own)[:-1] + shared, headers)


@lru_cache(maxsize=4096)
def _shared_members(
    account_id: str,
    connector_id: str,
    lane: Lane,
    receipt: ReceiptWish,
    encoding: str,
    source_addr: str,
    source_addr_ton: int,
    source_addr_npi: int,
    dest_addr_ton: int,
    dest_addr_npi: int,
    esm_class: int,
    data_coding: int,
    send_validity: bool,
) -> bytes:
    """How a lane record goes on after its own members and ends: alike for thousands of messages, and half the work of
    writing one."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "run": 0,
        "account_id": account_id,
        "connector_id": connector_id,
        "lane": lane,
        "receipt": receipt,
        "encoding": encoding,
        "source_addr": source_addr,
        "source_addr_ton": source_addr_ton,
        "source_addr_npi": source_addr_npi,
        "dest_addr_ton": dest_addr_ton,
        "dest_addr_npi": dest_addr_npi,
        "esm_class": esm_class,
        "data_coding": data_coding,
        "registered_delivery": REGISTERED_DELIVERY[receipt],
        "send_validity": send_validity,
    }
    return b"," + orjson.dumps(record)[1:]


def _segment(segment: Segment) -> dict[str, Any]:
    record: dict[str, Any] = {"index": segment.index, "octets": b2a_base64(segment.octets, newline=False).decode()}
    if segment.tlvs:
        record["tlvs"] = [(tag, b2a_base64(octets, newline=False).decode()) for tag, octets in segment.tlvs]
    return record


def _reroute(
    submission: Submission,
    value: bytes,
    at_ms: int,
    headers: Headers,
    *,
    status: str,
    reason: str,
    field: str | None = None,
) -> Out:
    """The record of `mt.reroutes` (`schemas.reroutes.Reroute`)."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "submission": orjson.Fragment(value),
        "status": status,
        "reason": reason,
        "occurred_at_ms": at_ms,
    }
    if field is not None:
        record["field"] = field
    return Out(MT_REROUTES, submission.message_id.encode(), orjson.dumps(record), headers)
