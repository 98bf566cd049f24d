"""Edge: one commit for all partitions of the process; nothing that it claims is written before Kafka has it."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata

from schemas.commit_marks import BinderMark
from services.binder.submit.journal import commit_due_s
from shared.kafka.errors import FatalKafkaError
from shared.process.clock import monotonic_s

log = logging.getLogger(__name__)

Point = tuple[int, BinderMark]


class JournalOwner(Protocol):
    """Keeps the journal of one partition."""

    @property
    def tp(self) -> TopicPartition: ...
    @property
    def otp_waits(self) -> bool:
        """Whether an OTP waits for the commit."""

    @property
    def claims_pending(self) -> bool:
        """Whether something waits for the commit to be written."""

    def to_commit(self) -> Point | None:
        """What to commit; None = nothing new, or not ours to commit."""

    def committed(self, point: Point) -> None:
        """Kafka has it."""


class NotOwner(Exception):
    """Kafka refused a commit: a rebalance has taken, or is taking, the partition. The group's callbacks say which."""


class Committer:
    """Commits the journals that were added, in time. `suspended`: a rebalance is under way, nothing is committed."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._owners: list[JournalOwner] = []
        self._lock = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._sooner = asyncio.Event()
        self._last_s = 0.0
        self.suspended = True

    def add(self, owner: JournalOwner) -> None:
        self._owners.append(owner)

    def remove(self, owner: JournalOwner) -> None:
        self._owners.remove(owner)

    def wake(self) -> None:
        """A journal has something new."""
        self._wanted.set()
        self._sooner.set()

    async def run(self) -> None:
        """Commit for ever; raises what is not a lost partition."""
        while True:
            await self._wanted.wait()
            due_s = self._due_s()
            if due_s is None or self.suspended:
                self._wanted.clear()
                continue
            wait_s = due_s - monotonic_s()
            if wait_s > 0:
                self._sooner.clear()
                await _wait(self._sooner, wait_s)
                continue
            self._wanted.clear()
            await self.commit_now()

    def _due_s(self) -> float | None:
        pending = [owner for owner in self._owners if owner.to_commit() is not None]
        return commit_due_s(
            monotonic_s(),
            self._last_s,
            claims=any(owner.claims_pending for owner in pending),
            answers=bool(pending),
            otp=any(owner.otp_waits for owner in pending),
        )

    async def commit_now(self, *, last: bool = False) -> None:
        """Commit what there is; what Kafka refuses stays uncommitted. `last`: also while suspended (on revoke)."""
        async with self._lock:
            if self.suspended and not last:
                return
            self._last_s = monotonic_s()
            points = {owner: point for owner in self._owners if (point := owner.to_commit()) is not None}
            if not points:
                return
            try:
                await self._commit({owner.tp: point for owner, point in points.items()})
            except NotOwner as error:
                log.info("commit refused, a rebalance is under way: %s", error)
                return
            for owner, point in points.items():
                owner.committed(point)

    async def commit_for(self, tp: TopicPartition, point: Point) -> None:
        """Commit one partition now; raises `NotOwner`."""
        async with self._lock:
            if self.suspended:
                raise NotOwner("a rebalance is under way")
            await self._commit({tp: point})

    async def _commit(self, points: Mapping[TopicPartition, Point]) -> None:
        marks = {tp: OffsetAndMetadata(offset, mark.to_text()) for tp, (offset, mark) in points.items()}
        try:
            await self._consumer.commit(marks)
        except (CommitFailedError, IllegalStateError) as error:
            self.suspended = True  # until the rebalance that follows is over
            raise NotOwner(str(error)) from error
        except Exception as error:
            raise FatalKafkaError(f"a commit of the journal ended unknown: {error!r}") from error


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
