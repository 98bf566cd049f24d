"""Edge: messages of handsets in parts: any order, repeats, late ones, aborts and crashes, against what the log says.

At the end every record of `smsc.inbound` is judged once more by a plain model that knows the whole log and no crash;
what was told, in order, must be exactly that. Planted faults that this machine must catch (each was tried once): what
is due is forgotten in a restore; a part counts by when it is read and not by its record time; a repeat after a restart
begins a message; the second record of a message has another mo_id; late parts wait a millisecond too long; a timeout
that a repeat has brought about is not kept.
"""

from base64 import b64encode
from collections import Counter, defaultdict
from typing import NamedTuple

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from schemas.topics import INBOUND_PARTS, MO_MESSAGES, SMSC_INBOUND
from services.correlator.inbound.cycle import TIMEOUT_MS, InboundCycle
from services.correlator.inbound.partition import LATE_KEEP_MS, REPEAT_KEEP_MS
from shared.kafka.records import Out
from shared.messages.ids import derived_id
from shared.sms import udh
from tests.unit.correlator.making import EVENTS, T0, Record, raw_inbound

REFERENCES = (3, 3, 3, 7)
TOTALS = st.sampled_from([2, 2, 2, 3])


class Sent(NamedTuple):
    """A part in the log."""

    at_ms: int
    offset: int
    number: int


class Told(NamedTuple):
    """A record of mo.messages, as far as it is judged."""

    key: tuple[int, int]
    mo_id: str
    text: str
    complete: bool


def letter(key: tuple[int, int], number: int) -> str:
    """What part `number` of every message under this key says."""
    return f"{key[0]}{key[1]}{'abcd'[number - 1]}"


def judged(key: tuple[int, int], log: list[Sent]) -> list[Told]:
    """What must be told of the parts under one key, by their record times alone."""
    told: list[Told] = []
    total = key[1]
    parts: set[int] = set()
    first = Sent(0, 0, 0)
    known = whole_until = due = 0
    for sent in [*log, Sent(1 << 60, 0, 0)]:
        while parts and due < sent.at_ms:  # the timeout, then the end of waiting for late ones
            if len(parts) > known:
                told.append(_told(key, first, parts))
            parts, due, known = (set(), 0, 0) if known else (parts, due + LATE_KEEP_MS, len(parts))
        if sent.at_ms <= whole_until or sent.number in parts or not sent.number:
            continue
        if not parts:
            first, due, known = sent, sent.at_ms + TIMEOUT_MS, 0
        parts = parts | {sent.number}
        if len(parts) == total:
            told.append(_told(key, first, parts))
            parts, whole_until = set(), sent.at_ms + REPEAT_KEEP_MS
    return told


def _told(key: tuple[int, int], first: Sent, parts: set[int]) -> Told:
    mo_id = derived_id(T0, "mo", SMSC_INBOUND, 0, first.offset)
    return Told(key, mo_id, "".join(letter(key, number) for number in sorted(parts)), len(parts) == key[1])


class World:
    """Kafka with one partition of each topic, and the correlator on it. Time passes only when told to."""

    def __init__(self) -> None:
        self.now_ms = T0
        self.logs: dict[str, list[Record]] = defaultdict(list)
        self.committed = 0
        self.start()

    def append(self, topic: str, key: bytes | None, value: bytes | None) -> int:
        self.logs[topic].append(Record(topic, 0, len(self.logs[topic]), self.now_ms, key, value))
        return len(self.logs[topic]) - 1

    def start(self, behind: int = 0) -> None:
        """A new process: restored from the changelog, then the committed offset, which it may see `behind`."""
        self.cycle = InboundCycle(EVENTS)
        self.cycle.partitions[0] = part = self.cycle.make(0)
        for record in self.logs[INBOUND_PARTS]:
            part.table.restore(record.key or b"", record.value)
        list(part.restored())
        self.read = max(0, self.committed - behind)

    def step(self, limit: int, *, commit: bool = True) -> None:
        """One transaction: up to so many records, then what is due. After an abort the process is gone."""
        records = self.logs[SMSC_INBOUND][self.read : self.read + limit]
        self.read += len(records)
        outs: list[Out] = self.cycle.take(records, self.now_ms)
        self.cycle.expire()
        if self.cycle.unproven(self.now_ms) and self.read == len(self.logs[SMSC_INBOUND]):
            self.cycle.read_to_watermark(0, self.now_ms)
            self.cycle.expire()
        outs += self.cycle.flush()
        if not commit:
            self.start()
            return
        for out in outs:
            self.append(out.topic, out.key, out.value)
        self.committed = max(self.committed, self.read)


class InboundMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.sent: dict[tuple[int, int], list[Sent]] = defaultdict(list)

    @rule(ref=st.sampled_from(REFERENCES), total=TOTALS, number=st.integers(1, 6), bind=st.integers(0, 1))
    def part_comes(self, ref: int, total: int, number: int, bind: int) -> None:
        key = (ref, total)
        number = (number - 1) % total + 1
        octets = udh.header(udh.concatenation_8bit(ref, total, number)) + letter(key, number).encode()
        raw = raw_inbound(short_message=b64encode(octets).decode(), esm_class=0x40, connector_id=f"acme-{bind}")
        offset = self.world.append(SMSC_INBOUND, b"60777", raw.to_json())
        self.sent[key].append(Sent(self.world.now_ms, offset, number))

    @rule(ms=st.sampled_from([1, 1_000, REPEAT_KEEP_MS - 1, REPEAT_KEEP_MS, TIMEOUT_MS - 1, TIMEOUT_MS, LATE_KEEP_MS]))
    def time_passes(self, ms: int) -> None:
        self.world.now_ms += ms

    @rule(limit=st.integers(0, 5))
    def cycle_runs(self, limit: int) -> None:
        self.world.step(limit)

    @precondition(lambda self: self.world.read < len(self.world.logs[SMSC_INBOUND]))
    @rule(limit=st.integers(1, 5))
    def process_dies_before_the_commit(self, limit: int) -> None:
        self.world.step(limit, commit=False)

    @rule(behind=st.integers(0, 4))
    def another_process_takes_over(self, behind: int) -> None:
        self.world.start(behind)

    def teardown(self) -> None:
        world = self.world
        for _ in range(4):
            world.now_ms += TIMEOUT_MS + LATE_KEEP_MS + REPEAT_KEEP_MS
            world.step(10_000)
        assert len(world.cycle.partitions[0].table) == 0
        found: dict[tuple[int, int], list[Told]] = defaultdict(list)
        for record in world.logs[MO_MESSAGES]:
            told = orjson.loads(record.value or b"")
            key = (int(told["text"][0]), told["parts_total"])
            found[key].append(Told(key, told["mo_id"], told["text"], told["complete"]))
        for key, log in self.sent.items():
            assert found[key] == judged(key, log)
        assert found.keys() <= self.sent.keys()
        assert max(Counter(told for tolds in found.values() for told in tolds).values(), default=1) == 1


TestInbound = InboundMachine.TestCase
TestInbound.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
