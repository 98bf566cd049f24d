"""Edge: wiring of the correlator: two transactional stages, their state restored on assignment."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.groups import FOLD_GROUP, JOIN_GROUP
from schemas.topics import (
    FOLDS,
    INBOUND_PARTS,
    JOINS,
    MESSAGE_ID_FORMATS,
    MT_OUTCOMES,
    MT_REQUESTS,
    RECEIPTS,
    SEARCHES,
    SMSC_INBOUND,
    SUBMIT_RESULTS,
)
from services.correlator.fold.cycle import FoldCycle
from services.correlator.fold.partition import FoldPartition
from services.correlator.inbound.claims import Claims
from services.correlator.inbound.cycle import InboundCycle
from services.correlator.join.cycle import JoinCycle
from services.correlator.join.deadlines import BROKERS_APART_MS
from services.correlator.join.partition import JoinPartition
from services.correlator.state.changelog import Changelog, broker_count
from shared.kafka.errors import FatalKafkaError
from shared.kafka.records import Out
from shared.kafka.tables import TableReader
from shared.membership.frame import Application
from shared.membership.handler import StageConfig, StageHandler
from shared.membership.inheritance import Inherited
from shared.membership.stage import Stage
from shared.messages.connector_profile import profile_of
from shared.process.clock import monotonic_s, now_ms
from shared.process.learned_formats import LearnedFormats
from shared.process.service import Service, run_service

CADENCE_MS: Final = 200
"""Nobody waits for a receipt: fewer, fatter transactions."""
MAX_RECORDS: Final = 2_000
PROOF_RETRY_S: Final = 0.5
"""When the input of a due deadline was not read to its end, it is looked at again after this."""

JOIN: Final = StageConfig(
    JOIN_GROUP, (SUBMIT_RESULTS, RECEIPTS, SEARCHES, SMSC_INBOUND), CADENCE_MS, MAX_RECORDS, transactional=True
)
FOLD: Final = StageConfig(FOLD_GROUP, (MT_OUTCOMES,), CADENCE_MS, MAX_RECORDS, transactional=True)


class JoinHandler(StageHandler):
    """Step one, and the messages of handsets, over the partitions assigned to this process."""

    def __init__(self, service: Service, learned: LearnedFormats) -> None:
        self.stage: Final = Stage(service, JOIN, self)
        self._gateway: Final = service.gateway
        self._settings: Final = service.settings
        self._learned: Final = learned
        self._followed: tuple[str, int] | None = None
        self._partition_count: Final = service.control.partition_count
        self._cycle: Final = JoinCycle()
        self._inbound: Final = InboundCycle(service.events)
        self._changelog: Final = Changelog(
            service.settings,
            JOINS,
            self._cycle.partitions,
            lambda number: JoinPartition(number, service.events, self._cycle.rules, self._apart_ms),
            partial(service.progress, JOIN.group),
        )
        self._inbound_changelog: Final = Changelog(
            service.settings,
            INBOUND_PARTS,
            self._inbound.partitions,
            lambda number: self._inbound.make(number, self._apart_ms),
            partial(service.progress, JOIN.group),
        )
        self._watermarks: dict[TopicPartition, tuple[int, int]] = {}
        self._proof_at_s = 0.0
        self._apart_ms = BROKERS_APART_MS

    async def assigned(self, inherited: Inherited) -> None:
        partitions = inherited.partitions
        wanted = _numbers(partitions, SUBMIT_RESULTS)
        if any(wanted != _numbers(partitions, topic) for topic in (RECEIPTS, SEARCHES)):
            raise FatalKafkaError(
                f"{SUBMIT_RESULTS}, {RECEIPTS} and {SEARCHES} are not assigned alike: {sorted(partitions)}"
            )
        self._inbound.teller.request_partitions = await self._partition_count(MT_REQUESTS)
        self._apart_ms = BROKERS_APART_MS if await broker_count(self._settings) > 1 else 0
        await self._changelog.assigned(wanted)
        await self._inbound_changelog.assigned(_numbers(partitions, SMSC_INBOUND))

    async def revoked(self) -> None:
        self._watermarks.clear()
        await self._changelog.revoked()
        await self._inbound_changelog.revoked()

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        self._follow_rules()
        inbound = [record for record in records if record.topic == SMSC_INBOUND]
        outs = self._inbound.take(inbound, at_ms)
        outs += self._cycle.take([r for r in records if r.topic != SMSC_INBOUND] if inbound else records, at_ms)
        self._expire()
        await self._prove(at_ms)
        return outs + self._inbound.flush() + self._cycle.flush()

    def next_due_ms(self) -> int | None:
        times = [due for due in (self._cycle.next_due_ms(), self._inbound.next_due_ms()) if due is not None]
        due = min(times, default=None)
        return max(due, now_ms() + round((self._proof_at_s - monotonic_s()) * 1000)) if due else due

    def _expire(self) -> None:
        self._inbound.expire()
        self._cycle.expire()

    async def _prove(self, at_ms: int) -> None:
        """Ask the broker how far the log goes where only that can tell that no receipt in time is still to come.

        A watermark is kept until it is reached: under load there is always something behind it already.
        """
        if monotonic_s() >= self._proof_at_s and (inputs := self._unproven(at_ms)):
            self._proof_at_s = monotonic_s() + PROOF_RETRY_S
            fetched_at_ms = now_ms()
            ends = await self.stage.high_watermarks(inputs - self._watermarks.keys())
            self._watermarks |= {tp: (end, fetched_at_ms) for tp, end in ends.items()}
        for tp, (end, fetched_at_ms) in list(self._watermarks.items()):
            if await self.stage.position(tp) >= end:
                del self._watermarks[tp]
                if tp.topic == SMSC_INBOUND:
                    self._inbound.read_to_watermark(tp.partition, fetched_at_ms)
                else:
                    self._cycle.read_to_watermark(tp.topic, tp.partition, fetched_at_ms)
        self._expire()

    def _unproven(self, at_ms: int) -> set[TopicPartition]:
        """The inputs whose high watermarks would decide something that is due."""
        receipts = {TopicPartition(t, n) for n in self._cycle.unproven(at_ms) for t in (RECEIPTS, SUBMIT_RESULTS)}
        return receipts | {TopicPartition(SMSC_INBOUND, number) for number in self._inbound.unproven(at_ms)}

    def _follow_rules(self) -> None:
        now = self._gateway.hash, self._learned.version
        if now == self._followed:
            return
        self._followed = now
        connectors = self._gateway.connectors
        if self._cycle.rules.adopt(connectors, self._learned.formats):
            self._cycle.reconsider()
        self._inbound.profiles = {name: profile_of(connector.options) for name, connector in connectors.items()}
        applied = self._gateway.applied
        self._inbound.teller.claims = Claims(applied.gateway.accounts if applied else ())
        self._inbound.timeouts_ms = {
            name: round(connector.options.inbound_timeout_s * 1000) for name, connector in connectors.items()
        }


class FoldHandler(StageHandler):
    """Step two over the partitions assigned to this process."""

    def __init__(self, service: Service) -> None:
        self.stage: Final = Stage(service, FOLD, self)
        self._cycle: Final = FoldCycle()
        self._changelog: Final = Changelog(
            service.settings,
            FOLDS,
            self._cycle.partitions,
            lambda number: FoldPartition(number, service.events),
            partial(service.progress, FOLD.group),
        )

    async def assigned(self, inherited: Inherited) -> None:
        await self._changelog.assigned(_numbers(inherited.partitions, MT_OUTCOMES))

    async def revoked(self) -> None:
        await self._changelog.revoked()

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        outs = self._cycle.take(records, at_ms)
        return outs + self._cycle.flush(at_ms)

    def next_due_ms(self) -> int | None:
        return self._cycle.next_due_ms()


def _numbers(partitions: Iterable[TopicPartition], topic: str) -> set[int]:
    return {tp.partition for tp in partitions if tp.topic == topic}


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """The two steps."""
    learned = LearnedFormats()
    tables = TableReader(app.service.settings, {MESSAGE_ID_FORMATS: learned.read}, app.service.fail)
    await tables.start()
    try:
        app.add(JoinHandler(app.service, learned).stage)
        app.add(FoldHandler(app.service).stage)
        yield
    finally:
        await tables.stop()


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services correlator`; returns the exit code."""
    return run_service("correlator", run)
