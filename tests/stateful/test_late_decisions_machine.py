"""Pure: ingress processes that die, sleep for any time and wake at any step, over a log that fences as Kafka does.

The decisions, the marks of commits and the bookkeeping of what was inherited are the real ones; Kafka is a model:
partitions that refuse a fenced writer, and a group that takes commits of owners alone. What a process has decided lies
in its hands until the machine lets it reach the log, partition by partition, however much has happened since.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, data, integers, sampled_from

from schemas.commit_marks import StageMark, Writer
from schemas.gateway.accounts import Account
from schemas.topics import INGRESS_KEYS, MT_REQUESTS, MT_STATUSES, MT_SUBMISSIONS
from services.ingress.decision import RequestDecider
from services.ingress.own_output import DecidedByIngress
from services.ingress.place import home_partition, place_of
from shared.kafka.records import Out
from shared.membership.inheritance import Inherited, Standing
from shared.membership.replay_guard import MARGIN_MS, begun_ms
from shared.messages.idempotency import KeyStore, restore
from shared.messages.routing import GatewayView
from tests.unit.ingress.scene import AT_MS, Record, applied, decider, request

PARTITIONS = 2
APPEND_MS = 3 * MARGIN_MS
"""Between two appends: nothing is found again only because a margin is wide."""

WITH_ACCOUNT = GatewayView(applied({"to": [{"connector": "acme"}]}, accounts=[Account(id="shop", default_sender="S")]))
OTHER_ROUTE = GatewayView(applied({"to": [{"connector": "beta"}]}, accounts=[Account(id="shop", default_sender="S")]))
WITHOUT = GatewayView(applied(accounts=[]))


class Appended(NamedTuple):
    at_ms: int
    out: Out


class Log:
    """The cluster: records by topic, who is fenced, who owns what, and what is committed."""

    def __init__(self) -> None:
        self.now_ms = AT_MS
        self.requests: dict[int, list[Record]] = {p: [] for p in range(PARTITIONS)}
        self.outputs: dict[str, list[Appended]] = defaultdict(list)
        self.fenced: set[Writer] = set()
        self.owner: dict[int, int] = {}
        self.committed: dict[int, tuple[int, str]] = {}

    def append(self, out: Out, writer: Writer | None) -> int | None:
        """Kafka's time of it; None when the writer is fenced."""
        if writer in self.fenced:
            return None
        self.now_ms += APPEND_MS
        if out.topic == MT_REQUESTS:
            place = out.partition or 0
            records = self.requests[place]
            headers: Sequence[tuple[str, bytes | None]] = out.headers
            records.append(Record(out.value, place, len(records), self.now_ms, headers, out.key))
        self.outputs[out.topic].append(Appended(self.now_ms, out))
        return self.now_ms

    def commit(self, process: int, marks: dict[int, tuple[int, str]]) -> bool:
        """Refused to whoever does not own all of it."""
        if any(self.owner.get(partition) != process for partition in marks):
            return False
        self.committed |= marks
        return True


