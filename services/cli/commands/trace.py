"""Edge: `smsgw trace`: the PDUs of a connector as they pass."""

import asyncio
import os
import re
import signal
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.connector_states import ConnectorState
from schemas.trace_requests import TraceRequest
from schemas.traces import TraceLine
from services.cli.commands.typed import message_id_of, seconds_of
from services.cli.errors import EXIT_INTERRUPTED
from services.cli.output import clock_time, errors, print_json
from services.cli.runtime import find_runtime
from shared.operations.errors import Invalid
from shared.operations.trace import TTL_S, Remark, follow
from shared.process.visible import visible
from shared.smpp.trace import Described

SINCE_MAX_S: Final = 3600

_BINDS: Final = {"transceiver": "trx", "transmitter": "tx", "receiver": "rx"}
_REMARKS: Final[dict[Remark, str]] = {
    "not_bound": "{} is not bound; its PDUs are shown as soon as it binds (Ctrl-C ends)",
    "no_answer": "no binder answers; is it running? (smsgw status)",
    "no_ids": "ClickHouse does not answer: receipts are shown only for submits that pass from now on",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    connector_id: str
    msisdn: str | None
    message_id: str | None
    since: str | None
    unredacted: bool
    octets: bool
    as_json: bool


def request_of(wish: Wish, request_id: str) -> TraceRequest:
    """The request to the binders; raises `Invalid`."""
    if wish.msisdn and wish.message_id:
        raise Invalid("--msisdn and --message-id: give one of them")
    if wish.octets and not wish.unredacted:
        raise Invalid("--octets hold numbers and texts: only with --open")
    if wish.msisdn and not re.fullmatch(r"\+?[0-9]{4,15}", wish.msisdn):
        raise Invalid(f"--msisdn: {wish.msisdn!r} is no number", "4 to 15 digits, with or without +")
    message_id = message_id_of(wish.message_id) if wish.message_id else ""
    return TraceRequest(
        connector_id=wish.connector_id,
        request_id=request_id,
        ttl_s=TTL_S,
        since_s=min(SINCE_MAX_S, seconds_of(wish.since)) if wish.since else 0,
        msisdn=wish.msisdn or "",
        message_id=message_id,
        unredacted=wish.unredacted,
        with_octets=wish.octets,
    )


async def run(wish: Wish, data_dir: Path | None) -> int:
    """Until Ctrl-C or SIGTERM."""
    request = request_of(wish, uuid.uuid4().hex[:12])
    settings = find_runtime(data_dir).settings
    stop = stop_signal()
    await follow(settings, request, _Screen(wish.connector_id, as_json=wish.as_json), stop)
    return EXIT_INTERRUPTED


def stop_signal() -> "asyncio.Future[None]":
    """Done on Ctrl-C or SIGTERM."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not stop.done():
            stop.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return stop


class _Screen:
    """A trace on a terminal, or into a pipe; what is about it and not of it goes to standard error."""

    def __init__(self, connector_id: str, *, as_json: bool) -> None:
        self._connector_id = connector_id
        self._as_json = as_json

    def line(self, line: TraceLine) -> None:
        if self._as_json:
            print_json(line.to_dict())
        elif line.kind == "began":
            _note(f"bind {line.partition}: {line.bind} to {line.peer}, binder {line.owner.partition('|')[0]}")
        else:
            sys.stdout.write(shown(line, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")) + "\n")
            sys.stdout.flush()

    def bind(self, state: ConnectorState) -> None:
        _note(bind_sentence(state))

    def remark(self, remark: Remark) -> None:
        _note(_REMARKS[remark].format(self._connector_id))


def _note(sentence: str) -> None:
    errors.print(sentence, style="dim")


def bind_sentence(state: ConnectorState) -> str:
    """`bind 0: unbound since 12:00:05.123 (connection_lost)`."""
    reason = f" ({state.reason})" if state.reason else ""
    since = f" since {clock_time(state.since_ms)}" if state.since_ms else ""
    return f"bind {state.partition}: {state.state.replace('_', ' ')}{since}{reason}"


def shown(line: TraceLine, *, colour: bool = False) -> str:
    """One line for a person, in columns; what was refused in red where there is colour."""
    of = {"msg": f"{line.message_id}/{line.segment_index}"} if line.message_id else {}
    fields = tuple((of | line.fields).items())
    pdu = Described(line.direction or "in", line.command, line.status, line.sequence_number, fields).line()
    text = visible(f"{clock_time(line.at_ms)}  {line.partition:>2} {_BINDS[line.bind]:3}  {pdu}")
    if colour and line.status not in {"", "ESME_ROK"}:
        text = f"\x1b[31m{text}\x1b[0m"
    if line.skipped:
        text = f"...  {line.skipped} PDUs not shown, more than can be read; narrow it (--msisdn, --message-id)\n{text}"
    return text
