"""Edge: ingress as a process: two stages over the same decisions, one for everything and one for one-time passwords.

`mt.requests.otp` has a consumer of its own without cadence, so that a password never waits behind a campaign.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiokafka import ConsumerRecord

from schemas.groups import INGRESS_GROUP, INGRESS_OTP_GROUP
from schemas.topics import (
    CONFIG_OPTOUTS,
    INGRESS_KEYS,
    INGRESS_KEYS_OTP,
    MT_DUE,
    MT_REQUESTS,
    MT_REQUESTS_OTP,
    MT_REROUTES,
)
from services.ingress.decision import RequestDecider
from services.ingress.opt_outs import OptOuts
from services.ingress.own_output import DecidedByIngress
from services.ingress.rerouting import RerouteDecider
from services.ingress.restore import read_keys, read_own_output, require_log_append_time
from services.ingress.scheduling import DueDecider
from shared.kafka.records import Out
from shared.kafka.tables import TableReader
from shared.membership.frame import Application
from shared.membership.handler import StageConfig, StageHandler
from shared.membership.inheritance import Inherited
from shared.membership.mistakes import Mistakes
from shared.membership.replay_guard import ReplayProgress, replay_ranges
from shared.membership.stage import Stage
from shared.messages.country import CountryTable, country_table
from shared.messages.idempotency import KeyStore
from shared.messages.routing import GatewayView
from shared.process.clock import monotonic_s
from shared.process.service import Service, run_service
from shared.process.yielding import Yielding

CADENCE_MS: Final = 40
"""`txn` passes here: longer would be felt, and shorter costs a millisecond of CPU per handful of records."""

OTP_CADENCE_MS: Final = 10
"""Under load only: the first OTP after a pause is not held up, and a stream of them is no stream of round trips."""


@dataclass(frozen=True, slots=True)
class _Flow:
    """One of the two ways in."""

    group: str
    requests: str
    keys: str
    cadence_ms: int
    returns: tuple[str, ...] = ()
    """Topics of messages that were decided about before."""


FLOWS: Final = (
    _Flow(INGRESS_GROUP, MT_REQUESTS, INGRESS_KEYS, CADENCE_MS, (MT_REROUTES, MT_DUE)),
    _Flow(INGRESS_OTP_GROUP, MT_REQUESTS_OTP, INGRESS_KEYS_OTP, OTP_CADENCE_MS),
)


class IngressHandler(StageHandler):
    """Feeds the records of one flow to the deciders, and restores what they know on every assignment."""

    def __init__(
        self,
        service: Service,
        flow: _Flow,
        partitions: int,
        countries: CountryTable,
        opt_outs: OptOuts,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        self._clock = clock
        self._service = service
        self._flow = flow
        self._progress = partial(service.progress, flow.group)
        self._own = DecidedByIngress()
        self._applied = service.gateway.applied
        view = GatewayView(self._applied)
        self._requests = RequestDecider(service.events, flow.requests, partitions, countries, opt_outs, self._own, view)
        self._reroutes = RerouteDecider(service.events, self._own, view)
        self._due = DueDecider(service.events, opt_outs, self._own, view)
        self._deciders = {MT_REROUTES: self._reroutes.decide, MT_DUE: self._due.decide}
        self._keys_read: dict[int, int] = {}
        self._replaying = ReplayProgress()
        self._mistakes = Mistakes(service, flow.group)

    async def assigned(self, inherited: Inherited) -> None:
        await self._restore_keys({tp.partition for tp in inherited.partitions if tp.topic == self._flow.requests})
        self._mistakes.resume(inherited.marks.values())
        ranges = await replay_ranges(self._service.settings, inherited, self._progress)
        self._own.forget()
        self._replaying.begin(ranges)
        if ranges:
            since_ms = min(one.since_ms for one in ranges.values())
            await read_own_output(self._service.settings, self._flow.requests, since_ms, self._own, self._progress)

    async def _restore_keys(self, held: set[int]) -> None:
        """Keys of partitions that were held before are read on from where they were read to."""
        stores = self._requests.keys
        for partition in stores.keys() - held:
            del stores[partition]
            self._keys_read.pop(partition, None)
        for partition in sorted(held):
            store = stores.setdefault(partition, KeyStore())
            self._keys_read[partition] = await read_keys(
                self._service.settings,
                self._flow.keys,
                partition,
                store,
                self._keys_read.get(partition),
                self._progress,
            )

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        self._follow_configuration()
        outs: list[Out] = []
        turns = Yielding(self._clock, self._progress)
        for record in records:
            await turns.give()
            outs += self._decide(record, at_ms)
        if self._replaying:
            self._replaying.handled(records)
            if not self._replaying:
                self._own.forget()
        return outs

    def _decide(self, record: ConsumerRecord, at_ms: int) -> list[Out]:
        """Deciders do not raise. Should one do so all the same, its record must not stop those behind it."""
        decide = self._deciders.get(record.topic, self._requests.decide)
        try:
            outs = decide(record, at_ms)
        except MemoryError:
            raise
        except Exception as error:
            return [self._mistakes.dead_letter(record, error, at_ms)]
        self._mistakes.decided()
        return outs

    def _follow_configuration(self) -> None:
        applied = self._service.gateway.applied
        if applied is not self._applied:
            self._applied = applied
            self._requests.view = self._reroutes.view = self._due.view = GatewayView(applied)

    def mistakes_in_a_row(self) -> int:
        return self._mistakes.in_a_row


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """The opt-outs, read and followed, and the two stages."""
    service = app.service
    await require_log_append_time(service.settings, [flow.requests for flow in FLOWS])
    opt_outs = OptOuts()
    tables = {CONFIG_OPTOUTS: lambda record: opt_outs.apply(record.key, record.value)}
    table = TableReader(service.settings, tables, service.fail)
    await table.start()
    try:
        countries = country_table()
        for flow in FLOWS:
            app.add(await _stage(service, flow, countries, opt_outs))
        yield
    finally:
        await table.stop()


async def _stage(service: Service, flow: _Flow, countries: CountryTable, opt_outs: OptOuts) -> Stage:
    partitions = await service.control.partition_count(flow.requests)
    handler = IngressHandler(service, flow, partitions, countries, opt_outs)
    return Stage(service, StageConfig(flow.group, (flow.requests, *flow.returns), flow.cadence_ms), handler)


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services ingress`; returns the exit code."""
    return run_service("ingress", run)
