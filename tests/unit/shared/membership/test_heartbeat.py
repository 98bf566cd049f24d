"""How old a heartbeat is: what a process that has slept must not be mistaken about."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.commit import OffsetCommitRequest

from shared.kafka.errors import FatalKafkaError
from shared.membership import heartbeat
from shared.membership.heartbeat import HeartbeatWatch


class Group:
    """A group coordinator as aiokafka shows it, and the clock: each heartbeat is answered by what the test put in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        self.answer_takes_s = 0.0
        self.answer: bool | Exception = True
        monkeypatch.setattr(heartbeat, "monotonic_s", lambda: self.now_s)
        self.coordinator = SimpleNamespace(_do_heartbeat=self._heartbeat, generation=7)

    def watch(self) -> HeartbeatWatch:
        return HeartbeatWatch(SimpleNamespace(_coordinator=self.coordinator))

    async def _heartbeat(self) -> bool:
        self.now_s += self.answer_takes_s
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    return Group(monkeypatch)


async def test_an_answer_that_was_read_after_a_sleep_is_as_old_as_its_question(group: Group) -> None:
    """It was sent and answered before the sleep; meanwhile somebody else may have been given the work."""
    watch = group.watch()
    await group.coordinator._do_heartbeat()
    watch.check()
    group.answer_takes_s = 15.0
    await group.coordinator._do_heartbeat()
    assert watch.age_s == 15.0
    with pytest.raises(FatalKafkaError, match=r"15\.0 s"):
        watch.check()


async def test_before_the_group_has_answered_nothing_may_be_decided(group: Group) -> None:
    """The watch may be new although the process is not: an assignment may have come before a sleep."""
    watch = group.watch()
    with pytest.raises(FatalKafkaError, match="another process may own the work"):
        watch.check()
    await watch.ask()
    watch.check()


async def test_a_heartbeat_that_fails_changes_nothing(group: Group) -> None:
    watch = group.watch()
    await watch.ask()
    group.now_s += 4.0
    group.answer = False
    await watch.ask()
    assert watch.age_s == 4.0
    watch.check()


async def test_a_group_that_does_not_know_this_member_takes_back_what_it_acknowledged(group: Group) -> None:
    """aiokafka forgets its generation then, and joins anew."""
    watch = group.watch()
    await watch.ask()
    group.answer = False
    group.coordinator.generation = OffsetCommitRequest.DEFAULT_GENERATION_ID
    await watch.ask()
    with pytest.raises(FatalKafkaError):
        watch.check()


async def test_it_is_asked_until_it_is_acknowledged_and_not_at_all_when_it_was(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def moved(wait_s: float) -> None:
        waits.append(wait_s)
        group.answer = len(waits) == 3

    monkeypatch.setattr(asyncio, "sleep", moved)
    group.answer = False
    watch = group.watch()
    await watch.until_fresh()
    assert waits == [heartbeat.ASK_AGAIN_S] * 3
    group.answer = AssertionError("there is nothing to ask")
    await watch.until_fresh()


async def test_a_group_that_may_not_be_used_ends_the_process(group: Group) -> None:
    group.answer = GroupAuthorizationFailedError("encoder")
    with pytest.raises(FatalKafkaError, match="takes no heartbeat: GroupAuthorizationFailedError"):
        await group.watch().ask()
