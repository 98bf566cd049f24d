"""Edge: a lease at work over a channel of no kind: the path of a claim, and never two binds of one partition.

Kafka is a stand-in that acknowledges at once; what it would show to others is kept.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.commit_marks import BinderMark
from schemas.connector_states import ConnectorState
from schemas.feedback import Feedback
from schemas.gateway.connectors.kinds import Connector
from schemas.topics import CONNECTOR_STATES
from services.binder.channel import Answers, Channel, LinkWatcher, NotConnected, Unsendable
from services.binder.context import BinderContext
from services.binder.lease.accounts import Accounts
from services.binder.lease.backoff import Failure
from services.binder.lease.board import StateBoard
from services.binder.lease.inheritance import Inheritance, JournalTakeover
from services.binder.lease.machine import LeaseEvent, LeaseState
from services.binder.lease.watch import Watch
from services.binder.lease.worker import LeaseWorker
from services.binder.outbox import Outbox
from services.binder.submit.committing import Committer
from services.binder.submit.dispatch_record import DispatchedSegment
from services.binder.submit.feedback_record import Said
from services.binder.submit.journal import Journal
from shared.kafka.produce import BatchProducer
from shared.messages.events import EventMaker
from tests.integration.binder_rig import connector, dispatch_record
from tests.stateful.test_journal_machine import Record
from tests.unit.binder.fakes import FakeProducer

TP = TopicPartition("mt.dispatch.c", 0)
MARK = BinderMark(0, 0, 0, 0)


class FakeConsumer:
    """Takes every commit; keeps them."""

    def __init__(self) -> None:
        self.commits: list[int] = []

    async def commit(self, offsets: Mapping[TopicPartition, Any]) -> None:
        self.commits.append(offsets[TP].offset)


class FakeChannel:
    """A kind of its own: connects at once, keeps what is submitted, answers when the test says so."""

    open_now = 0
    most_open = 0

    def __init__(self, answers: Answers, watcher: LinkWatcher) -> None:
        self.answers = answers
        self.watcher = watcher
        self.fails: NotConnected | None = None
        self.submitted: list[DispatchedSegment] = []
        self.unsendable = ""
        self.drains = asyncio.Event()
        self.drains.set()
        self.up = False

    @property
    def account(self) -> Hashable:
        return "a"

    @property
    def described(self) -> str:
        return "a pigeon"

    @property
    def window_free(self) -> int:
        return 10 if self.up else 0

    @property
    def drain_timeout_s(self) -> float:
        return 1.0

    def configure(self, connector: Connector) -> LeaseEvent | None:
        return None

    async def connect(self) -> NotConnected | None:
        if self.fails is not None:
            failed, self.fails = self.fails, None
            return failed
        self.up = True
        FakeChannel.open_now += 1
        FakeChannel.most_open = max(FakeChannel.most_open, FakeChannel.open_now)
        return None

    def submit(self, segment: DispatchedSegment, at_ms: int) -> bool:
        if segment.id == self.unsendable:
            raise Unsendable("too heavy for a pigeon")
        self.submitted.append(segment)
        return True

    def flush(self, still_allowed: Callable[[], bool]) -> None:
        assert still_allowed()

    async def drain(self) -> None:
        await self.drains.wait()
        self.down()

    async def abort(self) -> None:
        self.down()

    def leave(self, why: str) -> None:
        self.down()

    def cut(self) -> None:
        self.down()

    def down(self) -> None:
        if self.up:
            self.up = False
            FakeChannel.open_now -= 1
            self.watcher.link_down("gone", "gone")


class Takeover:
    """Nothing was left behind; every new owner has the next epoch."""

    epoch = 0

    async def take_over(self, connector_id: str, tp: TopicPartition, found: BinderMark, committed: int) -> Inheritance:
        self.epoch += 1
        mark = BinderMark(committed, self.epoch, 0, self.epoch)
        return Inheritance(Journal(mark, committed, waiting=False, own_from=0), [])


class World:
    """A process that is always alive, with leases of one partition."""

    def __init__(self) -> None:
        FakeChannel.open_now = FakeChannel.most_open = 0
        self.consumer = FakeConsumer()
        self.producer = FakeProducer()
        self.outbox = Outbox(cast("BatchProducer", self.producer))
        self.committer = Committer(cast("AIOKafkaConsumer", self.consumer))
        self.committer.suspended = False
        self.channels: list[FakeChannel] = []
        self.errors: list[BaseException] = []
        self.decides = True
        self.context = BinderContext(
            owner="me|1",
            process=self,
            events=EventMaker("binder", "me"),
            outbox=self.outbox,
            committer=self.committer,
            board=StateBoard(self.outbox, "me|1"),
            watch=Watch("me|1", 0.0),
            accounts=Accounts(),
            takeover=cast("JournalTakeover", Takeover()),
            open_channel=self.open_channel,
        )
        self.tasks = [asyncio.create_task(self.outbox.run()), asyncio.create_task(self.committer.run())]

    def open_channel(self, connector: Connector, partition: int, answers: Answers, watcher: LinkWatcher) -> Channel:
        self.channels.append(FakeChannel(answers, watcher))
        return self.channels[-1]

    def may_decide(self) -> bool:
        return self.decides

    def may_write(self) -> bool:
        return self.decides

    async def alive(self) -> None:
        return

    async def end_offset(self, tp: TopicPartition) -> int:
        return 0

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)

    def lease(self, predecessor: LeaseWorker | None = None) -> LeaseWorker:
        return LeaseWorker(TP, connector("c", 1), MARK, 0, self.context, wanted=True, predecessor=predecessor)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                assert not self.errors
                await asyncio.sleep(0.001)

    async def bound(self) -> LeaseWorker:
        worker = self.lease()
        worker.synced()
        await self.until(lambda: worker.lease.state is LeaseState.BOUND)
        return worker

    def sent(self, topic: str) -> list[bytes]:
        return [out.value or b"" for request in self.producer.requests for out in request if out.topic == topic]

    def states(self) -> list[str]:
        return [ConnectorState.from_json(value).state for value in self.sent(CONNECTOR_STATES)]

    def feedback(self) -> list[tuple[int, str]]:
        records = [Feedback.from_json(value) for value in self.sent("mt.feedback.c")]
        return [(answer.offset, answer.outcome) for record in records for answer in record.answers]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.stop()


def records(count: int) -> Any:
    return [Record(n, dispatch_record(n, spacing_us=1).to_json()) for n in range(count)]


async def test_a_claim_is_committed_before_it_is_submitted_and_its_answer_is_told_before_it_is_settled(
    world: World,
) -> None:
    worker = await world.bound()
    channel = world.channels[0]
    worker.submitter.take(records(3))
    assert channel.submitted == []
    assert world.consumer.commits == []
    await world.until(lambda: len(channel.submitted) == 3)
    assert world.consumer.commits == [3]
    for segment in channel.submitted:
        channel.answers.answered(segment, Said("accepted"))
    channel.answers.advance()
    await world.until(lambda: len(world.feedback()) == 3)
    assert world.feedback() == [(n, "accepted") for n in range(3)]
    await world.until(lambda: worker.submitter.to_commit() is not None or len(world.consumer.commits) > 1)
    assert worker.submitter.idle


async def test_nothing_is_claimed_or_written_by_a_process_that_may_not_decide(world: World) -> None:
    worker = await world.bound()
    world.decides = False
    worker.submitter.take(records(1))
    await asyncio.sleep(0.05)
    assert (world.consumer.commits, world.channels[0].submitted, world.feedback()) == ([], [], [])
    world.decides = True
    worker.submitter.advance()
    await world.until(lambda: len(world.channels[0].submitted) == 1)


async def test_what_the_channel_cannot_send_is_answered_and_the_rest_goes_on(world: World) -> None:
    worker = await world.bound()
    some = records(2)
    world.channels[0].unsendable = dispatch_record(0).id
    worker.submitter.take(some)
    await world.until(lambda: len(world.channels[0].submitted) == 1)
    await world.until(lambda: world.feedback() == [(0, "permanent")])


async def test_a_lost_partition_hands_back_what_was_not_begun_and_releases_after_its_window(world: World) -> None:
    worker = await world.bound()
    channel = world.channels[0]
    worker.submitter.take(records(1))
    await world.until(lambda: len(channel.submitted) == 1)
    channel.up = False  # its window is full
    worker.submitter.take([Record(5, dispatch_record(5).to_json())])
    await world.until(lambda: 6 in world.consumer.commits)
    channel.up = True
    channel.drains.clear()
    worker.apply(LeaseEvent.LOST)
    await world.until(lambda: world.feedback() == [(5, "not_sent")])
    assert worker.lease.state is LeaseState.DRAINING
    channel.answers.answered(channel.submitted[0], Said("accepted"))
    channel.drains.set()
    await world.until(lambda: worker.gone)
    assert world.feedback() == [(5, "not_sent"), (0, "accepted")]
    await world.outbox.flushed()
    assert world.states() == ["binding", "bound", "unbound", "released"]
    assert worker.submitter.to_commit() is None


async def test_a_new_lease_waits_for_every_earlier_one_of_this_process(world: World) -> None:
    """Lost, given back, lost and given back again while the first still drains: its bind is the only one."""
    first = await world.bound()
    world.channels[0].drains.clear()
    first.apply(LeaseEvent.LOST)
    second = world.lease(first)
    second.synced()
    second.apply(LeaseEvent.LOST)
    assert second.lease.state is LeaseState.GONE
    assert not second.gone, "there is still a bind"
    third = world.lease(second)
    third.synced()
    await asyncio.sleep(0.05)
    assert third.lease.state is LeaseState.WAITING
    world.channels[0].drains.set()
    await world.until(lambda: third.lease.state is LeaseState.BOUND)
    assert FakeChannel.most_open == 1


async def test_a_failed_attempt_counts_against_the_account_and_is_tried_again(world: World) -> None:
    worker = world.lease()
    world.channels[0].fails = NotConnected(Failure.REFUSED, "no pigeons today")
    worker.synced()
    await world.until(lambda: "unbound" in world.states())
    assert worker.lease.state is LeaseState.QUEUED
    world.context.accounts.of("a").accepted()
    await world.until(lambda: worker.lease.state is LeaseState.BOUND)
