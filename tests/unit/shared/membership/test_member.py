"""The theory of a rebalance, on a group that the test plays."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.kafka.errors import FatalKafkaError
from shared.membership.member import Assignment, Member
from shared.process.service import Service
from shared.process.settings import Settings

A, B = TopicPartition("mt.requests", 0), TopicPartition("mt.requests", 1)


class Group:
    """A consumer and its coordinator as aiokafka shows them."""

    def __init__(self, *, blind: bool = False) -> None:
        self.acknowledges = True
        self.asked = asyncio.Event()
        self.rejoins = 0
        self.coordinator = SimpleNamespace(
            _do_heartbeat=self._heartbeat,
            generation=1,
            _group_instance_id="ingress-0" if blind else None,
            _group_subscription=None,
            request_rejoin=self._rejoin,
        )
        self.consumer: Any = SimpleNamespace(_coordinator=self.coordinator, _fetcher=SimpleNamespace())

    async def _heartbeat(self) -> bool:
        self.asked.set()
        await asyncio.sleep(0)
        return self.acknowledges

    def _rejoin(self) -> None:
        self.rejoins += 1


class Duties:
    """Notes what it is told; restores when the test lets it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.assignments: list[Assignment] = []
        self.may_restore = asyncio.Event()
        self.may_restore.set()
        self.generation_at_revoke = -1
        self.error: Exception | None = None
        self.member: Member | None = None

    def _tell(self, word: str) -> None:
        self.told.append(word)
        if self.error is not None:
            raise self.error

    async def revoked(self) -> None:
        assert self.member is not None
        self.generation_at_revoke = self.member.generation
        self._tell("revoked")

    async def assigned(self, assignment: Assignment) -> None:
        self.assignments.append(assignment)
        self._tell("assigned")

    async def restore(self, assignment: Assignment) -> None:
        try:
            await self.may_restore.wait()
        except asyncio.CancelledError:
            self.told.append("restore cancelled")
            raise
        self._tell("restored")

    def lag(self) -> int:
        return 7


class World:
    """A member with its duties, attached to the group unless the test does that later."""

    def __init__(self, group: Group, *, attached: bool = True, leave_groups: bool = False) -> None:
        self.group = group
        self.duties = Duties()
        settings = Settings(kafka_bootstrap_servers="127.0.0.1:9", leave_groups=leave_groups)
        self.service = Service("ingress", settings)
        self.member = self.duties.member = Member(self.service, "ingress", self.duties)
        if attached:
            self.member.attach(group.consumer)

    async def rebalance(self, *partitions: TopicPartition, generations: int = 1) -> None:
        await self.member.on_revoked()
        self.group.coordinator.generation += generations
        await self.member.on_assigned(partitions)


async def test_an_assignment_is_ready_when_it_is_restored() -> None:
    world = World(Group())
    assert not world.service.state(0).ready
    world.duties.may_restore.clear()
    await world.rebalance(A, B)
    await asyncio.sleep(0)
    assert world.member.restoring
    assert not world.service.state(0).ready
    world.duties.may_restore.set()
    await asyncio.wait_for(world.member.restored.wait(), 5)
    assert world.service.state(0).ready
    assert world.duties.told == ["revoked", "assigned", "restored"]
    assert world.member.held == {A, B}
    assert world.service.state(0).lag == 7


async def test_nothing_is_ready_before_a_heartbeat_is_acknowledged() -> None:
    group = Group()
    group.acknowledges = False
    world = World(group)
    await world.rebalance(A)
    await asyncio.wait_for(group.asked.wait(), 5)
    assert not world.member.restored.is_set()
    with pytest.raises(FatalKafkaError):
        world.member.check()
    group.acknowledges = True
    await asyncio.wait_for(world.member.restored.wait(), 5)
    world.member.check()


async def test_nothing_is_ready_before_the_consumer_is_known() -> None:
    world = World(Group(), attached=False)
    await world.rebalance(A)
    await asyncio.sleep(0.01)
    assert world.duties.told[-1] == "restored"
    assert not world.member.restored.is_set()
    world.member.attach(world.group.consumer)
    await asyncio.wait_for(world.member.restored.wait(), 5)


async def test_a_revoke_outdates_what_was_taken_before_it_waits_for_anything() -> None:
    world = World(Group())
    await world.rebalance(A)
    await asyncio.wait_for(world.member.restored.wait(), 5)
    before = world.member.generation
    await world.member.on_revoked()
    assert world.duties.generation_at_revoke == before + 1
    assert world.member.rebalancing
    assert not world.member.restored.is_set()


async def test_a_revoke_cancels_a_restore_and_the_next_assignment_begins_another() -> None:
    world = World(Group())
    world.duties.may_restore.clear()
    await world.rebalance(A)
    await asyncio.sleep(0)
    world.duties.told.clear()
    await world.rebalance(B)
    assert world.duties.told == ["restore cancelled", "revoked", "assigned"]
    world.duties.may_restore.set()
    await asyncio.wait_for(world.member.restored.wait(), 5)
    assert world.member.held == {B}


async def test_what_is_held_twice_running_was_nobody_elses() -> None:
    world = World(Group())
    for generations in (1, 1, 2, 0):
        await world.rebalance(A, generations=generations)
    assert [each.consecutive for each in world.duties.assignments] == [False, True, False, True]


async def test_a_static_member_that_joined_blindly_joins_once_more() -> None:
    world = World(Group(blind=True))
    await world.rebalance(A)
    assert world.group.rejoins == 1
    assert world.duties.told == ["revoked"]
    await world.rebalance(A)
    await asyncio.wait_for(world.member.restored.wait(), 5)
    assert world.group.rejoins == 1


@pytest.mark.parametrize("word", ["revoked", "assigned", "restored"])
async def test_a_duty_that_fails_ends_the_membership(word: str) -> None:
    world = World(Group())
    world.duties.error = ValueError(word)
    if word != "revoked":
        world.duties.revoked = nothing  # type: ignore[method-assign]  # only this one fails
    if word == "restored":
        world.duties.assigned = nothing  # type: ignore[method-assign, assignment]  # as above
    await world.rebalance(A)
    await asyncio.wait([world.member.ended], timeout=5)
    with pytest.raises(ValueError, match=word):
        world.member.raise_failure()
    assert not world.member.restored.is_set()


async def nothing(*_: object) -> None:
    """A duty that succeeds."""


@pytest.mark.parametrize("for_good", [False, True])
async def test_who_leaves_for_good_is_no_static_member_any_more(for_good: bool) -> None:
    group = Group(blind=True)
    World(group, leave_groups=for_good).member.leave()
    assert (group.coordinator._group_instance_id is None) == for_good
