"""Pure: `mt.statuses`, the public way out: what became of each message. Key `message_id`; read with read_committed."""

from typing import Literal

from pydantic import Field

from schemas.wire import Wire

FinalStatus = Literal[
    "delivered",
    "partially_delivered",
    "undeliverable",
    "expired",
    "rejected",
    "cancelled",
    "outcome_unknown",
    "receipt_missing",
]
StatusWord = Literal[
    "accepted",
    "scheduled",
    "queued",
    "submitted",
    "delivered",
    "partially_delivered",
    "undeliverable",
    "expired",
    "rejected",
    "cancelled",
    "outcome_unknown",
    "receipt_missing",
]


class Status(Wire):
    """One change of a message's status; exactly one per message is final (`submitted`, where receipt = none).

    After a crash a record may come twice, with the same `status_id`; two different finals never. Fields of a rejected
    request that could not be read are null.
    """

    status_id: str
    message_id: str
    account_id: str | None = None
    idempotency_key: str | None = None
    campaign_id: str | None = None
    to: str | None = None
    from_: str | None = Field(default=None, alias="from", description="The sender, as it was or shall be shown")
    status: StatusWord
    final: bool
    reason: str | None = None
    field: str | None = None
    connector_id: str | None = None
    segments: int = 0
    segments_delivered: int = 0
    smsc_error: str | None = None
    accepted_at_ms: int
    occurred_at_ms: int
    metadata: dict[str, str] = Field(default_factory=dict)
