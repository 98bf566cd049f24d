"""Edge: the batch stage on a real broker: nothing lost or reordered, offsets exact, over stops and rebalances."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as KafkaTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.consumer.group_coordinator import GroupCoordinator

from shared.kafka.client import MAX_POLL_INTERVAL_MS, administering, consuming
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.coordinator_barrier import OFFSETS_TOPIC, offsets_partition, sibling
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.replay import read_range
from shared.membership import heartbeat
from shared.membership.frame import Application
from shared.membership.handler import StageConfig, StageHandler
from shared.membership.heartbeat import HeartbeatWatch
from shared.membership.inheritance import Inherited
from shared.membership.stage import Stage
from shared.process.clock import now_ms
from shared.process.service import Service
from shared.process.settings import Settings

pytestmark = [pytest.mark.kafka]

PARTITIONS = 2


class Copy(StageHandler):
    """Copies each record to the same partition of another topic."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.seen = 0
        self.restored: list[frozenset[TopicPartition]] = []

    async def assigned(self, inherited: Inherited) -> None:
        self.restored.append(inherited.partitions)

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        self.seen += len(records)
        return [Out(self.target, r.key, r.value, (), r.partition) for r in records]

    def mistakes_in_a_row(self) -> int:
        return 3


def _service(bootstrap: str, tmp_path: Path, instance: str = "0") -> Service:
    return Service("test", Settings(kafka_bootstrap_servers=bootstrap, data_dir=tmp_path, instance=instance))


@pytest.fixture
async def topics(kafka_bootstrap: str, unique_name: Callable[[str], str]) -> tuple[str, str]:
    source, target = unique_name("source"), unique_name("target")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([KafkaTopic(t, PARTITIONS, 1) for t in (source, target)])
    await admin.close()
    return source, target


