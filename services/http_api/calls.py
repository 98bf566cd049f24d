"""Edge: every call of the HTTP API: its address, what it takes and what it answers."""

from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from schemas.wire import LANES
from services.http_api.batch import Batches
from services.http_api.batch_rows import METADATA, TEXT_FIELDS
from services.http_api.command_calls import CommandCalls
from services.http_api.event_calls import EventCalls
from services.http_api.models import (
    AcceptedMessage,
    CampaignCommandTaken,
    CampaignCounts,
    CommandTaken,
    DroppedRepeat,
    DuplicateMessage,
    MessageDetails,
    MessagePage,
    MessagePreview,
    NewTime,
    OptOutEntry,
    OptOutPage,
    batch_answer_schema,
    batch_schema,
    request_schema,
)
from services.http_api.opt_out_calls import OptOutCalls
from services.http_api.other_doors import OtherDoors
from services.http_api.reads import LIMIT_MAX, Reads
from services.http_api.routes import Call, OtherCall, Parameter
from services.http_api.sending import Sending
from services.http_api.twilio_door import TwilioDoor

_PAGE: Final = (
    Parameter("limit", "How many, 100 unless given", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}),
    Parameter("cursor", "`next_cursor` of the page before", {"type": "string"}),
)
_BODY_CODES: Final = (403, 408, 413, 415)


class Endpoints(NamedTuple):
    """Whoever answers."""

    sending: Sending
    reads: Reads
    opt_outs: OptOutCalls
    events: EventCalls
    commands: CommandCalls


def calls_of(ends: Endpoints) -> tuple[Call, ...]:
    """In the order of the description."""
    return (
        _sending_calls(ends.sending)
        + _reading_calls(ends.reads)
        + _opt_out_calls(ends.opt_outs)
        + _event_calls(ends.events)
        + _command_calls(ends.commands)
    )


def other_calls(doors: OtherDoors, twilio: TwilioDoor) -> tuple[OtherCall, ...]:
    """What is answered as Kannel, Jasmin and Twilio would."""
    both = ("GET", "POST")
    account = "/2010-04-01/Accounts/{account_sid}"
    return (
        OtherCall(both, "/cgi-bin/sendsms", doors.sendsms),
        OtherCall(both, "/send", doors.send),
        OtherCall(both, "/rate", doors.rate),
        OtherCall(both, "/balance", doors.balance),
        OtherCall(both, f"{account}/Messages.json", twilio.messages),
        OtherCall(both, f"{account}/Messages/{{message_sid}}.json", twilio.message),
    )


def _sending_calls(sending: Sending) -> tuple[Call, ...]:
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


def _reading_calls(reads: Reads) -> tuple[Call, ...]:
    text = {"type": "string"}
    time = {"type": "string", "format": "date-time"}
    return (
        Call(
            "GET",
            "/v1/messages",
            reads.messages,
            "Messages, the newest first",
            {200: MessagePage},
            (503,),
            query=(
                Parameter("to", "Whom to; with or without a plus sign", text),
                Parameter("from", "Sender", text),
                Parameter("status", "One of these words, with commas between", text),
                Parameter("lane", "otp, txn or bulk", {"type": "string", "enum": list(LANES)}),
                Parameter("campaign_id", "Of this campaign", text),
                Parameter("since", "Accepted then or later", time),
                Parameter("until", "Accepted before", time),
                *_PAGE,
            ),
        ),
        Call(
            "GET",
            "/v1/messages/{message_id}",
            reads.message,
            "A message and its steps",
            {200: {"application/json": {"schema": {"anyOf": _either(MessageDetails, DroppedRepeat)}}}},
            (404, 503),
        ),
        Call(
            "GET",
            "/v1/campaigns/{campaign_id}",
            reads.campaign,
            "How many messages of a campaign are where",
            {200: CampaignCounts},
            (404, 503),
        ),
    )


def _opt_out_calls(opt_outs: OptOutCalls) -> tuple[Call, ...]:
    one = "/v1/optouts/{number}"
    return (
        Call("GET", "/v1/optouts", opt_outs.list, "Numbers that want nothing", {200: OptOutPage}, query=_PAGE),
        Call("GET", one, opt_outs.get, "Whether a number wants nothing", {200: OptOutEntry}, (404,)),
        Call("PUT", one, opt_outs.put, "A number wants nothing any more", {204: None}, (503,)),
        Call("DELETE", one, opt_outs.delete, "A number may be written to again", {204: None}, (503,)),
    )


def _event_calls(events: EventCalls) -> tuple[Call, ...]:
    told = {"text/event-stream": {"schema": {"type": "string"}}}
    summary = "Statuses and messages from handsets as they come; Last-Event-ID takes a stream up again, up to 24 h back"
    return (Call("GET", "/v1/events", events.events, summary, {200: told}, (410, 503)),)


def _command_calls(commands: CommandCalls) -> tuple[Call, ...]:
    message, campaign = "/v1/messages/{message_id}", "/v1/campaigns/{campaign_id}"
    new_time = {"application/json": NewTime.model_json_schema()}
    taken: dict[int, type[BaseModel] | dict[str, Any] | None] = {202: CommandTaken}
    return (
        Call("DELETE", message, commands.cancel, "Take a message back", taken, (404, 503)),
        Call("PATCH", message, commands.reschedule, "Put a message to another time", taken, (*_BODY_CODES, 404, 503),
             new_time),
        Call("DELETE", campaign, commands.cancel_campaign, "Take back all of a campaign that waits",
             {202: CampaignCommandTaken}, (404, 503)),
    )  # fmt: skip


def _either(*models: type[BaseModel]) -> list[dict[str, Any]]:
    """The schemas of models that have no others in them but by value."""
    found = []
    for model in models:
        schema = model.model_json_schema(by_alias=True)
        named = schema.pop("$defs", {})
        for field in schema["properties"].values():
            if reference := field.get("items", {}).get("$ref"):
                field["items"] = named[reference.rsplit("/", 1)[1]]
        found.append(schema)
    return found
