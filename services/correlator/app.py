"""Edge: wiring of the correlator: two transactional stages, their state restored on assignment."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.groups import FOLD_GROUP, JOIN_GROUP
from schemas.topics import FOLDS, JOINS, MT_OUTCOMES, RECEIPTS, SMSC_INBOUND, SUBMIT_RESULTS
from services.correlator.fold.cycle import FoldCycle
from services.correlator.fold.partition import FoldPartition
from services.correlator.join.cycle import JoinCycle
from services.correlator.join.deadlines import BROKERS_APART_MS
from services.correlator.join.partition import JoinPartition
from services.correlator.join.receipt_states import upper_map
from services.correlator.state.changelog import Changelog, broker_count
from shared.kafka.errors import FatalKafkaError
from shared.kafka.records import Out
from shared.membership.frame import Application
from shared.membership.handler import StageConfig, StageHandler
from shared.membership.stage import Stage
from shared.messages.connector_profile import profile_of
from shared.process.clock import monotonic_s, now_ms
from shared.process.service import Service, run_service

CADENCE_MS: Final = 200
"""Nobody waits for a receipt: fewer, fatter transactions."""
MAX_RECORDS: Final = 2_000
PROOF_RETRY_S: Final = 0.5
"""When the receipts of a due deadline were not read to their end, it is looked at again after this."""

JOIN: Final = StageConfig(
    JOIN_GROUP, (SUBMIT_RESULTS, RECEIPTS, SMSC_INBOUND), CADENCE_MS, MAX_RECORDS, transactional=True
)
FOLD: Final = StageConfig(FOLD_GROUP, (MT_OUTCOMES,), CADENCE_MS, MAX_RECORDS, transactional=True)


class JoinHandler(StageHandler):
    """Step one over the partitions assigned to this process."""

    def __init__(self, service: Service) -> None:
        self.stage: Final = Stage(service, JOIN, self)
        self._gateway: Final = service.gateway
        self._settings: Final = service.settings
        self._config_hash = ""
        self._cycle: Final = JoinCycle(service.events)
        self._changelog: Final = Changelog(
            service.settings,
            JOINS,
            self._cycle.partitions,
            lambda number: JoinPartition(number, service.events, self._apart_ms),
            partial(service.progress, JOIN.group),
        )
        self._watermarks: dict[TopicPartition, tuple[int, int]] = {}
        self._proof_at_s = 0.0
        self._apart_ms = BROKERS_APART_MS

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        wanted = _numbers(partitions, SUBMIT_RESULTS)
        if wanted != _numbers(partitions, RECEIPTS):
            raise FatalKafkaError(f"{SUBMIT_RESULTS} and {RECEIPTS} are not assigned alike: {sorted(partitions)}")
        self._apart_ms = BROKERS_APART_MS if await broker_count(self._settings) > 1 else 0
        await self._changelog.assigned(wanted)

    async def revoked(self) -> None:
        self._watermarks.clear()
        await self._changelog.revoked()

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        self._follow_config()
        outs = self._cycle.take(records, at_ms)
        self._cycle.expire()
        await self._prove(at_ms)
        return outs + self._cycle.flush()

    def next_due_ms(self) -> int | None:
        due = self._cycle.next_due_ms()
        return max(due, now_ms() + round((self._proof_at_s - monotonic_s()) * 1000)) if due else due

    async def _prove(self, at_ms: int) -> None:
        """Ask the broker how far the log goes where only that can tell that no receipt in time is still to come.

        A watermark is kept until it is reached: under load there is always something behind it already.
        """
        if monotonic_s() >= self._proof_at_s and (unproven := self._cycle.unproven(at_ms)):
            self._proof_at_s = monotonic_s() + PROOF_RETRY_S
            fetched_at_ms = now_ms()
            inputs = {TopicPartition(topic, number) for topic in (RECEIPTS, SUBMIT_RESULTS) for number in unproven}
            ends = await self.stage.high_watermarks(inputs - self._watermarks.keys())
            self._watermarks |= {tp: (end, fetched_at_ms) for tp, end in ends.items()}
        for tp, (end, fetched_at_ms) in list(self._watermarks.items()):
            if await self.stage.position(tp) >= end:
                del self._watermarks[tp]
                self._cycle.read_to_watermark(tp.topic, tp.partition, fetched_at_ms)
        self._cycle.expire()

    def _follow_config(self) -> None:
        if self._gateway.hash == self._config_hash:
            return
        self._config_hash = self._gateway.hash
        connectors = self._gateway.connectors
        self._cycle.receipt_maps = {
            name: upper_map(connector.options.receipt_map)
            for name, connector in connectors.items()
            if connector.options.receipt_map
        }
        self._cycle.profiles = {name: profile_of(connector.options) for name, connector in connectors.items()}


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

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        await self._changelog.assigned(_numbers(partitions, MT_OUTCOMES))

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
    app.add(JoinHandler(app.service).stage)
    app.add(FoldHandler(app.service).stage)
    yield


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services correlator`; returns the exit code."""
    return run_service("correlator", run)
