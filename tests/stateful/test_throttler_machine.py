"""Edge: the throttler against any order of answers, lost binds, aborted transactions and crashes.

Planted faults, each tried once and caught: a successor that ignores `closed` marks, or counts answers behind the
committed offset; a mark that points behind its stay, or has the feedback position of the commit in place of the
dispatch's; a message decided while one of its segments is in flight; a second answer that counts; a stay that moves, or
expires, without a `closed` mark; no ledger; a lane committed past what was begun; segments forgotten after a failure;
a dead bind heard behind the fence.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.topics import (
    MT_OUTCOMES,
    MT_REROUTES,
    MT_STATUSES,
    SUBMIT_RESULTS,
    dispatch_topic,
    segments_topic,
)
from tests.unit.throttler.world import CONNECTOR, World, message, policy

LANES = st.sampled_from(["otp", "txn", "bulk"])
ANSWERS = st.sampled_from(
    [
        ("accepted", None),
        ("accepted", None),
        ("not_sent", None),
        ("throttled", 0x58),
        ("temporary", 0x14),
        ("permanent", 0x0B),
        ("outcome_unknown", None),
    ]
)
BINDS = st.integers(0, 1)


class ThrottlerMachine(RuleBasedStateMachine):
    """One connector with two binds; every message may be answered, delayed, moved, expired or given back."""

    @initialize(tps=st.sampled_from([5, 50, 500]), window=st.sampled_from([1, 10]), retries=st.sampled_from([None, 1]))
    def start(self, tps: int, window: int, retries: int | None) -> None:
        self.world = World(policy(tps=tps, window=window, max_binds=2, retries_max=retries, retry_delay_ms=2_000))
        self.published: dict[str, int] = {}
        self.in_doubt: set[str] = set()
        self.world.bind(0, 1)
        self.publish_many(6)

    @rule(count=st.integers(2, 6))
    def publish_many(self, count: int) -> None:
        for _ in range(count):
            self.publish("bulk", 2, 60_000, pinned=False, twice=False)

    @rule(
        lane=LANES,
        segments=st.integers(1, 4),
        validity_ms=st.sampled_from([3_000, 60_000]),
        pinned=st.booleans(),
        twice=st.booleans(),
    )
    def publish(self, lane: Any, segments: int, validity_ms: int, pinned: bool, twice: bool) -> None:
        number = len(self.published)
        new = message(
            number, lane=lane, segments=segments, at_ms=self.world.now_ms, validity_ms=validity_ms, pinned=pinned
        )
        self.published[new.context.message_id] = segments
        self.world.publish(new, *([new] if twice else []))

    @rule(cycles=st.integers(1, 4), step_ms=st.sampled_from([10, 100, 700, 2_500]))
    def work(self, cycles: int, step_ms: int) -> None:
        for _ in range(cycles):
            self.world.now_ms += step_ms
            self.world.cycle()

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule()
    def crash_before_the_commit(self) -> None:
        self.world.cycle(commit=False)
        self.world.crash()

    @rule(answer=ANSWERS, partition=BINDS, choice=st.data())
    def answer(self, answer: tuple[Any, int | None], partition: int, choice: Any) -> None:
        offsets = [offset for offset, _ in self.world.open_dispatches(partition)]
        if offsets:
            chosen = choice.draw(st.lists(st.sampled_from(offsets), min_size=1, max_size=4, unique=True))
            reason = "no_submit_response" if answer[0] == "outcome_unknown" else None
            self.world.answer(chosen, answer[0], partition=partition, error_code=answer[1], reason=reason)

    @rule(partition=BINDS, state=st.sampled_from(["bound", "unbound", "released"]))
    def lease(self, partition: int, state: str) -> None:
        if state == "released":
            offsets = [offset for offset, _ in self.world.open_dispatches(partition)]
            if offsets:
                self.world.answer(offsets, "not_sent", partition=partition)
        self.world.lease(partition, state)

    @rule(partition=BINDS, keep=st.integers(0, 1), crash=st.booleans())
    def a_bind_is_lost_and_the_other_takes_its_work(self, partition: int, keep: int, crash: bool) -> None:
        """The link is cut; of what waited there nothing was sent, but the oldest may still be answered."""
        world = self.world
        offsets = [offset for offset, _ in world.open_dispatches(partition)][keep:]
        if offsets:
            world.answer(offsets, "not_sent", partition=partition)
        world.lease(partition, "unbound")
        world.bind(1 - partition)
        self.work(3, 700)
        if crash:
            world.crash()

    @rule(partition=BINDS, stale=st.booleans())
    def a_bind_dies(self, partition: int, stale: bool) -> None:
        """Its successor fences it; `stale`: the dead one's last words come behind the fence."""
        self.in_doubt |= {d.id for _, d in self.world.open_dispatches(partition)}
        self.world.new_owner(partition, stale=stale)

    @rule(partition=BINDS, choice=st.data())
    def a_late_second_answer(self, partition: int, choice: Any) -> None:
        offsets = sorted(offset for p, offset in self.world.answered if p == partition)
        if offsets:
            self.world.answer([choice.draw(st.sampled_from(offsets))], "accepted", partition=partition)

    @rule(draining=st.booleans())
    @precondition(lambda self: len(self.published) > 3)
    def configure(self, draining: bool) -> None:
        self.world.configure(replace(self.world.policy, draining=draining))

    # -- what must hold at any time

    def _ends(self) -> tuple[Counter[tuple[str, int]], Counter[str], Counter[str]]:
        world = self.world
        segments: Counter[tuple[str, int]] = Counter()
        for topic in (SUBMIT_RESULTS, MT_OUTCOMES):
            for record in (r for (t, _), log in world.logs.items() if t == topic for r in log):
                value = orjson.loads(record.value or b"")
                segments[value["context"][0], value["index"]] += 1
        statuses = Counter(v["message_id"] for v in world.values(MT_STATUSES) if v["final"])
        reroutes = Counter(v["context"][0] for v in world.values(MT_REROUTES))
        return segments, statuses, reroutes

    @invariant()
    def one_end_at_most(self) -> None:
        segments, statuses, reroutes = self._ends()
        assert max(segments.values(), default=0) <= 1, "a segment ended twice"
        ways = statuses + reroutes + Counter({m: 1 for m, _ in segments})
        assert max(ways.values(), default=0) <= 1, "a message ended in two ways"

    @invariant()
    def a_segment_is_in_flight_once(self) -> None:
        world = self.world
        ids: Counter[str] = Counter()
        flying: Counter[tuple[str, int]] = Counter()
        where: dict[str, set[int]] = defaultdict(set)
        for topic, partition in list(world.logs):
            if topic == dispatch_topic(CONNECTOR):
                for d in world.dispatches(partition):
                    ids[d.id] += 1
                    where[f"{d.message_id}/{d.run}"].add(partition)
                for _, d in world.open_dispatches(partition):
                    flying[d.message_id, d.index] += 1
        assert max(ids.values(), default=0) <= 1, "a dispatch id was used twice"
        assert max(flying.values(), default=0) <= 1, "a segment was dispatched while it was in flight"
        assert all(len(partitions) == 1 for partitions in where.values()), "a stay lies in two partitions"

    @invariant()
    def what_is_unanswered_is_counted(self) -> None:
        world = self.world
        committed = {p: len(world.logs[t, p]) for t, p in list(world.logs) if t == dispatch_topic(CONNECTOR)}
        unanswered = sum(len(world.open_dispatches(p)) for p in committed)
        assert world.dispatcher.binds.unanswered >= unanswered
        for partition in committed:
            assert world.dispatcher.binds.count(partition) >= len(world.open_dispatches(partition))

    def teardown(self) -> None:
        """Everything comes to an end when the binds answer and time passes."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.bind(0, 1)
        for _ in range(400):
            world.cycle()
            world.answer_all()
            world.now_ms += 250
            if world.dispatcher.wake_at_ms(world.moment) is None and self._all_read():
                break
        world.crash()
        assert world.dispatcher.binds.unanswered == 0
        segments, statuses, reroutes = self._ends()
        for (topic, _), log in world.logs.items():
            if topic == SUBMIT_RESULTS:
                for value in (orjson.loads(record.value or b"") for record in log):
                    dispatch_id = f"{value['context'][0]}/0/{value['index']}/{value['attempt']}"
                    assert dispatch_id not in self.in_doubt, "a dead bind was heard behind the fence"
        for message_id, count in self.published.items():
            if statuses[message_id] + reroutes[message_id] == 0:
                ended = [index for index in range(1, count + 1) if segments[message_id, index]]
                assert len(ended) == count, f"{message_id}: only segments {ended} of {count} ended"

    def _all_read(self) -> bool:
        world = self.world
        return (
            all(
                world.committed.get((segments_topic(CONNECTOR, lane), 0), (0, ""))[0]
                == len(world.logs[segments_topic(CONNECTOR, lane), 0])
                for lane in ("otp", "txn", "bulk", "retry")
            )
            and world.dispatcher.binds.unanswered == 0
        )


TestThrottlerMachine = ThrottlerMachine.TestCase
TestThrottlerMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
