"""Pure: the documents of the HTTP API, for its OpenAPI description."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from schemas.requests import Request
from schemas.statuses import StatusWord
from schemas.wire import Lane


class AcceptedMessage(BaseModel):
    """Kafka has the request. What becomes of it is told by its statuses."""

    message_id: str
    status: Literal["accepted"] = "accepted"
    to: str = Field(description="E.164 with +, or a short code")
    from_: str = Field(alias="from", description="E.164 with +, a short code or a name")
    lane: Lane
    encoding: Literal["gsm7", "ucs2", "latin1", "binary"]
    segments: int = Field(ge=1)
    accepted_at: str = Field(description="RFC 3339, by Kafka's clock")


class DuplicateMessage(BaseModel):
    """The idempotency key was used before, with the same body: this is the message it was used for."""

    message_id: str
    duplicate: Literal[True] = True


class PreviewChange(BaseModel):
    """One replacement that transliteration makes; `position` counts characters of the text from 0."""

    position: int
    original: str
    replacement: str
    reason: str


class MessagePreview(BaseModel):
    """What a message would be on the connector it would take as things are."""

    encoding: Literal["gsm7", "ucs2", "latin1", "binary"]
    why: str
    segments: int
    units: Literal["septets", "code units", "octets"]
    units_used: int = Field(description="Of all segments")
    units_left: int = Field(description="In the last segment")
    connector_id: str | None = Field(description="null: no route has a connector in use")
    route: int | None = Field(description="The rule of gateway.yaml, from 1; null: none, or the connector was named")
    opted_out: bool
    changes: list[PreviewChange]


class ToldMistake(BaseModel):
    """One of several mistakes."""

    reason: str
    detail: str
    field: str = ""


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str = Field(description="/problems/ and the reason")
    title: str
    status: int
    detail: str
    reason: str
    field: str = Field(default="", description="Of the first mistake; absent where no field is to blame")
    errors: list[ToldMistake] = Field(default=[], description="Every mistake, where there are two or more")


def request_schema() -> dict[str, Any]:
    """The body of a single message: a request of `mt.requests` whose account is the key's."""
    schema = Request.model_json_schema(by_alias=True)
    schema["required"] = [name for name in schema["required"] if name != "account_id"]
    schema["title"] = "MessageRequest"
    return schema


class BatchResult(BaseModel):
    """What became of one message: it has a `message_id`, or a `reason`."""

    index: int
    message_id: str | None = None
    duplicate: Literal[True] | None = None
    reason: str | None = None
    field: str | None = None


class BatchAnswer(BaseModel):
    """Good messages go out although others are bad. Repeats under an idempotency key count as accepted."""

    accepted: int
    rejected: int
    results: list[BatchResult]


def batch_answer_schema() -> dict[str, Any]:
    """The answer to a document."""
    schema = BatchAnswer.model_json_schema()
    schema["properties"]["results"]["items"] = schema.pop("$defs")["BatchResult"]
    return schema


def batch_schema() -> dict[str, Any]:
    """A document of many messages. What a message lacks may be among the defaults."""
    message = request_schema()
    message["required"] = []
    return {
        "type": "object",
        "required": ["messages"],
        "additionalProperties": False,
        "properties": {"defaults": message, "messages": {"type": "array", "minItems": 1, "items": message}},
    }


class MessageSummary(BaseModel):
    """A message as ClickHouse has it; words that are not final are accepted, scheduled, queued and submitted."""

    message_id: str
    status: StatusWord
    final: bool
    reason: str | None = None
    to: str
    from_: str = Field(alias="from")
    lane: str
    segments: int = Field(description="0: not known yet")
    segments_delivered: int
    campaign_id: str | None = None
    accepted_at: str
    submitted_at: str | None = None
    finished_at: str | None = None


class MessageEvent(BaseModel):
    """One step of a message."""

    event: str
    at: str
    segment_index: int | None = None
    connector_id: str | None = None
    reason: str | None = None
    detail: str | None = None


class MessageDetails(MessageSummary):
    """A message and its steps."""

    events: list[MessageEvent]


class DroppedRepeat(BaseModel):
    """A repeat under an idempotency key, which never became a message."""

    message_id: str
    status: Literal["duplicate"] = "duplicate"
    final: Literal[True] = True
    duplicate_of: str


class MessagePage(BaseModel):
    """Messages, the newest first. The cursor leads on, whatever comes meanwhile; without one it was the last page."""

    messages: list[MessageSummary]
    next_cursor: str | None = None


class CampaignCounts(BaseModel):
    """How many messages of a campaign are where."""

    campaign_id: str
    total: int
    statuses: dict[str, int]


class OptOutEntry(BaseModel):
    """What a number has said. `from`: to this sender of the account only."""

    number: str
    since: str
    source: str = Field(description="handset, api, cli, import")
    scope: Literal["account", "all"]
    from_: str | None = Field(default=None, alias="from")


class OptOutPage(BaseModel):
    """By number."""

    optouts: list[OptOutEntry]
    next_cursor: str | None = None


class NewTime(BaseModel):
    """When a message is to go."""

    send_at: str = Field(description="RFC 3339, at most 90 days ahead", json_schema_extra={"format": "date-time"})


class CommandTaken(BaseModel):
    """Kafka has the command; what became of it is told by a status or an event."""

    message_id: str


class CampaignCommandTaken(BaseModel):
    """Kafka has the command; what became of it is told by the messages' statuses."""

    campaign_id: str
