"""Edge: the correlator against any order of results, receipts and outcomes, repeats, late ones, aborts and crashes.

Planted faults that this machine must catch (each was tried once): closed marks are not kept over a restore; early
receipts are lost in a restore; a deadline is decided by the clock although a receipt in time lies unread in the log; a
receipt counts by when it is read and not by its record time; a replayed receipt is counted twice because positions are
not restored; a receipt in the deadline's own millisecond does not count; a repeated result opens a second entry; a
second outcome of an index replaces the first; forgotten entries stay in the table.
"""

from base64 import b64decode
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.submit_results import SubmitResult
from schemas.topics import (
    FOLDS,
    JOINS,
    LIFECYCLE_EVENTS,
    MESSAGE_ID_FORMATS,
    MT_OUTCOMES,
    MT_STATUSES,
    RECEIPTS,
    SEARCHES,
    SUBMIT_RESULTS,
)
from services.correlator.fold.cycle import FoldCycle
from services.correlator.fold.partition import FoldPartition
from services.correlator.join.cycle import JoinCycle
from services.correlator.join.early import EARLY_MAX
from services.correlator.join.partition import JoinPartition
from shared.kafka.records import Out
from shared.process.learned_formats import LearnedFormats
from shared.sms.smsc_message_id import name_in_response
from tests.unit.correlator.making import EVENTS, T0, Record, message_id, outcome, raw_receipt, submit_result

RECEIPT_EVENTS = ("receipt", "intermediate_receipt", "late_receipt", "orphan_receipt")
DEADLINE_MS = 600_000
ENDS = {
    "DELIVRD": "delivered",
    "UNDELIV": "undeliverable",
    "DELETED": "undeliverable",
    "REJECTD": "undeliverable",
    "EXPIRED": "expired",
}
WORDS = st.sampled_from([*ENDS, "DELIVRD", "DELIVRD", "ENROUTE", "UNKNOWN"])
WISHES = st.sampled_from(["final", "final", "all", "none"])
SEGMENTS = st.sampled_from([1, 1, 2, 3])
PRECEDENCE = ("outcome_unknown", "receipt_missing", "partially_delivered", "undeliverable", "expired")


@dataclass
class Message:
    """What the machine knows of a message; a segment is accepted under an SMSC id or ended by the throttler."""

    number: int
    wish: str
    segments: int
    ids: dict[int, str] = field(default_factory=dict)
    deadlines: dict[int, int] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def undecided(self) -> list[int]:
        return [i for i in range(1, self.segments + 1) if i not in self.ids and i not in self.failed]


