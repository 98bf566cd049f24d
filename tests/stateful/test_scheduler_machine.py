"""The scheduler with crashes at every step: nothing is lost, nothing goes twice, nothing goes before its time, and
nothing goes that was cancelled two seconds before.

The world is Kafka as a transactional stage sees it: a cycle's records and the place of its input are all there, or none
is. The store is a real file, which dies with its process, is lost, or comes back from an hour ago.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.commands import Command
from schemas.scheduled import ScheduledMessage
from schemas.topics import MT_COMMANDS
from services.scheduler.cycle import SchedulerCycle
from services.scheduler.partition import WaitingPartition
from services.scheduler.restore import apply
from services.scheduler.store import SqliteStore
from shared.kafka.records import Out
from tests.unit.scheduler.making import EVENTS, Record, message_id, scheduled, values
from tests.unit.submissions import AT_MS

NEVER_TOO_LATE_MS = 2_000
END = st.sampled_from(("committed", "committed", "committed", "crashed before", "crashed after"))
"""How a cycle ends: its transaction is committed, or its process dies before that, or right after it."""


def cancelling(name: str) -> Command:
    return Command(command="cancel", account_id="shop", message_id=name)


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
        self.cancelled: Counter[str] = Counter()
        self.commands: list[Record] = []
        self.sure: set[str] = set()
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
        self.proved_ms = 0
        self.cycle = SchedulerCycle(1)
        self.cycle.partitions[0] = WaitingPartition(0, self.store, EVENTS)

    @rule(ahead_ms=st.sampled_from((0, 5, 1_500, 2_500, 4_000)), twice=st.booleans())
    def is_scheduled(self, ahead_ms: int, twice: bool) -> None:
        """Sometimes the record comes twice, with two offsets."""
        name = message_id(len(self.due_at))
        self.due_at[name] = self.at_ms + ahead_ms
        number, due_ms = len(self.due_at) - 1, self.at_ms + ahead_ms
        message = scheduled(number, due_ms=due_ms, valid_ms=10**9, accepted_at_ms=self.at_ms, campaign_id="c")
        value = message.to_json()
        self.requests += [value] * (1 + twice)

    @precondition(lambda self: self.due_at)
    @rule(data=st.data(), ahead=st.booleans())
    def is_cancelled(self, data: st.DataObject, ahead: bool) -> None:
        """One that there is, or (`ahead`) the next one, whose record comes later than the command."""
        name = message_id(len(self.due_at)) if ahead else data.draw(st.sampled_from(sorted(self.due_at)))
        self.cancel(cancelling(name))
        if ahead or self.at_ms <= self.due_at[name] - NEVER_TOO_LATE_MS:
            self.sure.add(name)
        if ahead:
            self.is_scheduled(NEVER_TOO_LATE_MS, False)

    @rule()
    def everything_is_cancelled(self) -> None:
        self.cancel(Command(command="cancel_campaign", account_id="shop", campaign_id="c"))
        self.sure |= {name for name, due in self.due_at.items() if self.at_ms <= due - NEVER_TOO_LATE_MS}

    def cancel(self, command: Command) -> None:
        offset = len(self.commands)
        self.commands.append(Record(command.to_json(), offset, topic=MT_COMMANDS, timestamp=self.at_ms))

    @rule(ms=st.sampled_from((1, 400, 3_000)))
    def time_passes(self, ms: int) -> None:
        self.at_ms += ms

    @rule(most=st.integers(0, 4), commands=st.sampled_from((0, 1, 100)), end=END, noted=st.booleans())
    def runs(self, most: int, commands: int, end: str, noted: bool) -> None:
        if noted:
            self.store.note(len(self.changelog), self.at_ms)
        batch = self.requests[self.read : self.read + most]
        start = self.store.positions.get(f"{MT_COMMANDS}/0", 0)
        given = self.commands[start : start + commands]
        if start + len(given) == len(self.commands):
            self.proved_ms = self.at_ms
        records = [Record(value, self.read + n) for n, value in enumerate(batch)]
        outs = self.cycle.run(records, given, self.at_ms, self.proved_ms + NEVER_TOO_LATE_MS)
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
        for status in values(outs, "mt.statuses"):
            assert (status["status"], status["final"]) == ("cancelled", True)
            self.cancelled[status["message_id"]] += 1

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
        assert set((self.went + self.cancelled).values()) <= {1}

    @invariant()
    def what_was_cancelled_in_time_never_goes(self) -> None:
        assert not self.sure & self.went.keys()

    @invariant()
    def nothing_is_lost(self) -> None:
        """Whatever has been taken in waits, or went, or is cancelled."""
        waiting = {key.decode() for key, _ in self.store.due(self.at_ms + 10**6, 10_000)}
        positions = self.store.positions.get("mt.scheduled", 0)
        taken = {name for name in self.due_at if name not in self.unread(positions)}
        assert taken <= waiting | self.went.keys() | self.cancelled.keys()

    def unread(self, position: int) -> set[str]:
        rest = {ScheduledMessage.from_json(value).context.message_id for value in self.requests[position:]}
        before = {ScheduledMessage.from_json(value).context.message_id for value in self.requests[:position]}
        return rest - before

    @rule()
    def everything_due_goes_in_the_end(self) -> None:
        while self.read < len(self.requests):
            self.runs(4, 0, "committed", False)
        self.at_ms += 10_000
        for _ in range(2):
            self.runs(0, len(self.commands), "committed", False)
        assert self.due_at.keys() == self.went.keys() | self.cancelled.keys()
        assert self.sure == self.sure & self.cancelled.keys()


TestScheduler = SchedulerMachine.TestCase
