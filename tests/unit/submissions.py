"""Pure: contexts and submissions to try things with, each field given by its name wherever it lies."""

from typing import Any

from schemas.message_context import MessageContext
from schemas.submissions import Content, Submission

AT_MS = 1_790_000_000_000

_CONTEXT = MessageContext(
    message_id="019f0000-0000-7000-8000-000000000001",
    accepted_at_ms=AT_MS,
    account_id="shop",
    to="447700900123",
    sender="SHOP",
    country="",
    lane="txn",
    receipt="final",
    idempotency_key="",
    metadata={},
)


def context(**changes: Any) -> MessageContext:
    """Of a message to a British number."""
    return _CONTEXT._replace(**changes)


def submission(**fields: Any) -> Submission:
    """With the text `Hello` unless it is binary; expires a minute after `AT_MS`."""
    told = {name: fields.pop(name) for name in MessageContext._fields if name in fields}
    content = {name: fields.pop(name) for name in Content.model_fields if name in fields}
    if "data" not in content:
        content.setdefault("text", "Hello")
    own = {"expires_at_ms": AT_MS + 60_000, "connector_id": "acme"} | fields
    return Submission(context=context(**told), content=Content(**content).to_json().decode(), **own)
