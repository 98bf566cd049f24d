"""Pure: what follows from a message of a handset besides its record: opt-outs, and automatic replies.

No two gateways answer each other for ever. A reply goes to a number that can be written to and is not an account's own,
at most once in 10 s, and `IN_A_ROW_MAX` times until that number has been silent for an hour: whatever answers replies
by itself is silent as soon as there are none.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from schemas.gateway.accounts import Account
from schemas.optouts import EVERY_ACCOUNT, OptOut, opt_out_key
from schemas.requests import is_destination, is_sender
from schemas.topics import CONFIG_OPTOUTS, MT_REQUESTS
from services.correlator.inbound.claims import filled, fits
from shared.kafka.records import Headers, Out, murmur2_partition
from shared.sms.opt_out_words import OptOutWish, folded

REPLY_GAP_MS: Final = 10_000
IN_A_ROW_MAX: Final = 5
SILENCE_MS: Final = 3_600_000
SHORT_CODE_MAX: Final = 6
INTERNATIONAL_PREFIX: Final = "00"
SOURCE: Final = "handset"


class HandsetMessage(NamedTuple):
    """A message, as far as answers depend on it. `sender` as_destination, `to` without a plus sign; `fields` are for
    templates."""

    mo_id: str
    sender: str
    to: str
    keyword: str
    wish: OptOutWish | None
    received_at_ms: int
    fields: Mapping[str, str]
    headers: Headers = ()


def opt_out_records(said: HandsetMessage, account: Account | None) -> list[Out]:
    """What STOP and START write to `config.optouts`. Nobody's number: it ends what anybody sends from it."""
    if said.wish not in ("stop", "start") or not said.sender.isdecimal():
        return []
    owner = account.id if account else EVERY_ACCOUNT
    senders: list[str | None] = [said.to]
    if account:
        named = account.default_sender or ""
        senders += [named] if named and not named.removeprefix("+").isdecimal() else []
        if said.wish == "start" or account.opt_outs.scope == "account":
            senders = [None, *senders] if said.wish == "start" else [None]
    if said.wish == "start":
        return [Out(CONFIG_OPTOUTS, opt_out_key(owner, sender, said.sender), None) for sender in senders]
    confirmation = reply_key(said) if account and account.opt_outs.stop_text else None
    told = [
        OptOut(
            account_id=owner, sender=sender, to=said.sender, since_ms=said.received_at_ms, source=SOURCE,
            confirmation=confirmation,
        )
        for sender in senders
    ]  # fmt: skip
    return [Out(CONFIG_OPTOUTS, one.key, one.to_json()) for one in told]


def reply_text(said: HandsetMessage, account: Account | None) -> str | None:
    """What is to be answered; None for nothing."""
    if account is None:
        return None
    handling = account.opt_outs
    if said.wish is not None:
        by_wish = {"stop": handling.stop_text, "start": handling.start_text, "help": handling.help_text}
        if said.wish != "help" or handling.help_text is not None:
            template = by_wish[said.wish]
            return filled(template, said.fields) if template else None
    word = folded(said.keyword)
    for reply in account.replies:
        if word and word in map(folded, reply.keyword) and fits(reply.number, said.to):
            return filled(reply.text, said.fields)
    return None


def as_destination(number: str) -> str:
    """A handset's number as ingress has it in requests: without a plus sign or 00 before the country code. A national
    number stays what it is: whose country it is of is not known."""
    number = number.removeprefix("+")
    rest = number.removeprefix(INTERNATIONAL_PREFIX)
    return rest if rest != number and can_be_answered(rest) else number


def is_national(number: str) -> bool:
    """Whether a number lacks its country code: no message can be to it, so no opt-out of it has an effect."""
    return len(number) > SHORT_CODE_MAX and number.isdecimal() and not can_be_answered(as_destination(number))


def can_be_answered(number: str) -> bool:
    """Whether `number` is somebody's: names cannot be written to, and behind a short code is a program."""
    return is_destination(number) and len(number) > SHORT_CODE_MAX


def reply_key(said: HandsetMessage) -> str:
    """The idempotency key of the one reply to a message."""
    return f"reply-{said.mo_id}"


def reply_out(said: HandsetMessage, account: Account, text: str, partitions: int) -> Out:
    """The reply as a request, from the number that was written to, in the partition of its key."""
    key = reply_key(said)
    request = {
        "account_id": account.id,
        "idempotency_key": key,
        "to": said.sender,
        **({"from": said.to} if is_sender(said.to) else {}),
        "text": text,
        "metadata": {"in_reply_to": said.mo_id},
    }
    record_key = f"{account.id}:{key}".encode()
    partition = murmur2_partition(record_key, partitions) if partitions else None
    return Out(MT_REQUESTS, record_key, orjson.dumps(request), said.headers, partition)
