"""The recorder and a ClickHouse that is sick and well by turns: no good event is lost, every bad one is set aside."""

import asyncio
import logging
from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.recorder.clickhouse import ClickHouseUnavailable
from services.recorder.recording import Recording
from tests.unit.recorder.clickhouse_double import FakeHost, NoPauses, ScriptedClickHouse, event, in_kafka, said

CODES = st.sampled_from((27, 60, 74, 76, 198, 241, 242, 243, 244, 252, 285, 286, 290, 307, 516, 745, 1001, 1002))
TROUBLES = st.one_of(
    CODES.map(lambda code: said(f"Code: {code}. DB::Exception: trouble (at row 1)")),
    st.sampled_from(["Connection refused", "HTTP status 502"]).map(ClickHouseUnavailable),
)
ROWS = st.lists(st.sampled_from(["good"] * 5 + ["seen", "unseen"]), min_size=1, max_size=12)


class RecordingMachine(RuleBasedStateMachine):
    """Batches, and spells of trouble of two calls or more that begin at any call of the next batches."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("services.recorder").setLevel(logging.CRITICAL)
        self.runner = asyncio.Runner()
        self.clickhouse = ScriptedClickHouse()
        self.clickhouse.trouble = self.trouble
        self.host = FakeHost()
        self.recording = Recording(self.clickhouse, NoPauses(self.host), 1_000)
        self.spells: list[tuple[int, ClickHouseUnavailable | None, bool]] = []
        self.good: set[bytes] = set()
        self.bad: set[bytes] = set()
        self.letters: list[bytes] = []
        self.number = 0

    def teardown(self) -> None:
        self.runner.close()
        logging.getLogger("services.recorder").setLevel(logging.NOTSET)

    def trouble(self, call: int, values: Sequence[bytes]) -> ClickHouseUnavailable | None:
        if not self.spells:
            return None
        length, error, stores = self.spells.pop()
        if length > 1:
            self.spells.append((length - 1, error, stores))
        if error is not None and stores and not self.clickhouse.poison.intersection(values):
            self.clickhouse.stored += [value for value in values if value in self.good]  # done, and not said
        return error

    @precondition(lambda self: len(self.spells) < 8)
    @rule(well=st.integers(1, 15), sick=st.integers(2, 30), error=TROUBLES, stores=st.booleans())
    def falls_sick(self, well: int, sick: int, error: ClickHouseUnavailable, stores: bool) -> None:
        self.spells = [(sick, error, stores), (well, None, False), *self.spells]

    @rule(largest=st.sampled_from((1, 3, 1_000)))
    def has_memory_for(self, largest: int) -> None:
        self.clickhouse.largest = largest

    @rule(rows=ROWS)
    def batch(self, rows: list[str]) -> None:
        values = []
        for kind in rows:
            self.number += 1
            value = event(self.number, **({"segments": "x"} if kind == "seen" else {}))
            values.append(value)
            if kind == "good":
                self.good.add(value)
            else:
                self.bad.add(value)
                self.clickhouse.poison.add(value)
        outs = self.runner.run(self.recording.record(in_kafka(values), 1_800_000_000_000))
        self.letters += [out.value or b"" for out in outs]

    @invariant()
    def every_event_is_where_it_belongs(self) -> None:
        assert (sorted(self.letters), set(self.clickhouse.stored)) == (sorted(self.bad), self.good)
        assert self.host.last_error == ""


TestRecording = RecordingMachine.TestCase
TestRecording.settings = settings(max_examples=60, stateful_step_count=10)
