"""Pure: `lifecycle.events`: every step of every message, stored as it is in ClickHouse. Key `message_id`."""

from typing import Final, Literal

from pydantic import Field

from schemas.wire import NIL_UUID, Wire

EventWord = Literal[
    "accepted",
    "rejected",
    "duplicate",
    "rerouted",
    "encoded",
    "queued",
    "dispatched",
    "submitted",
    "throttled",
    "temporary_error",
    "not_sent",
    "retry_scheduled",
    "submit_failed",
    "outcome_unknown",
    "late_response",
    "receipt",
    "intermediate_receipt",
    "late_receipt",
    "orphan_receipt",
    "receipt_missing",
    "status",
    "inbound",
    "config_applied",
    "bind_up",
    "bind_down",
    "bind_refused",
    "service_started",
    "service_stopped",
    "message_id_format",
    "scheduled",
    "due",
    "rescheduled",
    "cancel_too_late",
    "reschedule_too_late",
    "command_ignored",
]
"""A new word goes to the end: ClickHouse keeps the place of a word in this list."""

ERROR_CODE_COLUMN: Final = "command_status"
"""Holds the number of a channel's error, whatever the channel: it has its name from SMPP, the first one."""


class LifecycleEvent(Wire):
    """Flat: its field names are the columns of ClickHouse.

    `event_id` is a pure function of what happened, so repeats collapse. Absent fields are the column's default;
    `accepted_at_ms` is that of the message, on every event of it.
    """

    event_id: str
    message_id: str = NIL_UUID
    segment_index: int = Field(default=0, description="1-based; 0 = the whole message")
    attempt: int = 0
    event: EventWord
    service: str
    instance: str = ""
    connector_id: str = ""
    reason: str = ""
    field: str = ""
    occurred_at_ms: int
    accepted_at_ms: int = 0
    account_id: str = ""
    idempotency_key: str = ""
    campaign_id: str = ""
    to: str = ""
    sender: str = ""
    country: str = ""
    lane: str = ""
    encoding: str = ""
    segments: int = 0
    segments_delivered: int = 0
    route_no: int = 0
    status: str = ""
    final: bool = False
    smsc_message_id: str = ""
    smsc_error: str = ""
    command_status: int = 0
    latency_ms: int = 0
    deadline_at_ms: int = 0
    detail: str = Field(default="", description="A sentence or JSON; never the text of a message")
