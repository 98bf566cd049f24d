"""Pure: a message of a handset, whole or what came of it: its record of `mo.messages`, its event, what follows."""

from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from schemas.gateway.accounts import Account
from schemas.topics import MO_MESSAGES
from services.correlator.inbound.answers import (
    REPLY_GAP_MS,
    HandsetMessage,
    as_destination,
    can_be_answered,
    is_national,
    opt_out_records,
    reply_out,
    reply_text,
)
from services.correlator.inbound.claims import Claims
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.sms.inbound import InboundPart, keyword, text_of, words
from shared.sms.opt_out_words import COMMAND_MAX, OptOutWish, wish_of

ANSWERED_MAX: Final = 10_000
"""Numbers of which a process remembers when they were answered last."""


class ReadMessage(NamedTuple):
    """What is told: `parts` in order, `missing` the numbers of those that did not come.

    `mo_id`, `connector_id` and `received_at_ms` are those of the part that came first.
    """

    mo_id: str
    connector_id: str
    sender: str
    to: str
    received_at_ms: int
    parts: Sequence[InboundPart]
    missing: tuple[int, ...] = ()
    headers: Headers = ()

    @property
    def total(self) -> int:
        return len(self.parts) + len(self.missing)


class _Understood(NamedTuple):
    """What a message says, and to whom."""

    text: str | None
    keyword: str | None
    wish: OptOutWish | None
    account: Account | None


class InboundTeller:
    """Makes what follows from messages. `claims` and `request_partitions` (of mt.requests; 0: not known) follow the
    configuration: whoever reads it sets them anew."""

    def __init__(self, events: EventMaker) -> None:
        self._events: Final = events
        self.claims = Claims()
        self.request_partitions = 0
        self._answered: dict[str, int] = {}

    def answered_lately(self, number: str, at_ms: int) -> bool:
        """Whether a reply to `number`, whichever of our numbers it wrote to, went within `REPLY_GAP_MS`. What this
        process knows; each partition's own count is in its state."""
        return abs(at_ms - self._answered.get(number, -REPLY_GAP_MS)) < REPLY_GAP_MS

    def note_answer(self, number: str, at_ms: int) -> None:
        self._answered.pop(number, None)
        self._answered[number] = at_ms
        if len(self._answered) > ANSWERED_MAX:
            del self._answered[next(iter(self._answered))]

    def outs(
        self, message: ReadMessage, told_at_ms: int, may_reply: Callable[[str], bool] | None, *notes: str
    ) -> list[Out]:
        """The public record, the event, and what the message brings about.

        `may_reply` is asked, once, before a reply to a number is made; None for a message that was answered before.
        `notes` are for the event, sentences without the text of the message.
        """
        understood = self._understand(message)
        public = Out(MO_MESSAGES, message.to.encode(), _public(message, understood), message.headers)
        outs = [public, self._event(message, understood, told_at_ms, notes)]
        if may_reply is not None and understood.keyword is not None:
            outs += self._answers(message, understood, may_reply)
        return outs

    def _understand(self, message: ReadMessage) -> _Understood:
        text = text_of(message.parts)
        word = keyword(text) if text is not None and 1 not in message.missing else None
        if text is None or word is None:
            return _Understood(text, None, None, self.claims.account_of(message.to, message.connector_id, ()))
        wish = wish_of(text)
        spoken = [word] if wish is None else [word, *words(text[:COMMAND_MAX])[1:2]]
        account = self.claims.account_of(message.to, message.connector_id, spoken)
        if account and account.opt_outs.words and wish is None:
            wish = wish_of(text, account.opt_outs.words)
        return _Understood(text, word, None if account and not account.opt_outs.enabled else wish, account)

    def _answers(
        self, message: ReadMessage, understood: _Understood, may_reply: Callable[[str], bool]
    ) -> Iterator[Out]:
        account = understood.account
        said = HandsetMessage(
            message.mo_id,
            as_destination(message.sender),
            message.to.removeprefix("+"),
            understood.keyword or "",
            understood.wish,
            message.received_at_ms,
            {
                "from": message.sender,
                "to": message.to,
                "text": understood.text or "",
                "keyword": understood.keyword or "",
                "connector_id": message.connector_id,
                "account_id": account.id if account else "",
                "mo_id": message.mo_id,
            },
            message.headers,
        )
        yield from opt_out_records(said, account)
        text = reply_text(said, account)
        if account is None or not text or not can_be_answered(said.sender) or self.claims.is_ours(said.sender):
            return
        if may_reply(said.sender):
            yield reply_out(said, account, text, self.request_partitions)

    def _event(self, message: ReadMessage, understood: _Understood, told_at_ms: int, notes: tuple[str, ...]) -> Out:
        """One for each record: a message that is told again has more parts then."""
        detail = [f"mo_id {message.mo_id}"]
        if message.missing:
            detail.append(f"{len(message.parts)} of {message.total} parts, missing {_listed(message.missing)}")
        detail += notes
        detail += dict.fromkeys(oddity for part in message.parts for oddity in part.oddities)
        if understood.wish in ("stop", "start") and is_national(message.sender.removeprefix("+")):
            detail.append("the sender's number has no country code, so the opt-out has no effect")
        again = (len(message.parts),) if message.total > 1 else ()
        return self._events.out(
            "inbound",
            occurred_at_ms=told_at_ms,
            identity=(message.mo_id, *again),
            headers=message.headers,
            connector_id=message.connector_id,
            account_id=understood.account.id if understood.account else "",
            sender=message.sender,
            to=message.to,
            segments=message.total,
            reason=understood.wish or "",
            detail="; ".join(detail),
        )


def _public(message: ReadMessage, understood: _Understood) -> bytes:
    """`schemas.mo_messages.InboundMessage`."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "mo_id": message.mo_id,
        "connector_id": message.connector_id,
        "from": message.sender,
        "to": message.to,
        "data_coding": message.parts[0].data_coding,
        "parts": len(message.parts),
        "parts_total": message.total,
        "complete": not message.missing,
        "received_at_ms": message.received_at_ms,
    }
    if message.missing:
        record["missing"] = message.missing
    if understood.account is not None:
        record["account_id"] = understood.account.id
    if understood.text is None:
        record["data"] = b2a_base64(b"".join(part.user_data for part in message.parts), newline=False).decode()
    else:
        record["text"] = understood.text
    if understood.keyword:
        record["keyword"] = understood.keyword
    if understood.wish in ("stop", "start"):
        record["opt_out"] = understood.wish == "stop"
    return orjson.dumps(record)


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return shown if len(numbers) <= 20 else f"{shown} and {len(numbers) - 20} more"
