"""Edge: says where a group goes on in partitions where it has lost its place (`smsgw topics adopt`).

Nothing here guesses. What each choice means for each service stands in docs/operations.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata

from schemas.commit_marks import BinderMark, ThrottlerMark
from schemas.connector_states import ConnectorState
from schemas.groups import BINDER_GROUP, CONSUMER_GROUPS, THROTTLER_GROUP
from schemas.topics import CONNECTOR_STATES, dispatch_topic, feedback_topic
from shared.kafka import seam
from shared.kafka.client import administering, consuming
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.group_requests import describe_group
from shared.kafka.positions import LostPlace, lost_places
from shared.membership.beginnings import begun_with
from shared.operations.errors import Invalid, NotFound, Refused
from shared.operations.kafka_access import kafka_errors, ranges_of, read_tables
from shared.process.settings import Settings

BEGINNING: Final = "beginning"
END: Final = "end"
STOP_THEM: Final = "stop them first; one that was stopped, and not removed, counts for another 10 s"
HOW: Final = "beginning, end, an offset, or a time such as 2026-12-01T08:00:00+00:00"

Start = Literal["beginning", "end"] | int | datetime
"""Where to go on: an offset is an int, a time has its zone."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """One partition: what was wrong, what is there (`begin` to before `end`), and where the group goes on."""

    topic: str
    partition: int
    wrong: str
    begin: int
    end: int
    start: int

    @property
    def left_out(self) -> int:
        """Offsets that are there and are not read."""
        return self.start - self.begin


@dataclass(frozen=True, slots=True)
class AdoptionChoice:
    """Which of the lost partitions, and where to go on in them. None: all."""

    start: Start
    topic: str | None = None
    partition: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.start, int) and (self.topic is None or self.partition is None):
            raise Invalid("an offset is one of a single partition", "say --topic and --partition too")

    def means(self, tp: TopicPartition) -> bool:
        return self.topic in (None, tp.topic) and self.partition in (None, tp.partition)


def start_of(text: str) -> Start:
    """Where to go on, as a person writes it. Raises `Invalid`."""
    if text in (BEGINNING, END):
        return "beginning" if text == BEGINNING else "end"
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"--from {text}: must be {HOW}") from None
    if at.tzinfo is None:
        raise Invalid(f"--from {text}: a time needs its zone, such as {text}+00:00")
    return at


async def adopt(settings: Settings, group: str, chosen: AdoptionChoice, *, dry_run: bool) -> list[Adopted]:
    """Commit, for `group`, where it goes on in those partitions where it has lost its place, and in no others.

    Raises `NotFound` for a group that is none of ours, `Refused` while it has members or where nothing is lost,
    `Invalid` for an offset that is not there, `Unreachable`.
    """
    if group not in CONSUMER_GROUPS:
        raise NotFound(f"{group} is no group of ours", f"there are: {', '.join(CONSUMER_GROUPS)}")
    async with kafka_errors(settings):
        await _refuse_members(settings, group)
        committed = await committed_with_metadata(settings, group)
        begun = await begun_with(settings, group)
        async with consuming(settings) as consumer:
            existing = await seam.all_partitions(consumer)
            places = {tp for tp in begun | committed.keys() if tp.partition in existing.get(tp.topic, ())}
            ranges = await ranges_of(consumer, sorted({tp.topic for tp in places}))
            begins = {tp: begin for tp, (begin, _) in ranges.items()}
            ends = {tp: end for tp, (_, end) in ranges.items()}
            lost = [one for one in lost_places(places, committed, begun, begins, ends) if chosen.means(one.tp)]
            if not lost:
                raise Refused(f"{group} has its place in every partition that was asked for; nothing was changed")
            starts = await _starts(consumer, chosen.start, ranges, [one.tp for one in lost])
        adopted = [_adopted(one, ranges[one.tp], starts[one.tp]) for one in lost]
        if not dry_run:
            await _commit(settings, group, adopted)
    return adopted


async def _refuse_members(settings: Settings, group: str) -> None:
    async with administering(settings) as admin:
        _, members = await describe_group(admin, group)
    if members:
        names = ", ".join(sorted(instance or member for member, instance, _ in members))
        raise Refused(f"group {group} has members: {names}; nothing was changed", STOP_THEM)


async def _starts(
    consumer: AIOKafkaConsumer,
    start: Start,
    ranges: Mapping[TopicPartition, tuple[int, int]],
    partitions: Iterable[TopicPartition],
) -> dict[TopicPartition, int]:
    wanted = list(partitions)
    if isinstance(start, datetime):
        found = await consumer.offsets_for_times(dict.fromkeys(wanted, int(start.timestamp() * 1000)))
        return {tp: ranges[tp][1] if (at := found[tp]) is None else at.offset for tp in wanted}
    if isinstance(start, int):
        for tp in wanted:
            begin, end = ranges[tp]
            if not begin <= start <= end:
                raise Invalid(f"--from {start}: {tp.topic}, partition {tp.partition} has offsets {begin} to {end}")
        return dict.fromkeys(wanted, start)
    return {tp: ranges[tp][start == END] for tp in wanted}


def _adopted(lost: LostPlace, there: tuple[int, int], start: int) -> Adopted:
    begin, end = there
    return Adopted(lost.tp.topic, lost.tp.partition, lost.sentence(), begin, end, start)


async def _commit(settings: Settings, group: str, adopted: Iterable[Adopted]) -> None:
    """Kafka itself refuses it where a member has come meanwhile."""
    epochs = await _epochs(settings) if group == BINDER_GROUP else {}
    marks = {
        TopicPartition(one.topic, one.partition): OffsetAndMetadata(one.start, _mark(group, one, epochs))
        for one in adopted
    }
    async with consuming(settings, group_id=group) as consumer:
        consumer.assign(list(marks))
        try:
            await consumer.commit(marks)
        except (CommitFailedError, IllegalGenerationError, UnknownMemberIdError) as error:
            raise Refused(f"group {group} has got members meanwhile; nothing was changed", STOP_THEM) from error


def _mark(group: str, one: Adopted, epochs: Mapping[tuple[str, int], int]) -> str:
    """The metadata of the commit. A binder answers what is claimed and has no answer as in doubt; a throttler takes
    everything that was dispatched for unfinished until it has read its answer."""
    connector_id = one.topic.removeprefix(dispatch_topic(""))
    if group == BINDER_GROUP:
        return BinderMark(one.begin, epochs.get((connector_id, one.partition), 0), 0, 0).to_text()
    if group == THROTTLER_GROUP and one.topic.startswith(feedback_topic("")):
        return ThrottlerMark().to_text()
    return ""


async def _epochs(settings: Settings) -> dict[tuple[str, int], int]:
    """The newest epoch of every bind: answers of an older one would count for nothing."""
    found: dict[tuple[str, int], int] = {}

    def take(record: ConsumerRecord) -> None:
        if record.value is not None:
            state = ConnectorState.from_json(record.value)
            found[state.connector_id, state.partition] = state.epoch

    await read_tables(settings, {CONNECTOR_STATES: take})
    return found
