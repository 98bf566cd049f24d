"""Edge: a coordinator is believed only after it has written something."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError
from aiokafka.protocol.commit import OffsetCommitRequest

from schemas.groups import CONSUMER_GROUPS
from shared.kafka import coordinator_barrier
from shared.kafka.coordinator_barrier import offsets_partition, sibling, until_whole


class FakeAdmin:
    """Answers each commit with the next of `codes`; an error among them is raised."""

    def __init__(self, codes: list[int | Exception], partitions: int = 50, topic_error: int = 0) -> None:
        self.codes = codes
        self.asked: list[OffsetCommitRequest] = []
        self._topic = {"error_code": topic_error, "partitions": [{}] * partitions}

    async def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        assert topics == ["__consumer_offsets"]
        return [self._topic]

    async def find_coordinator(self, group: str) -> int:
        return 1

    async def _send_request(self, request: OffsetCommitRequest, node: int) -> Any:
        self.asked.append(request)
        code = self.codes.pop(0)
        if isinstance(code, Exception):
            raise code
        return SimpleNamespace(topics=[("service.states", [(0, code)])])


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_barrier, "_AGAIN_S", 0.0)


async def _ask(admin: FakeAdmin) -> None:
    await asyncio.wait_for(until_whole(admin, "binder"), 5)


async def test_a_coordinator_that_cannot_write_is_asked_again() -> None:
    admin = FakeAdmin([16, 16, 14, GroupCoordinatorNotAvailableError(), 0])
    await _ask(admin)
    assert not admin.codes


async def test_a_refusal_is_an_error() -> None:
    with pytest.raises(GroupAuthorizationFailedError):
        await _ask(FakeAdmin([30]))


@pytest.mark.parametrize("admin", [FakeAdmin([3]), FakeAdmin([], topic_error=3)])
async def test_where_nothing_was_ever_committed_there_is_nothing_to_wait_for(admin: FakeAdmin) -> None:
    await _ask(admin)
    assert not admin.codes


async def test_without_the_right_to_look_it_is_said_that_nothing_is_proven(caplog: pytest.LogCaptureFixture) -> None:
    await _ask(FakeAdmin([], topic_error=29))
    assert "without the right to describe __consumer_offsets" in caplog.text


@pytest.mark.parametrize(
    ("group", "partition"),
    [("binder", 38), ("ingress", 31), ("polygenelubricants", 0), ("", 0), ("gr\u00fcn\U0001f7e2", 26)],
)
def test_the_partition_of_a_group_is_that_of_javas_hash(group: str, partition: int) -> None:
    """As a JVM says; the third has the hash -2**31, which has no absolute value."""
    assert offsets_partition(group, 50) == partition


@pytest.mark.parametrize("partitions", [1, 4, 50])
def test_every_group_has_a_sibling(partitions: int) -> None:
    for group in CONSUMER_GROUPS:
        assert offsets_partition(sibling(group, partitions), partitions) == offsets_partition(group, partitions)
