"""The scheduler with crashes at every step: nothing is lost, nothing goes twice, and nothing goes before its time.

The world is Kafka as a transactional stage sees it: a cycle's records and the place of its input are all there, or none
is. The store is a real file, which dies with its process, is lost, or comes back from an hour ago.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.scheduled import ScheduledMessage
from services.scheduler.cycle import SchedulerCycle
from services.scheduler.partition import WaitingPartition
from services.scheduler.restore import apply
from services.scheduler.store import SqliteStore
from shared.kafka.records import Out
from tests.unit.scheduler.making import EVENTS, Record, message_id, scheduled, values
from tests.unit.submissions import AT_MS

END = st.sampled_from(("committed", "committed", "committed", "crashed before", "crashed after"))
"""How a cycle ends: its transaction is committed, or its process dies before that, or right after it."""


class SchedulerMachine(RuleBasedStateMachine):
    """One partition, and what lies in Kafka."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.folder, self.copy = self.place / "now", self.place / "before"
        self.at_ms = AT_MS
        self.requests: list[bytes] = []
        self.read = 0
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.due_at: dict[str, int] = {}
        self.went: Counter[str] = Counter()
        self.begin()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.place)

    @property
    def file(self) -> Path:
        return self.folder / "0.sqlite"

    def begin(self) -> None:
        """A process takes the partition over, as `restore` does it."""
        self.store = SqliteStore(self.file, "a")
        start = self.store.position or 0
        for offset, (key, value) in enumerate(self.changelog[start:], start):
            apply(self.store, 0, offset, key, value)
        self.store.note(len(self.changelog), self.at_ms)
        self.store.commit()
        self.cycle = SchedulerCycle()
        self.cycle.partitions[0] = WaitingPartition(0, self.store, EVENTS, self.store.waiting())

    @rule(ahead_ms=st.integers(0, 50), twice=st.booleans())
    def is_scheduled(self, ahead_ms: int, twice: bool) -> None:
        """Sometimes the record comes twice, with two offsets."""
        name = message_id(len(self.due_at))
        self.due_at[name] = self.at_ms + ahead_ms
        value = scheduled(len(self.due_at) - 1, due_ms=self.at_ms + ahead_ms).to_json()
        self.requests += [value] * (1 + twice)

    @rule(ms=st.integers(1, 40))
    def time_passes(self, ms: int) -> None:
        self.at_ms += ms

    @rule(most=st.integers(0, 4), end=END, noted=st.booleans())
    def runs(self, most: int, end: str, noted: bool) -> None:
        if noted:
            self.store.note(len(self.changelog), self.at_ms)
        batch = self.requests[self.read : self.read + most]
        outs = self.cycle.run([Record(value, self.read + n) for n, value in enumerate(batch)], self.at_ms)
        if end != "crashed before":
            self.commit(outs, len(batch))
        if end != "committed":
            self.dies()

    def commit(self, outs: list[Out], read: int) -> None:
        self.read += read
        self.changelog += [(out.key or b"", out.value) for out in outs if out.topic == "scheduler.waiting"]
        for record in values(outs, "mt.due"):
            assert record["due_at_ms"] <= self.at_ms
            self.went[record["context"][0]] += 1
        assert not values(outs, "mt.statuses")

    @rule()
    def dies(self) -> None:
        self.store.close()
        self.begin()

    @rule()
    def leaves_a_copy(self) -> None:
        self.store.close()
        shutil.copytree(self.folder, self.copy, dirs_exist_ok=True)
        self.begin()

    @precondition(lambda self: self.copy.exists())
    @rule()
    def finds_its_old_store(self) -> None:
        """As after a machine lost power, or a volume was put back."""
        self.store.close()
        shutil.rmtree(self.folder)
        shutil.copytree(self.copy, self.folder)
        self.begin()

    @rule()
    def loses_its_store(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)
        self.begin()

    @rule()
    def is_told_old_offsets(self) -> None:
        """The coordinator has forgotten what it was told last: everything is read again."""
        self.store.close()
        self.read = 0
        self.begin()

    @invariant()
    def nothing_goes_twice(self) -> None:
        assert not self.went or max(self.went.values()) == 1

    @invariant()
    def nothing_is_lost(self) -> None:
        """Whatever has been taken in waits, or went."""
        waiting = {key.decode() for key, _ in self.store.due(self.at_ms + 10**6, 10_000)}
        positions = self.store.positions.get("mt.scheduled", 0)
        taken = {name for name in self.due_at if name not in self.unread(positions)}
        assert taken <= waiting | set(self.went)

    def unread(self, position: int) -> set[str]:
        rest = {ScheduledMessage.from_json(value).context.message_id for value in self.requests[position:]}
        before = {ScheduledMessage.from_json(value).context.message_id for value in self.requests[:position]}
        return rest - before

    @rule()
    def everything_due_goes_in_the_end(self) -> None:
        while self.read < len(self.requests):
            self.runs(4, "committed", False)
        self.at_ms += 100
        self.runs(0, "committed", False)
        assert {name for name, at_ms in self.due_at.items() if at_ms <= self.at_ms} == set(self.went)


TestScheduler = SchedulerMachine.TestCase
