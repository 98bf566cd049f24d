"""Pure: a submission to the record of its connector's lane, or to what becomes of it when that cannot be.

Whatever depends on the message is decided here once: octets, addresses, data_coding, esm_class, registered_delivery.
What depends on the connector alone (its vendor TLVs) is added by the binder to every submit_sm.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from schemas.message_context import MessageContext
from schemas.segments import SegmentedMessage
from schemas.submissions import Content, Submission
from schemas.wire import Lane, ReceiptScope, ReceiptWish
from services.encoder.own_output import EndedByEncoder
from services.encoder.plan import ConnectorPlan
from services.encoder.remark import remark
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.messages.reroutes import reroute_out
from shared.messages.statuses import status_outs
from shared.smpp.vendor_tlvs import vendor_tlv
from shared.sms.addresses import Address
from shared.sms.concat_ref import RecentRefs
from shared.sms.cutting import USER_DATA_OCTETS
from shared.sms.message import Encoded, EncodeRequest, NotEncodable, Segment
from shared.sms.segmentation import encode_message

REGISTERED_DELIVERY: Final[Mapping[ReceiptWish, int]] = {"none": 0x00, "final": 0x01, "all": 0x11}
"""SMPP 3.4, 5.2.17: bit 0 asks for the final receipt, bit 4 (0x10) for intermediate notifications as well."""
_INTERMEDIATE: Final = 0x10


SHORT_TEXT: Final = 17
"""Characters that are one segment in any alphabet: two code units each, or eight septets, if one is written out."""


class Encoder:
    """Encodes the submissions of one partition; `refs` keep long messages to one handset apart (quirk Q37)."""

    def __init__(self, events: EventMaker, refs: RecentRefs | None = None) -> None:
        self._events = events
        self._refs = refs

    def encode(self, submission: Submission, plan: ConnectorPlan, at_ms: int, headers: Headers = ()) -> list[Out]:
        """What follows from `submission`. Raises ValueError where its content does not fit its schema.

        On the first route a message that cannot be encoded for this connector is rejected; on a later one it goes
        back to ingress, which knows whether there is another connector.
        """
        content = Content.from_json(submission.content)
        source = plan.source(submission.context.sender)
        if source.problem:
            wrong = NotEncodable("invalid_sender", "from", source.problem)
            return self._refused(submission, wrong, at_ms, headers)
        encoded = encode_message(_request(submission.context, content), plan.profile, self._refs)
        if isinstance(encoded, NotEncodable):
            return self._refused(submission, encoded, at_ms, headers)
        return [
            _segmented(submission, content, plan, source, encoded, headers),
            self._event(submission, encoded, remark(encoded, source), at_ms, headers),
        ]

    def remember(self, submission: Submission, plan: ConnectorPlan) -> None:
        """Take the reference that `encode` took for this submission before this process was there. Raises ValueError
        where `encode` did."""
        content = Content.from_json(submission.content)
        if self._refs is not None and may_be_long(content):
            encode_message(_request(submission.context, content), plan.profile, self._refs)

    def connector_removed(self, submission: Submission, at_ms: int, headers: Headers = ()) -> list[Out]:
        """What follows where the connector is in use no more: ingress chooses another, or ends the message."""
        return [
            reroute_out(
                submission,
                queued=submission.queued,
                status="undeliverable",
                reason="connector_removed",
                occurred_at_ms=at_ms,
                headers=headers,
            )
        ]

    def rejected_before(self, submission: Submission, before: EndedByEncoder, headers: Headers = ()) -> list[Out]:
        """The event of a rejection that is written: it may have been lost with the process that wrote it."""
        _, event = self._rejected(submission, before.reason, before.field, before.occurred_at_ms, headers)
        return [event]

    def _refused(self, submission: Submission, why: NotEncodable, at_ms: int, headers: Headers) -> list[Out]:
        if submission.route_no > 0:
            return [
                reroute_out(
                    submission,
                    queued=submission.queued,
                    status="rejected",
                    reason=why.reason,
                    occurred_at_ms=at_ms,
                    field=why.field,
                    headers=headers,
                )
            ]
        return list(self._rejected(submission, why.reason, why.field, at_ms, headers, why.detail))

    def _rejected(
        self, submission: Submission, reason: str, field: str | None, at_ms: int, headers: Headers, detail: str = ""
    ) -> tuple[Out, Out]:
        return status_outs(
            self._events,
            submission.context,
            "rejected",
            final=True,
            occurred_at_ms=at_ms,
            route_no=submission.route_no,
            connector_id=submission.connector_id,
            reason=reason,
            field=field,
            headers=headers,
            detail=detail,
        )

    def _event(self, submission: Submission, encoded: Encoded, detail: str, at_ms: int, headers: Headers) -> Out:
        context = submission.context
        members = _event_members(
            context.account_id, submission.connector_id, context.lane, encoded.alphabet, len(encoded.segments)
        )
        if detail:
            members += b"," + orjson.dumps({"detail": detail})[1:-1]
        return self._events.encoded(
            "encoded",
            members,
            occurred_at_ms=at_ms,
            message_id=context.message_id,
            accepted_at_ms=context.accepted_at_ms,
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


def may_be_long(content: Content) -> bool:
    """False where the message is one segment whatever the connector wants. Quick: it judges by the body alone."""
    if content.text is not None:
        return len(content.text) > SHORT_TEXT
    return len(content.data or "") + len(content.udh or "") > USER_DATA_OCTETS


def _request(context: MessageContext, content: Content) -> EncodeRequest:
    """The submission as the encoder's core takes it. Raises NotBase64."""
    data, udh = content.data, content.udh
    return EncodeRequest(
        message_id=context.message_id,
        to=context.to,
        text=content.text,
        data=None if data is None else _octets(data, "data"),
        udh=b"" if udh is None else _octets(udh, "udh"),
        data_coding=content.data_coding,
        encoding=content.encoding,
        transliterate=content.transliterate,
        lookalikes=content.lookalikes,
        flash=content.flash,
        max_segments=content.max_segments,
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
    submission: Submission, content: Content, plan: ConnectorPlan, source: Address, encoded: Encoded, headers: Headers
) -> Out:
    """The record of `mt.segments.<connector>.<lane>` (`schemas.segments.SegmentedMessage`)."""
    context = submission.context
    destination = plan.destination(context.to)
    extra = _extra_tlvs(content.tlvs) if content.tlvs else ()
    own: dict[str, Any] = {  # begins as `shared.messages.routes` wants it
        "schema_version": SegmentedMessage.CURRENT_VERSION,
        "route_no": submission.route_no,
        "context": context.members(),
        "content": submission.content,
        "expires_at_ms": submission.expires_at_ms,
        "destination_addr": destination.text,
        "segments": [_segment(segment, extra) for segment in encoded.segments],
    }
    if content.protocol_id:
        own["protocol_id"] = content.protocol_id
    if content.priority_flag:
        own["priority_flag"] = content.priority_flag
    if submission.pinned:
        own["pinned"] = True
    if submission.tried:
        own["tried"] = submission.tried
    if submission.queued:
        own["queued"] = True
    shared = _shared_members(
        submission.connector_id,
        context.receipt,
        encoded.alphabet,
        source.text,
        source.ton,
        source.npi,
        destination.ton,
        destination.npi,
        encoded.esm_class,
        encoded.data_coding,
        plan.send_validity,
        plan.absolute_validity,
        plan.intermediate_receipts,
        plan.receipt_scope if len(encoded.segments) > 1 and context.receipt != "none" else "segment",
    )
    return Out(plan.lane_topics[context.lane], context.account_id.encode(), orjson.dumps(own)[:-1] + shared, headers)


