"""Edge: every call of the HTTP API: its address, what it takes and what it answers."""

from typing import Any

from services.http_api.batch import Batches
from services.http_api.batch_rows import METADATA, TEXT_FIELDS
from services.http_api.models import (
    AcceptedMessage,
    DuplicateMessage,
    MessagePreview,
    batch_answer_schema,
    batch_schema,
    request_schema,
)
from services.http_api.routes import Call, Parameter
from services.http_api.sending import Sending

_BODY_CODES = (403, 408, 413, 415)


def calls_of(sending: Sending) -> tuple[Call, ...]:
    """In the order of the description."""
    batches = Batches(sending)
    message: dict[str, dict[str, Any]] = {"application/json": request_schema()}
    return (
        Call(
            "POST",
            "/v1/messages",
            sending.send,
            "Send a message",
            {202: AcceptedMessage, 200: DuplicateMessage},
            (*_BODY_CODES, 409, 503),
            message,
        ),
        Call(
            "POST",
            "/v1/messages/batch",
            batches.send,
            "Send many messages: a document at once, or CSV and NDJSON as a stream of any length, answered as NDJSON",
            {202: {"application/json": {"schema": batch_answer_schema()}, "application/x-ndjson": {}}},
            (*_BODY_CODES, 503),
            {"application/json": batch_schema(), "text/csv": {"type": "string"}, "application/x-ndjson": {}},
            tuple(Parameter(name, "Default of a stream's rows", {"type": "string"}) for name in TEXT_FIELDS),
            METADATA,
        ),
        Call(
            "POST",
            "/v1/messages/preview",
            sending.preview,
            "What a message would be; nothing is sent",
            {200: MessagePreview},
            _BODY_CODES,
            message,
        ),
    )
