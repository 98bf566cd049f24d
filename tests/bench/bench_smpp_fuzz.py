"""Fuzz of the SMPP core: mutated golden PDUs; the invariant is: a value or a protocol error as a value, nothing else.

Every mutated PDU goes through the codec, the trace and (a deliver_sm or data_sm) the record that the binder writes, and
as octets of a peer, cut anywhere, to a session of either role in any state.

`python -m tests.bench.bench_smpp_fuzz [--count 1000000] [--seed 2775]` (`make fuzz`); `make test` runs 50,000.
"""

import argparse
import random
import time
from typing import Any, Final, get_args

from services.binder.smpp.received_record import Receiver, received_record
from shared.kafka.records import Out
from shared.smpp import pdu
from shared.smpp.codec import FramingLost, NeedMore, UnparsablePdu, decode_next, encode
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import RESPONSE_BIT, BindMode
from shared.smpp.events import (
    BindRequested,
    Closed,
    DeliverAnswered,
    DeliverReceived,
    DeliverUnknown,
    EsmeEvent,
    Event,
    RequestAnswered,
    RequestReceived,
    SmscEvent,
    SubmitAnswered,
    SubmitReceived,
    SubmitUnknown,
)
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.trace import TraceRing, describe
from tests.vectors.pdus import load_vectors

FRAMES_PER_SESSION_MAX: Final = 40
EVENTS: Final = (*get_args(EsmeEvent), *get_args(SmscEvent))
STATUSES: Final = (0, 0, 0x08, 0x58, 0x401, 0xFFFFFFFF)
RECEIVERS: Final = (Receiver("a", "p", 0, False, "raw"), Receiver("a", "p", 0, True, "hex"))