class Process:
    """One run of ingress, one step at a time. `steps` is a generator: between two of its steps anything may happen."""

    def __init__(self, number: int, log: Log, view: GatewayView) -> None:
        self.number = number
        self.log = log
        self.writer = Writer(f"ingress-{number}", number)
        self.own = DecidedByIngress()
        self.decider: RequestDecider = decider(partitions=PARTITIONS, own=self.own)
        self.decider.view = view
        self.standing = Standing()
        self.appended_at_ms = 0
        self.position: dict[int, int] = {}
        self.pending: list[Out] = []
        self.steps: Any = None
        self.dead = False

    def assigned(self, partitions: frozenset[int]) -> None:
        self.pending = []
        self.steps = self._life(partitions)

    def step(self) -> None:
        if self.steps is not None and next(self.steps, "over") == "over":
            self.steps = None

    def revoked(self) -> None:
        """Between two cycles: give everything back."""
        self._commit(None)
        self.standing.end()
        self.steps = None

    @property
    def is_between_cycles(self) -> bool:
        return self.steps is None or (bool(self.standing) and not self.pending)

    def _life(self, partitions: frozenset[int]) -> Any:
        inherited = self._inherited(partitions)
        yield
        for writer in inherited.strangers(self.writer):
            self.log.fenced.add(writer)
            yield
        self.standing.begin(inherited)
        yield
        marks = {tp.partition: (offset, self._claim(inherited, tp)) for tp, offset in inherited.offsets.items()}
        if not self.log.commit(self.number, marks):
            return
        yield
        self._restore(inherited)
        yield
        while True:
            yield from self._cycle()

    def _inherited(self, partitions: frozenset[int]) -> Inherited:
        places = {p: TopicPartition(MT_REQUESTS, p) for p in partitions}
        committed = {p: self.log.committed.get(p, (0, "")) for p in partitions}
        marks = {places[p]: mark for p, (_, text) in committed.items() if (mark := StageMark.from_text(text))}
        offsets = {places[p]: offset for p, (offset, _) in committed.items()}
        ends = {places[p]: len(self.log.requests[p]) for p in partitions}
        return Inherited(frozenset(places.values()), offsets, marks, ends)

    def _claim(self, inherited: Inherited, tp: TopicPartition) -> str:
        mark = inherited.marks.get(tp, StageMark(0))
        return StageMark(mark.appended_at_ms, mark.mistakes, self.writer).to_text()

    def _restore(self, inherited: Inherited) -> None:
        self.position = {tp.partition: offset for tp, offset in inherited.offsets.items()}
        self.decider.keys = {tp.partition: KeyStore() for tp in inherited.partitions}
        for entry in self.log.outputs[INGRESS_KEYS]:
            store = self.decider.keys.get(entry.out.partition or 0)
            if store is not None:
                restore(store, entry.out.key, entry.out.value)
        self.own.forget()
        since = [
            begun_ms(inherited.marks.get(tp), self.log.requests[tp.partition][offset].timestamp) - MARGIN_MS
            for tp, offset in inherited.offsets.items()
            if offset < inherited.ends[tp]
        ]
        if since:
            self._read_own_output(min(since))

    def _read_own_output(self, since_ms: int) -> None:
        for at_ms, out in self.log.outputs[MT_SUBMISSIONS]:
            if at_ms >= since_ms:
                self.own.add_submission(out.value)
        for at_ms, out in self.log.outputs[MT_STATUSES]:
            if at_ms >= since_ms:
                self.own.add_status(out.value)
        for records in self.log.requests.values():
            for record in records:
                if record.timestamp >= since_ms:
                    self.own.add_request(record)

    def _cycle(self) -> Any:
        """Read some, decide, append one by one, commit: a stop between any two."""
        offsets: dict[TopicPartition, int] = {}
        for partition, start in self.position.items():
            for record in self.log.requests[partition][start : start + 2]:
                self.pending += self.decider.decide(record, self.log.now_ms)
                offsets[TopicPartition(MT_REQUESTS, partition)] = record.offset + 1
        yield
        while self.pending:
            at_ms = self.log.append(self.pending[0], self.writer)
            if at_ms is None:
                self.dead = True
                return
            self.pending.pop(0)
            self.appended_at_ms = at_ms
            yield
        self.standing.advance(offsets)
        self.position |= {tp.partition: offset for tp, offset in offsets.items()}
        if not self._commit(self.writer):
            self.dead = True
        yield

    def _commit(self, writer: Writer | None) -> bool:
        marks = {
            tp.partition: (
                offset,
                StageMark(self.standing.appended_at_ms(tp, self.appended_at_ms), 0, writer).to_text(),
            )
            for tp, offset in self.standing.offsets().items()
        }
        return self.log.commit(self.number, marks)


