"""Edge: dead letters written back to where they came from: which may be, which were already, and the memory of it.

The memory is a topic of its own (`dlq.replayed`), so that every operator on every machine has it. A replay and its mark
are one transaction, under one transactional id for the whole installation: there is never one without the other, and of
two operators at a time the first is fenced.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from aiokafka import ConsumerRecord

from schemas.groups import DLQ_REPLAY_TRANSACTIONS
from schemas.replays import ReplayMark, replay_key
from schemas.topics import DLQ_REPLAYED, is_dispatch_topic
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.operations.dead_letters import (
    Letter,
    OffsetsNotThere,
    dead_letters_of,
    message_ids_of,
    read_letter,
    replayed,
)
from shared.operations.errors import Refused
from shared.operations.finals import Finals, ended_since, finals_of
from shared.operations.kafka_access import kafka_errors, read_tables
from shared.operations.topic_creation import partition_counts
from shared.process.clock import now_ms
from shared.process.settings import Settings

AT_A_TIME: Final = 200
"""Dead letters in one transaction."""

Marks = Mapping[bytes, ReplayMark]

_UNREADABLE: Final = ReplayMark(at_ms=0, to_topic="", to_partition=0)
"""Of a mark that this version cannot read."""


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One dead letter, where it would go, and why it does not (empty: it does). `already`: because it was replayed."""

    letter: Letter
    message_ids: tuple[str, ...] = ()
    why_not: str = ""
    already: bool = False

    @property
    def key(self) -> bytes:
        record = self.letter.record
        return replay_key(record.topic, record.partition, record.offset)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would do, made at `at_ms`, when these had been replayed. `again`: they may be once more."""

    steps: list[ReplayStep]
    at_ms: int
    marks: Marks
    again: bool

    @property
    def wanted(self) -> list[ReplayStep]:
        return [step for step in self.steps if not step.why_not]

    @property
    def refused(self) -> list[ReplayStep]:
        return [step for step in self.steps if step.why_not]

    def destinations(self) -> Counter[str]:
        """How many go to which topic."""
        return Counter(step.letter.topic for step in self.wanted)


async def plan_replay(
    settings: Settings, topic: str, offsets: Collection[int] | None, *, again: bool, ask_clickhouse: bool
) -> ReplayPlan:
    """What a replay of these dead letters (None: of all) would do. Writes nothing.

    Raises `OffsetsNotThere`, `Invalid` (no such topic), `NotFound`, `Unreachable`.
    """
    records = await dead_letters_of(settings, topic)
    chosen = records if offsets is None else [r for r in records if r.offset in offsets]
    if missing := sorted(set(offsets or ()) - {r.offset for r in chosen}):
        raise OffsetsNotThere(missing)
    at_ms, counts, marks = now_ms(), await partition_counts(settings), await _marks(settings)
    steps = [_step(record, counts) for record in chosen]
    steps = [step if step.why_not else _not_twice(step, marks, again=again) for step in steps]
    ids = {one for step in steps if not step.why_not for one in step.message_ids}
    finals = await finals_of(settings, ids, at_ms, ask_clickhouse=ask_clickhouse)
    return ReplayPlan([step if step.why_not else _not_ended(step, finals) for step in steps], at_ms, marks, again)


async def carry_out(settings: Settings, plan: ReplayPlan, by: str) -> ReplayPlan:
    """Replay what the plan wants, and remember it. Returns the plan as it was carried out: what another operator has
    replayed since, or has ended since, is refused in it.

    Raises `Refused` when it was not, or not all of it, or when that is not known; `Unreachable`.
    """
    async with _one_operator(settings) as producer:
        marks = await _marks(settings)
        ended = await ended_since(settings, {one for step in plan.wanted for one in step.message_ids}, plan.at_ms)
        known = Finals(ended)
        newer = {key: mark for key, mark in marks.items() if plan.marks.get(key) != mark}
        steps = [s if s.why_not else _not_ended(_not_twice(s, newer, again=False), known) for s in plan.steps]
        done = replace(plan, steps=steps)
        count = 0
        for first in range(0, len(done.wanted), AT_A_TIME):
            some = done.wanted[first : first + AT_A_TIME]
            try:
                if count:
                    await producer.begin()
                await producer.send_all(_outs(some, now_ms(), by))
                await producer.commit()
            except FatalKafkaError as error:
                sentence = (
                    f"{error}: {count} dead letters were replayed, whether the next {len(some)} were is not known"
                )
                raise Refused(sentence, "smsgw dlq replay --dry-run says which were") from error
            count += len(some)
    return done


@asynccontextmanager
async def _one_operator(settings: Settings) -> AsyncIterator[BatchProducer]:
    """A producer with an open transaction; every other one of an operator's is fenced from here on."""
    producer = BatchProducer(settings, client_id="smsgw-cli", transactional_id=DLQ_REPLAY_TRANSACTIONS)
    async with kafka_errors(settings):
        await producer.start()
        try:
            await producer.begin()
            yield producer
        finally:
            await producer.stop()


def _outs(steps: Iterable[ReplayStep], at_ms: int, by: str) -> Iterable[Out]:
    for step in steps:
        out = replayed(step.letter.record)
        mark = ReplayMark(at_ms=at_ms, by=by, to_topic=out.topic, to_partition=out.partition or 0)
        yield out
        yield Out(DLQ_REPLAYED, step.key, mark.to_json())


async def _marks(settings: Settings) -> Marks:
    marks: dict[bytes, ReplayMark] = {}

    def on_record(record: ConsumerRecord) -> None:
        if record.key is not None and record.value is not None:
            marks[record.key] = _UNREADABLE  # stays where it cannot be read: it was replayed by somebody all the same
            marks[record.key] = ReplayMark.from_json(record.value)

    async with kafka_errors(settings):
        await read_tables(settings, {DLQ_REPLAYED: on_record})
    return marks


def _step(record: ConsumerRecord, counts: Mapping[str, int]) -> ReplayStep:
    """A dead letter by itself: whether there is a place for it, and it is what it was."""
    letter = read_letter(record)
    if not letter.topic or letter.partition < 0:
        return ReplayStep(letter, why_not="it does not say where it came from")
    if not letter.belongs:
        return ReplayStep(letter, why_not=f"dead letters of {letter.topic} do not lie in {record.topic}")
    if is_dispatch_topic(letter.topic):
        return ReplayStep(letter, why_not="a dispatch has its answer by where it lay: what came of it is told already")
    if letter.is_cut:
        return ReplayStep(letter, why_not="it is cut, and not the record that it was: whoever wrote that has it")
    if counts.get(letter.topic, 0) <= letter.partition:
        return ReplayStep(letter, why_not=f"{letter.topic} partition {letter.partition} is not there any more")
    return ReplayStep(letter, message_ids_of(letter))


def _not_twice(step: ReplayStep, marks: Marks, *, again: bool) -> ReplayStep:
    mark = marks.get(step.key)
    if mark is None or again:
        return step
    at = datetime.fromtimestamp(mark.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    by = f" by {mark.by}" if mark.by else ""
    return replace(step, why_not=f"it was replayed at {at}{by}; --again replays it again", already=True)


def _not_ended(step: ReplayStep, finals: Finals) -> ReplayStep:
    if step.why_not:
        return step
    for one in step.message_ids:
        if status := finals.status.get(one):
            return replace(step, why_not=f"message {one} has ended: {status}")
        if one in finals.unknown:
            return replace(
                step,
                why_not=f"whether message {one} has ended is not known: mt.statuses keeps 7 days, and ClickHouse does "
                "not answer",
            )
    return step