def mutate(frame: bytes, chance: random.Random) -> bytes:
    """A frame with a few faults; in most, command_length is made to fit again, so that the body is reached."""
    octets = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(octets) + 1)
        match chance.randrange(5):
            case 0 if at < len(octets):
                octets[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 1:
                del octets[at : at + chance.randint(1, 8)]
            case 2:
                octets[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                octets[at : at + 4] = octets[:4]
            case _:
                octets = octets[:at] + octets[max(0, at - chance.randint(1, 16)) :]
    if len(octets) >= 16 and chance.random() < 0.9:
        octets[:4] = len(octets).to_bytes(4, "big")
    return bytes(octets)


def check_codec(data: bytes) -> pdu.Pdu | None:
    """What `data` decodes to, if to a PDU; it then survives a second round."""
    outcome, following = decode_next(data)
    if not isinstance(outcome, pdu.Pdu):
        if not isinstance(outcome, NeedMore | UnparsablePdu | FramingLost) or following > len(data):
            raise AssertionError(f"{outcome}")
        return None
    again, _ = decode_next(encode(outcome))
    if not isinstance(again, pdu.Pdu) or encode(again) != encode(outcome):
        raise AssertionError(f"{outcome} is {again} when sent on")
    return outcome


def check_readers(data: bytes, decoded: pdu.Pdu | None, chance: random.Random) -> None:
    """The trace has a line for anything; a message of the SMSC becomes a record whatever is in it."""
    redact = chance.random() < 0.5
    line = describe("in", data, redact=redact, with_hex=not redact).line()
    if not line.isprintable():
        raise AssertionError(f"not printable: {line!r}")
    if decoded is not None and isinstance(decoded.body, pdu.DeliverSm | pdu.DataSm):
        for receiver in RECEIVERS:
            if not isinstance(received_record(decoded.body, receiver, 0), Out):
                raise AssertionError("no record")


class Link:
    """A session with an owner who asks, answers some of what he is asked, and sometimes leaves."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now = 0.0
        self._next_token = 0
        self._open: set[int] = set()
        self._waiting: list[int] = []
        self._asked: list[int] = []
        self.closed = False
        self.fed = 0
        options: dict[str, Any] = {
            "window_size": chance.randint(1, 8),
            "unanswered_max": chance.randint(1, 8),
            "first_sequence_number": chance.choice((1, 1, 2, 8, 16, 32, 0x7FFFFFFE)),
        }
        self.session: EsmeSession | SmscSession
        mode = chance.choice(list(BindMode))
        if chance.random() < 0.5:
            self.session = EsmeSession(EsmeConfig(bind_mode=mode, **options), now=0.0, trace=TraceRing())
            self._bind_ours(self.session, mode)
        else:
            self.session = SmscSession(SmscConfig(**options), now=0.0, trace=TraceRing())
            if chance.random() < 0.9:
                self._take(self.session.receive_data(encode(pdu.Pdu(1, pdu.bind_request_class(mode)())), 0.0))

    def _bind_ours(self, session: EsmeSession, mode: BindMode) -> None:
        stage = self._chance.random()
        if stage < 0.9:
            session.bind(0.0)
        if stage < 0.8:
            number = int.from_bytes(session.data_to_send()[12:16], "big")
            self._take(session.receive_data(encode(pdu.Pdu(number, pdu.bind_response_class(mode)())), 0.0))

    def feed(self, data: bytes) -> None:
        """The peer sends this, the network cuts it; then the owner does something."""
        self.fed += 1
        if self._asked and len(data) >= 16 and data[4] & 0x80 and self._chance.random() < 0.5:
            number = self._asked.pop(self._chance.randrange(len(self._asked)))
            data = data[:12] + number.to_bytes(4, "big") + data[16:]  # else it would hardly ever answer something
        cut = self._chance.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            self._take(self.session.receive_data(piece, self._now))
        self._act()
        if self.closed and (self._open or self.session.receive_data(data, self._now)):
            raise AssertionError(f"after Closed: {self._open}")

    def _act(self) -> None:
        match self._chance.randrange(12):
            case 0:
                self._now += self._chance.choice((0.1, 5.0, 20.0))
                self._take(self.session.handle_timer(self._now))
            case 1 if self._chance.random() < 0.2:
                self._take(self.session.drain(self._now))
            case 2 if self._chance.random() < 0.1:
                self._take(self.session.unbind(self._now))
            case 3 | 4 | 5:
                self._ask()
            case _ if self._waiting:
                number = self._waiting.pop(self._chance.randrange(len(self._waiting)))
                self._answer(number, self._chance.choice(STATUSES))
        self._send()

    def _ask(self) -> None:
        token = self._next_token
        if isinstance(self.session, SmscSession):
            accepted = self.session.deliver(token, pdu.DeliverSm(short_message=b"x"), self._now)
        else:
            body = self._chance.choice((pdu.SubmitSm(), pdu.DataSm(), pdu.QuerySm(), pdu.SubmitMulti()))
            accepted = self.session.request(token, body, self._now)
        if accepted:
            self._open.add(token)
            self._next_token += 1

    def _answer(self, number: int, status: int) -> None:
        if isinstance(self.session, SmscSession):
            self.session.answer_submit(number, status, "id")
        else:
            self.session.answer_deliver(number, status)

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if self.closed or not isinstance(event, EVENTS):
                raise AssertionError(f"{event}")
            match event:
                case (
                    SubmitAnswered(token) | RequestAnswered(token) | SubmitUnknown(token)
                    | DeliverAnswered(token) | DeliverUnknown(token)
                ):  # fmt: skip
                    self._open.remove(token)
                case DeliverReceived(number) | SubmitReceived(number) | RequestReceived(number):
                    self._waiting.append(number)
                case BindRequested():
                    self._decide_bind()
                case Closed():
                    self.closed = True
                case _:
                    pass
        self._send()

    def _decide_bind(self) -> None:
        if not isinstance(self.session, SmscSession) or self.session.is_closed:
            return
        if self._chance.random() < 0.9:
            self.session.accept_bind(self._now)
        else:
            self._take(self.session.refuse_bind(self._chance.choice(STATUSES), self._now))

    def _send(self) -> None:
        """What leaves is understood by whoever reads as we do."""
        data, offset = self.session.data_to_send(), 0
        while offset < len(data):
            outcome, offset = decode_next(data, offset)
            if not isinstance(outcome, pdu.Pdu) or outcome.defects not in ((), ("body_missing",)):
                raise AssertionError(f"sent {outcome}")
            if not outcome.command_id & RESPONSE_BIT:
                self._asked.append(outcome.sequence_number)


def fuzz(chance: random.Random, count: int) -> int:
    """Try `count` mutated PDUs on everything; returns how many were tried.

    Raises AssertionError with the octets for the first finding, whatever was raised its cause.
    """
    frames = [vector.frame for vector in load_vectors()]
    link = Link(chance)
    for _ in range(count):
        data = mutate(chance.choice(frames), chance)
        try:
            check_readers(data, check_codec(data), chance)
            link.feed(data)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} in a {type(link.session).__name__}: {data.hex()}") from error
        if link.closed or link.fed >= FRAMES_PER_SESSION_MAX:
            link = Link(chance)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2775)
    arguments = parser.parse_args()
    started = time.perf_counter()
    tried = fuzz(random.Random(arguments.seed), arguments.count)
    print(f"{tried} mutated PDUs in {time.perf_counter() - started:.1f} s: values and protocol errors only")


if __name__ == "__main__":
    main()
