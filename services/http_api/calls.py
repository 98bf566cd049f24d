"""Edge: every call of the HTTP API: its address, what it takes and what it answers."""

from typing import Any

from services.http_api.models import AcceptedMessage, DuplicateMessage, MessagePreview, request_schema
from services.http_api.routes import Call
from services.http_api.sending import Sending

_BODY_CODES = (403, 413, 415)


def calls_of(sending: Sending) -> tuple[Call, ...]:
    """In the order of the description."""
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
            "/v1/messages/preview",
            sending.preview,
            "What a message would be; nothing is sent",
            {200: MessagePreview},
            _BODY_CODES,
            message,
        ),
    )