class LateDecisions(RuleBasedStateMachine):
    """Any number of processes, of which the last one given a partition owns it; the others do not know that yet."""

    @initialize()
    def begin(self) -> None:
        self.log = Log()
        self.processes: list[Process] = []
        self.view = WITH_ACCOUNT
        self.published = 0

    @rule(partition=integers(0, PARTITIONS - 1), keyed=booleans())
    def publish(self, partition: int, keyed: bool) -> None:
        key = {"idempotency_key": f"order-{self.published}"} if keyed else {}
        value = request(text=f"n {self.published}", **key)
        self.published += 1
        self.log.append(Out(MT_REQUESTS, None, value, (), partition), None)

    @rule(view=sampled_from([WITH_ACCOUNT, OTHER_ROUTE, WITHOUT]))
    def reconfigure(self, view: GatewayView) -> None:
        """Processes that sleep do not hear of it before they wake, which is later than their next append."""
        self.view = view
        for process in self.processes:
            process.decider.view = view

    @rule()
    def another_takes_over(self) -> None:
        """All partitions go to a new process; who had them sleeps, or is dead."""
        process = Process(len(self.processes), self.log, self.view)
        self.processes.append(process)
        self.log.owner = dict.fromkeys(range(PARTITIONS), process.number)
        process.assigned(frozenset(range(PARTITIONS)))

    @precondition(lambda self: any(p.is_between_cycles and not p.dead for p in self.processes))
    @rule(picked=data(), partition=integers(0, PARTITIONS - 1))
    def a_rebalance_shares(self, picked: Any, partition: int) -> None:
        """A clean one: the owner gives all back, gets one again, and the other goes to somebody new."""
        owner = picked.draw(sampled_from([p for p in self.processes if p.is_between_cycles and not p.dead]))
        if any(number != owner.number for number in self.log.owner.values()):
            return
        owner.revoked()
        process = Process(len(self.processes), self.log, self.view)
        self.processes.append(process)
        self.log.owner = {p: process.number if p == partition else owner.number for p in range(PARTITIONS)}
        process.assigned(frozenset({partition}))
        owner.assigned(frozenset(range(PARTITIONS)) - {partition})

    @precondition(lambda self: self.processes)
    @rule(picked=data(), times=integers(1, 8))
    def one_goes_on(self, picked: Any, times: int) -> None:
        """Also one that has long lost its partitions: it has slept until now."""
        process = picked.draw(sampled_from(self.processes))
        for _ in range(times):
            if not process.dead:
                process.step()

    def decisions(self) -> dict[str, set[str]]:
        """By message, what was decided: a connector, or a final status."""
        found: dict[str, set[str]] = defaultdict(set)
        for _, out in self.log.outputs[MT_SUBMISSIONS]:
            submission = orjson.loads(out.value or b"")
            message_id = submission["context"][0]
            name = submission["connector_id"]
            found[message_id].add(name if name not in found[message_id] else f"{name} again")
        for _, out in self.log.outputs[MT_STATUSES]:
            status = orjson.loads(out.value or b"")
            found[status["message_id"]].add(f"{status['reason']} {status['status_id']} {status['occurred_at_ms']}")
        return found

    @invariant()
    def nothing_is_decided_twice(self) -> None:
        assert {m: d for m, d in self.decisions().items() if len(d) > 1} == {}

    def teardown(self) -> None:
        """Somebody takes over in peace, and every request has its decision."""
        if not hasattr(self, "log"):
            return
        self.another_takes_over()
        last = self.processes[-1]
        for _ in range(200 + 20 * sum(map(len, self.log.requests.values()))):
            last.step()
            assert not last.dead
        assert all(last.position[p] == len(records) for p, records in self.log.requests.items())
        first_places = {place_of(record).message_id(MT_REQUESTS) for p in self.log.requests.values() for record in p}
        assert self.decisions().keys() == first_places
        self.nothing_is_decided_twice()


def test_a_key_has_a_home() -> None:
    """The machine publishes keyed requests to both partitions: some are moved."""
    homes = {home_partition("shop", f"order-{n}", PARTITIONS) for n in range(10)}
    assert homes == {0, 1}


TestLateDecisions = LateDecisions.TestCase
TestLateDecisions.settings = settings(max_examples=150, stateful_step_count=60)
