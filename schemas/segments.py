"""Pure: `mt.segments.<connector>.<lane>`: one record per message, octets decided, with the state of its segments."""

from typing import Any, Literal

import orjson
from pydantic import Field

from schemas.submissions import Submission
from schemas.wire import Int64, Natural, ReceiptScope, Wire

SegmentStep = Literal["waiting", "accepted", "failed"]
"""waiting = to be dispatched; accepted = by the SMSC; failed = an outcome was written, never dispatched again."""


class SegmentState(Wire):
    """One segment of a message and how far it is."""

    index: Natural
    octets: str = Field(description="short_message (or message_payload) including UDH, base64")
    tlvs: list[tuple[Int64, str]] = Field(default_factory=list, description="(tag, base64 value)")
    step: SegmentStep = "waiting"
    attempt: Int64 = Field(default=0, description="Dispatches so far")
    tries: Int64 = Field(default=0, description="Temporary answers so far")


class SegmentedMessage(Submission):
    """The submission with its octets: all that dispatching, retrying, re-routing and ending a message needs.

    `run` counts the message's stays in the throttler: 0 from the encoder, one more for each time it comes back from the
    retry lane or moves to another bind, so that `message_id`/`route_no`/`run` names one stay.
    """

    run: Int64 = 0
    due_at_ms: Int64 = Field(default=0, description="Retry lane only: not before")
    encoding: str = Field(description="gsm7, ucs2, latin1, ascii or binary")
    source_addr: str
    source_addr_ton: Int64
    source_addr_npi: Int64
    destination_addr: str
    dest_addr_ton: Int64
    dest_addr_npi: Int64
    esm_class: Int64
    protocol_id: Int64 = 0
    priority_flag: Int64 = 0
    data_coding: Int64
    registered_delivery: Int64
    receipt_scope: ReceiptScope = Field(default="segment", description="`message`: asked for with the last segment")
    send_validity: bool = Field(default=True, description="Pass the remaining validity on to the SMSC")
    absolute_validity: bool = Field(default=False, description="As a time, not as a span")
    segments: list[SegmentState]

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 held the submission as a member, of version 1 too, as JSON text."""
        text = record.get("submission")
        submission = orjson.loads(text) if isinstance(text, str) else None
        return super().from_earlier(submission if isinstance(submission, dict) else {}) | record
