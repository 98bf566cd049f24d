"""Pure: `mt.submissions` and `mt.submissions.otp`: admitted messages with their identity and their connector."""

from typing import Any, ClassVar

import orjson
from pydantic import Field

from schemas.message_context import MessageContext, context_of_version_1
from schemas.wire import Count, EncodingWish, Int64, Wire


class Content(Wire):
    """What is to be encoded, and how. Defaults are resolved: nothing after ingress reads the account's settings."""

    text: str | None = None
    data: str | None = Field(default=None, description="base64")
    udh: str | None = Field(default=None, description="base64, with its length octet")
    data_coding: Int64 | None = None
    encoding: EncodingWish = "auto"
    transliterate: bool = False
    lookalikes: bool = Field(default=False, description="Transliteration includes look-alikes")
    flash: bool = False
    tlvs: dict[str, str] = Field(default_factory=dict, description="Optional parameters, as the request wrote them")
    protocol_id: Int64 = 0
    priority_flag: Int64 = 0
    max_segments: Int64 = 40


class Submission(Wire):
    """One admitted message on one route.

    The records of a route go on from here and add to this one: what the encoder made of it, or why the route ended.
    `content` is encoded once, in ingress; the encoder alone looks into it.
    """

    CURRENT_VERSION: ClassVar[int] = 2
    schema_version: int = 2
    route_no: Count = Field(default=0, description="0 = first route; each re-route adds one")
    context: MessageContext
    content: str = Field(description="What is to be encoded: `Content`, JSON")
    expires_at_ms: Int64
    connector_id: str
    pinned: bool = Field(default=False, description="The request named the connector: never re-routed")
    tried: list[str] = Field(default_factory=list, description="Connectors of earlier routes")
    queued: bool = Field(default=False, description="A throttler had it on an earlier route and has told `queued`")

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 had the fields of context and content among its own."""
        kept = {name: record[name] for name in _ROUTE if name in record}
        content = {name: record[name] for name in _CONTENT if record.get(name) is not None}
        Content.model_validate(content)
        return kept | {"context": context_of_version_1(record), "content": orjson.dumps(content).decode()}


_ROUTE = ("route_no", "expires_at_ms", "connector_id", "pinned", "tried")
_CONTENT = tuple(name for name in Content.model_fields if name != "schema_version")