async def _produce(bootstrap: str, topic: str, count: int, start: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for n in range(start, start + count):
        await producer.send(topic, str(n).encode(), partition=n % PARTITIONS)
    await producer.stop()


async def _values(service: Service, topic: str) -> list[list[int]]:
    found: list[list[int]] = []
    for partition in range(PARTITIONS):
        values: list[int] = []
        async for batch in read_range(service.settings, topic, partition):
            values += [int(r.value) for r in batch]
        found.append(values)
    return found


@asynccontextmanager
async def _running(service: Service, stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(_serve(service, stage))
    try:
        yield task
    finally:
        service.stopping.set()
        await asyncio.gather(task, return_exceptions=True)


async def _serve(service: Service, stage: Stage) -> None:
    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        app.add(stage)
        yield

    await Application(service, lifespan).serve()


async def _until(condition: Callable[[], bool], task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            if task.done():
                task.result()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("transactional", [False, True])
async def test_copies_everything_in_order_and_commits_exactly_over_a_restart(
    kafka_bootstrap: str,
    topics: tuple[str, str],
    tmp_path: Path,
    unique_name: Callable[[str], str],
    transactional: bool,
) -> None:
    source, target = topics
    config = StageConfig(unique_name("group"), (source,), transactional=transactional)
    await _produce(kafka_bootstrap, source, 1000)
    for start in (0, 1000):
        service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
        async with _running(service, Stage(service, config, handler)) as task:
            await _until(lambda h=handler: h.seen >= 1000, task)  # type: ignore[misc]  # bound now
            assert service.ready
            assert handler.restored == [frozenset(TopicPartition(source, p) for p in range(PARTITIONS))]
        committed = await committed_with_metadata(service.settings, config.group)
        # a transaction leaves no marker in its source, so offsets are exact in both modes
        assert {tp: offset for tp, (offset, _) in committed.items()} == {
            TopicPartition(source, p): (start + 1000) // 2 for p in range(PARTITIONS)
        }
        if start == 0:
            await _produce(kafka_bootstrap, source, 1000, start=1000)
    assert await _values(service, target) == [list(range(0, 2000, 2)), list(range(1, 2000, 2))]


async def test_two_members_share_the_partitions_and_lose_nothing(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    source, target = topics
    config = StageConfig(unique_name("group"), (source,), max_records=20)
    first, second = _service(kafka_bootstrap, tmp_path, "0"), _service(kafka_bootstrap, tmp_path, "1")
    one, two = Copy(target), Copy(target)
    await _produce(kafka_bootstrap, source, 400)
    async with _running(first, Stage(first, config, one)) as task_one:
        await _until(lambda: one.seen >= 100, task_one)
        async with _running(second, Stage(second, config, two)) as task_two:
            await _until(lambda: any(len(p) == 1 for p in two.restored), task_two)
            await _produce(kafka_bootstrap, source, 400, start=400)
            await _until(lambda: two.seen >= 100 and one.seen + two.seen >= 800, task_two)
    values = await _values(first, target)
    assert values == [list(range(0, 800, 2)), list(range(1, 800, 2))]


async def test_a_handler_that_fails_ends_the_stage_and_commits_nothing(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    class Broken(Copy):
        async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
            raise ValueError("a mistake of ours")

    source, target = topics
    await _produce(kafka_bootstrap, source, 10)
    service = _service(kafka_bootstrap, tmp_path)
    config = StageConfig(unique_name("group"), (source,))
    with pytest.raises(ValueError, match="a mistake of ours"):
        await asyncio.wait_for(_serve(service, Stage(service, config, Broken(target))), 30)
    committed = await committed_with_metadata(service.settings, config.group)
    assert {offset for offset, _ in committed.values()} == {0}


async def test_an_old_heartbeat_stops_the_stage_before_it_produces(
    kafka_bootstrap: str,
    topics: tuple[str, str],
    tmp_path: Path,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, target = topics
    service = _service(kafka_bootstrap, tmp_path)
    stage = Stage(service, StageConfig(unique_name("group"), (source,)), Copy(target))
    async with _running(service, stage) as task:
        await _until(lambda: service.ready, task)
        monkeypatch.setattr(HeartbeatWatch, "age_s", heartbeat.FRESH_FOR_S + 1)
        monkeypatch.setattr("shared.membership.member.SURE_WITHIN_S", 0.5)
        await _produce(kafka_bootstrap, source, 2)
        with pytest.raises(FatalKafkaError, match="no acknowledged heartbeat"):
            await asyncio.wait_for(asyncio.shield(task), 20)
    assert await _values(service, target) == [[], []]


async def test_nothing_is_decided_on_new_partitions_before_a_heartbeat_was_acknowledged(
    kafka_bootstrap: str,
    topics: tuple[str, str],
    tmp_path: Path,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does the process end: the coordinator may have moved just now."""
    asked = asyncio.Event()

    async def not_acknowledged(_watch: HeartbeatWatch) -> None:
        asked.set()

    source, target = topics
    await _produce(kafka_bootstrap, source, 2)
    monkeypatch.setattr(HeartbeatWatch, "ask", not_acknowledged)
    monkeypatch.setattr(HeartbeatWatch, "fresh", False)
    service = _service(kafka_bootstrap, tmp_path)
    copy = Copy(target)
    stage = Stage(service, StageConfig(unique_name("group"), (source,)), copy)
    async with _running(service, stage) as task:
        await asyncio.wait_for(asked.wait(), 20)
        asked.clear()
        await asyncio.wait_for(asked.wait(), 20)
        assert not service.ready
        assert await _values(service, target) == [[], []]
        monkeypatch.undo()
        await _until(lambda: copy.seen == 2, task)


class Slow(Copy):
    """Restores for as long as the test likes, and says so only where it is told to."""

    def __init__(self, target: str, service: Service, config: StageConfig) -> None:
        super().__init__(target)
        self.service, self.config = service, config
        self.advances = True
        self.done = asyncio.Event()

    async def assigned(self, inherited: Inherited) -> None:
        while not self.done.is_set():
            if self.advances:
                self.service.progress(self.config.group)
            await asyncio.sleep(0.02)
        await super().assigned(inherited)


async def _ages(service: Service, for_ms: int) -> int:
    """How old the loop's last progress becomes within a time; less what the whole process stood still."""
    looked_ms = now_ms()
    end_ms, worst = looked_ms + for_ms, 0
    while looked_ms < end_ms:
        await asyncio.sleep(0.01)
        before_ms, looked_ms = looked_ms, now_ms()
        worst = max(worst, before_ms - now_ms() + service.stuck_ms)
    return worst


@pytest.mark.parametrize("traffic", [0, 40])
async def test_a_long_restore_lives_as_long_as_it_advances(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str], traffic: int
) -> None:
    """With records waiting, and (what polls on meanwhile) without."""
    source, target = topics
    config = StageConfig(unique_name("group"), (source,))
    service = _service(kafka_bootstrap, tmp_path)
    handler = Slow(target, service, config)
    stage = Stage(service, config, handler)
    await _produce(kafka_bootstrap, source, traffic)
    async with _running(service, stage) as task:
        await _until(lambda: stage._member.restoring, task)
        assert await _ages(service, 3_000) < 2_000
        assert handler.seen == 0
        handler.advances = False
        await _until(lambda: service.stuck_ms > 2_500, task)  # one that hangs is noticed
        handler.done.set()
        await _until(lambda: service.ready and handler.seen == traffic, task)
        assert await _ages(service, 2_000) < 1_900, "and forgotten when it is over"


async def test_a_restore_keeps_its_partitions_although_nothing_polls(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """aiokafka would leave the group after five minutes without a poll."""
    source, target = topics
    config = StageConfig(unique_name("group"), (source,))
    service = _service(kafka_bootstrap, tmp_path)
    handler = Copy(target)
    stage = Stage(service, config, handler)
    async with _running(service, stage) as task:
        await _until(lambda: service.ready, task)
        assert stage._member.consumer is not None
        assert stage._member.consumer._coordinator._max_poll_interval == MAX_POLL_INTERVAL_MS / 1000


@pytest.mark.parametrize("commits", [True, False])
async def test_committed_offsets_are_those_after_a_transaction_that_is_under_way(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str], commits: bool
) -> None:
    """A successor that took those before it would work off its records once more."""
    source, _ = topics
    group = unique_name("group")
    settings = _service(kafka_bootstrap, tmp_path).settings
    place = TopicPartition(source, 0)
    producer = BatchProducer(settings, client_id="t", transactional_id=group)
    await producer.start()
    assert await committed_with_metadata(settings, group) == {}
    await producer.begin()
    await producer.add_offsets({place: (5, "five")}, group)
    await producer.commit()
    assert await committed_with_metadata(settings, group) == {place: (5, "five")}
    await producer.begin()
    await producer.add_offsets({place: (9, "")}, group)
    asking = asyncio.create_task(committed_with_metadata(settings, group))
    done, _ = await asyncio.wait([asking], timeout=1.0)
    assert not done
    await (producer.commit() if commits else producer.abort())
    assert await asyncio.wait_for(asking, 30) == {place: (9, "") if commits else (5, "five")}
    await producer.stop()


async def test_what_aiokafka_is_told_of_committed_offsets_is_not_believed(
    kafka_bootstrap: str,
    topics: tuple[str, str],
    tmp_path: Path,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broker that has just come back may say that nothing is committed (`coordinator_barrier.py`)."""
    source, target = topics
    config = StageConfig(unique_name("group"), (source,))
    await _produce(kafka_bootstrap, source, 10)
    service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
    async with _running(service, Stage(service, config, handler)) as task:
        await _until(lambda: handler.seen == 10, task)

    async def nothing(self: GroupCoordinator, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, object]:
        return {}

    monkeypatch.setattr(GroupCoordinator, "_do_fetch_commit_offsets", nothing)
    service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
    async with _running(service, Stage(service, config, handler)) as task:
        await _until(lambda: service.ready, task)
        await _produce(kafka_bootstrap, source, 2, start=10)
        await _until(lambda: handler.seen >= 2, task)
    assert sorted(chain.from_iterable(await _values(service, target))) == list(range(12))


async def test_a_group_and_its_barrier_commit_in_one_partition(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    async with administering(_service(kafka_bootstrap, tmp_path).settings) as admin:
        partitions = len((await admin.describe_topics([OFFSETS_TOPIC]))[0]["partitions"])
    names = (group := unique_name("group"), sibling(group, partitions))
    for name in names:
        async with AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, group_id=name) as member:
            member.assign([TopicPartition(topics[0], 0)])
            await member.commit({TopicPartition(topics[0], 0): 5})
    found: dict[str, set[int]] = {name: set() for name in names}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(OFFSETS_TOPIC, number) for number in range(partitions)])
    async with asyncio.timeout(30):
        while not all(found.values()):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                for name in names:
                    if any(name.encode() in (record.key or b"") for record in records):
                        found[name].add(tp.partition)
    await consumer.stop()
    assert found == {name: {offsets_partition(group, partitions)} for name in found}


async def test_the_marker_behind_the_last_record_is_no_lag(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    source, target = topics
    service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
    config = StageConfig(unique_name("group"), (source,))
    stage = Stage(service, config, handler)
    producer = BatchProducer(service.settings, client_id="t", transactional_id=config.group)
    await producer.start()
    async with _running(service, stage) as task:
        for number in range(3):
            await producer.begin()
            await producer.send_all([Out(source, None, b"%d" % number, (), 0)])
            await producer.commit()
        await _until(lambda: handler.seen == 3 and service.lags[config.group]() == 0, task)
        assert stage._member.consumer is not None
        assert stage._member.consumer.highwater(TopicPartition(source, 0)) == 6
    await producer.stop()


async def test_due_work_is_done_without_records(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    source, target = topics

    class Alarm(Copy):
        due: int | None = 1

        async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
            if not records:
                self.due = None
                return [Out(target, None, b"7", (), 0)]
            return await super().handle(records, at_ms)

        def next_due_ms(self) -> int | None:
            return self.due

    service, handler = _service(kafka_bootstrap, tmp_path), Alarm(target)
    config = StageConfig(unique_name("group"), (source,), transactional=True)
    async with _running(service, Stage(service, config, handler)) as task:
        await _until(lambda: handler.due is None, task)
    assert await _values(service, target) == [[7], []]


class Batches(Copy):
    """Remembers how many records came together."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.sizes: list[int] = []
        self.came = asyncio.Event()

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        self.sizes.append(len(records))
        self.came.set()
        return await super().handle(records, at_ms)


async def test_with_a_cadence_records_gather_and_the_first_one_does_not_wait(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """While the fetch is held back all of a second burst come in, so they are one batch, however slow the machine."""
    source, target = topics
    service = _service(kafka_bootstrap, tmp_path)
    handler = Batches(target)
    stage = Stage(service, StageConfig(source, (source,), cadence_ms=60_000), handler)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    async with _running(service, stage):
        async with asyncio.timeout(30):
            await producer.send_and_wait(source, b"0", partition=0)
            await handler.came.wait()
        for number in range(1, 10):
            await producer.send_and_wait(source, str(number).encode(), partition=0)
        assert handler.sizes == [1]
    await producer.stop()
    handler.came.clear()
    service = _service(kafka_bootstrap, tmp_path)
    async with _running(service, Stage(service, StageConfig(source, (source,)), handler)), asyncio.timeout(30):
        await handler.came.wait()
    assert handler.sizes == [1, 9]


class Busy(Batches):
    """Takes longer over each batch than aiokafka's own tenth of a second."""

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        await asyncio.sleep(0.3)
        return await super().handle(records, at_ms)


async def test_what_waits_for_a_busy_handler_is_not_left_out_of_a_long_poll(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second record is fetched with the first and read late. A fetch for the quiet partition alone would have the
    third one wait for its end, which is made longer here than the test may take.
    """
    monkeypatch.setattr("shared.kafka.client.FETCH_WAIT_MS", 35_000)
    source, target = topics
    service = _service(kafka_bootstrap, tmp_path)
    handler = Busy(target)
    await _produce(kafka_bootstrap, source, 1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    await producer.send_and_wait(source, b"1", partition=0)
    async with _running(service, Stage(service, StageConfig(source, (source,), max_records=1), handler)) as task:
        await _until(lambda: len(handler.sizes) == 2, task)
        await producer.send_and_wait(source, b"2", partition=0)
        async with asyncio.timeout(15):
            await _until(lambda: len(handler.sizes) == 3, task)
    await producer.stop()


@pytest.mark.parametrize("transactional", [False, True])
async def test_a_partition_that_kafka_has_emptied_is_read_on(
    kafka_bootstrap: str,
    topics: tuple[str, str],
    tmp_path: Path,
    unique_name: Callable[[str], str],
    transactional: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing comes for so long that all is deleted, also the marker behind the last record: it goes on there."""
    monkeypatch.setattr("shared.membership.stage.PASS_MARKERS_EVERY_S", 0.0)
    source, target = topics
    config = StageConfig(unique_name("group"), (source,), transactional=transactional)
    settings = _service(kafka_bootstrap, tmp_path).settings
    places = [TopicPartition(source, p) for p in range(PARTITIONS)]
    producer = BatchProducer(settings, client_id="t", transactional_id=unique_name("t"))
    await producer.start()
    for round_ in range(2):
        await producer.begin()
        await producer.send_all([Out(source, None, b"%d" % n, (), n % PARTITIONS) for n in range(10)])
        await producer.commit()
        service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
        async with _running(service, Stage(service, config, handler)) as task:
            await _until(lambda h=handler: h.seen == 10, task)  # type: ignore[misc]  # bound now
            async with consuming(settings) as consumer, asyncio.timeout(20):
                ends = await consumer.end_offsets(places)
                while {tp: o for tp, (o, _) in (await committed_with_metadata(settings, config.group)).items()} != ends:
                    await asyncio.sleep(0.1)
        assert ends == dict.fromkeys(places, 6 * (round_ + 1))
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        await admin.delete_records({tp: RecordsToDelete(before_offset=end) for tp, end in ends.items()})
        await admin.close()
    await producer.stop()