class World:
    """Kafka with one partition of each topic, and the correlator on it. Time passes only when told to."""

    def __init__(self) -> None:
        self.now_ms = T0
        self.logs: dict[str, list[Record]] = defaultdict(list)
        self.committed: Counter[str] = Counter()
        self.learned = LearnedFormats()
        self.start()

    def append(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self.logs[topic].append(Record(topic, 0, len(self.logs[topic]), self.now_ms, key, value))

    def start(self, behind: int = 0) -> None:
        """A new process: restored from the changelogs, then the committed offsets, which it may see `behind`."""
        self.join, self.fold = JoinCycle(), FoldCycle()
        self.join.partitions[0] = join = JoinPartition(0, EVENTS, self.join.rules)
        self.fold.partitions[0] = fold = FoldPartition(0, EVENTS)
        for topic, part in ((JOINS, join), (FOLDS, fold)):
            for record in self.logs[topic]:
                part.table.restore(record.key or b"", record.value)
            list(part.restored())
        self.read = Counter({topic: max(0, offset - behind) for topic, offset in self.committed.items()})

    def step_join(self, limits: dict[str, int], *, commit: bool = True) -> None:
        """One transaction of the join: up to so many records of each input, then what is due."""
        if self.join.rules.adopt({}, self.learned.formats):
            self.join.reconsider()
        records = [record for topic, limit in limits.items() for record in self._fetch(topic, limit)]
        outs = self.join.take(records, self.now_ms)
        self.join.expire()
        if self.join.unproven(self.now_ms):
            for topic in (SUBMIT_RESULTS, RECEIPTS):
                if self.read[topic] == len(self.logs[topic]):
                    self.join.read_to_watermark(topic, 0, self.now_ms)
            self.join.expire()
        self._transact(outs + self.join.flush(), (SUBMIT_RESULTS, RECEIPTS, SEARCHES), commit)

    def step_fold(self, limit: int, *, commit: bool = True) -> None:
        """One transaction of the fold."""
        outs = self.fold.take(self._fetch(MT_OUTCOMES, limit), self.now_ms)
        self._transact(outs + self.fold.flush(self.now_ms), (MT_OUTCOMES,), commit)

    def settle(self) -> None:
        """Read everything there is."""
        for _ in range(8):
            self.step_join({SUBMIT_RESULTS: 10_000, RECEIPTS: 10_000, SEARCHES: 10_000})
            self.step_fold(10_000)

    def _fetch(self, topic: str, limit: int) -> list[Record]:
        found = self.logs[topic][self.read[topic] : self.read[topic] + limit]
        self.read[topic] += len(found)
        return found

    def _transact(self, outs: list[Out], topics: tuple[str, ...], commit: bool) -> None:
        """All or nothing; after an abort the process is gone."""
        if not commit:
            self.start()
            return
        for out in outs:
            self.append(out.topic, out.key, out.value)
            if out.topic == MESSAGE_ID_FORMATS:
                self.learned.read(self.logs[out.topic][-1])
        for topic in topics:
            self.committed[topic] = max(self.committed[topic], self.read[topic])

    def finals(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for record in self.logs[MT_STATUSES]:
            status = orjson.loads(record.value or b"")
            if status["final"]:
                found[status["message_id"]].append(status["status"])
        return found

    def receipt_events(self) -> int:
        """Those that say what came of a receipt in the end."""
        events = [orjson.loads(record.value or b"") for record in self.logs[LIFECYCLE_EVENTS]]
        last = [e for e in events if e["event"] in RECEIPT_EVENTS and e.get("reason") != "no_submission_yet"]
        return len({e["event_id"] for e in last})


class CorrelationMachine(RuleBasedStateMachine):
    """Messages of one to three segments; SMSC ids are fresh or taken again from earlier ones."""

    @initialize(wish=WISHES, segments=SEGMENTS, written=st.sampled_from(["raw", "raw", "hex", "dec"]))
    def begin(self, wish: str, segments: int, written: str) -> None:
        self.world = World()
        self.written = written
        self.received: list[tuple[str, Record]] = []
        self.messages: list[Message] = []
        self.held: list[SubmitResult] = []
        self.told: list[SubmitResult] = []
        self.used: Counter[str] = Counter()
        self.receipts: Counter[str] = Counter()
        self.send(wish, segments)

    # -- what happens around the correlator

    @rule(wish=WISHES, segments=SEGMENTS)
    def send(self, wish: str, segments: int) -> None:
        self.messages.append(Message(len(self.messages) + 1, wish, segments))

    @precondition(lambda self: any(m.undecided for m in self.messages))
    @rule(data=st.data(), again=st.integers(0, 9), held=st.booleans())
    def accept(self, data: st.DataObject, again: int, held: bool) -> None:
        """The SMSC accepts a segment; its result is written now or later. One in ten ids was used before."""
        message = data.draw(st.sampled_from([m for m in self.messages if m.undecided]))
        index = message.undecided[0]
        old = sorted(self.used)
        smsc_id = data.draw(st.sampled_from(old)) if old and again == 0 else self._id(len(self.used))
        self.used[smsc_id] += 1
        message.ids[index] = smsc_id
        message.deadlines[index] = self.world.now_ms + DEADLINE_MS
        result = submit_result(
            message.number,
            index=index,
            segments=message.segments,
            receipt=message.wish,
            smsc_message_id=smsc_id,
            deadline_at_ms=message.deadlines[index],
            answered_at_ms=self.world.now_ms,
        )
        if held:
            self.held.append(result)
        else:
            self._tell(result)

    @precondition(lambda self: self.held)
    @rule()
    def tell_held_result(self) -> None:
        self._tell(self.held.pop(0))

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def repeat_result(self, data: st.DataObject) -> None:
        self._tell(data.draw(st.sampled_from(self.told)))

    @precondition(lambda self: any(m.undecided for m in self.messages))
    @rule(data=st.data(), word=st.sampled_from(["undeliverable", "expired", "outcome_unknown"]), twice=st.booleans())
    def fail(self, data: st.DataObject, word: Any, twice: bool) -> None:
        """The throttler ends a segment that was not accepted."""
        message = data.draw(st.sampled_from([m for m in self.messages if m.undecided]))
        self._fail(message, message.undecided[0], word)
        if twice:
            self._fail(message, max(message.failed), "undeliverable")

    @precondition(lambda self: self.used)
    @rule(data=st.data(), word=WORDS, known=st.integers(0, 9))
    def receive(self, data: st.DataObject, word: str, known: int) -> None:
        self._receive(data.draw(st.sampled_from(sorted(self.used))) if known else "nobody", word)

    def _receive(self, smsc_id: str, word: str) -> None:
        if self.receipts[smsc_id] >= EARLY_MAX:
            return
        self.receipts[smsc_id] += 1
        written = self._as_written(smsc_id)
        receipt = raw_receipt(written, word, received_at_ms=self.world.now_ms)
        name = name_in_response(written, self.world.learned.formats.get("acme", "raw"))
        self.world.append(RECEIPTS, f"acme|{name}".encode(), receipt.to_json())
        self.received.append((smsc_id, self.world.logs[RECEIPTS][-1]))

    def _id(self, number: int) -> str:
        """How a response writes it."""
        return f"{1_000 + number:x}" if self.written == "hex" else str(1_000 + number)

    def _as_written(self, smsc_id: str) -> str:
        """How a receipt writes it."""
        if self.written == "raw" or smsc_id == "nobody":
            return smsc_id
        return str(int(smsc_id, 16)) if self.written == "hex" else f"{int(smsc_id):X}"

    @rule(seconds=st.sampled_from([0.001, 1, 10, 299, 600]))
    def wait(self, seconds: float) -> None:
        self.world.now_ms += int(seconds * 1000)

    @precondition(lambda self: self._deadlines())
    @rule(data=st.data(), beyond_ms=st.integers(0, 1))
    def receive_at_the_deadline(self, data: st.DataObject, beyond_ms: int) -> None:
        at_ms, smsc_id = data.draw(st.sampled_from(self._deadlines()))
        self.world.now_ms = at_ms + beyond_ms
        self._receive(smsc_id, "DELIVRD")

    # -- the correlator

    @rule(results=st.integers(0, 3), receipts=st.integers(0, 3), searches=st.integers(0, 3), commit=st.integers(0, 4))
    def join(self, results: int, receipts: int, searches: int, commit: int) -> None:
        self.world.step_join({SUBMIT_RESULTS: results, RECEIPTS: receipts, SEARCHES: searches}, commit=commit > 0)

    @rule()
    def fall_behind(self) -> None:
        """Deadlines pass while receipts that came in time lie unread."""
        self.world.now_ms += DEADLINE_MS + 5_000
        self.world.step_join({SUBMIT_RESULTS: 3, RECEIPTS: 0})

    @rule(outcomes=st.integers(0, 3), commit=st.integers(0, 4))
    def fold(self, outcomes: int, commit: int) -> None:
        self.world.step_fold(outcomes, commit=commit > 0)

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule(behind=st.integers(0, 4))
    def crash(self, behind: int) -> None:
        self.world.start(behind)

    # -- what must hold

    @invariant()
    def one_final_at_most(self) -> None:
        finals = self.world.finals()
        assert all(len(words) == 1 for words in finals.values()), finals

    def teardown(self) -> None:
        world = self.world
        for result in self.held:
            self._tell(result)
        for message in self.messages:
            for index in message.undecided:
                self._fail(message, index, "expired")
        world.settle()
        world.now_ms += 2 * DEADLINE_MS
        world.settle()
        self._check_finals()
        world.now_ms += 5 * 24 * 3_600_000
        world.settle()
        world.settle()
        self._check_forgotten()

    def _check_finals(self) -> None:
        finals = self.world.finals()
        assert set(finals) == {message_id(m.number) for m in self.messages}
        for message in self.messages:
            if all(self.used[smsc_id] == 1 for smsc_id in message.ids.values()):
                allowed = [self._expected(message)]
                if self.written != "raw":  # what is searched for may be found when the deadline is decided
                    allowed.append("receipt_missing")
                assert finals[message_id(message.number)][0] in allowed, message

    def _check_forgotten(self) -> None:
        """State is bounded by retention, and every receipt that ever came has become exactly one event."""
        world = self.world
        world.start()
        joins = dict(world.join.partitions[0].table.items())
        joins.pop(b"acme||formats", None)
        assert (joins, len(world.fold.partitions[0].table)) == ({}, 0)
        assert world.receipt_events() == len(world.logs[RECEIPTS])

    def _expected(self, message: Message) -> str:
        """The final status by the words of the specification, from the logs alone."""
        good = "submitted" if message.wish == "none" else "delivered"
        words = [
            message.failed.get(index) or self._segment(message, index, good) for index in range(1, message.segments + 1)
        ]
        if good in words and set(words) - {good} and not {"outcome_unknown", "receipt_missing"} & set(words):
            words.append("partially_delivered")
        return next((word for word in PRECEDENCE if word in words), good)

    def _segment(self, message: Message, index: int, good: str) -> str:
        if message.wish == "none":
            return good
        for smsc_id, record in self.received:
            if smsc_id == message.ids[index] and record.timestamp <= message.deadlines[index]:
                word = orjson.loads(record.value or b"")["short_message"]
                if (end := _end_of(word)) is not None:
                    return end
        return "receipt_missing"

    def _fail(self, message: Message, index: int, word: Any) -> None:
        """The first outcome of an index counts."""
        message.failed.setdefault(index, word)
        made = outcome(
            message.number,
            index,
            word,
            segments=message.segments,
            receipt=message.wish,
            occurred_at_ms=self.world.now_ms,
        )
        self.world.append(MT_OUTCOMES, made.context.message_id.encode(), made.to_json())

    def _deadlines(self) -> list[tuple[int, str]]:
        """Those to come, with the SMSC id of the segment."""
        found = ((at_ms, m.ids[index]) for m in self.messages for index, at_ms in m.deadlines.items())
        return sorted(item for item in found if item[0] >= self.world.now_ms)

    def _tell(self, result: SubmitResult) -> None:
        self.told.append(result)
        self.world.append(SUBMIT_RESULTS, f"acme|{result.smsc_message_id}".encode(), result.to_json())


def _end_of(short_message: str) -> str | None:

    text = b64decode(short_message).decode()
    return ENDS.get(text.split("stat:")[1].split()[0])


CorrelationMachine.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestCorrelation = CorrelationMachine.TestCase