@lru_cache(maxsize=4096)
def _shared_members(
    connector_id: str,
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
    absolute_validity: bool,
    intermediate_receipts: bool,
    receipt_scope: ReceiptScope,
) -> bytes:
    """How a lane record goes on after its own members and ends: alike for thousands of messages, and half the work of
    writing one."""
    record: dict[str, Any] = {
        "run": 0,
        "connector_id": connector_id,
        "encoding": encoding,
        "source_addr": source_addr,
        "source_addr_ton": source_addr_ton,
        "source_addr_npi": source_addr_npi,
        "dest_addr_ton": dest_addr_ton,
        "dest_addr_npi": dest_addr_npi,
        "esm_class": esm_class,
        "data_coding": data_coding,
        "registered_delivery": REGISTERED_DELIVERY[receipt] & (0xFF if intermediate_receipts else ~_INTERMEDIATE),
        "send_validity": send_validity,
    }
    if absolute_validity:
        record["absolute_validity"] = True
    if receipt_scope != "segment":
        record["receipt_scope"] = receipt_scope
    return b"," + orjson.dumps(record)[1:]


def _extra_tlvs(written: Mapping[str, str]) -> tuple[tuple[int, bytes], ...]:
    """The optional parameters that the request asked for."""
    return tuple((tlv.tag, tlv.value) for tlv in (vendor_tlv(tag, value) for tag, value in written.items()))


def _segment(segment: Segment, extra: tuple[tuple[int, bytes], ...]) -> dict[str, Any]:
    record: dict[str, Any] = {"index": segment.index, "octets": b2a_base64(segment.octets, newline=False).decode()}
    tlvs = segment.tlvs + extra
    if tlvs:
        record["tlvs"] = [(tag, b2a_base64(octets, newline=False).decode()) for tag, octets in tlvs]
    return record
