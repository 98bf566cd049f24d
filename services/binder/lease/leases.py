"""Edge: all leases of this process: those of the partitions it owns, and earlier ones that still drain."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka import TopicPartition

from schemas.commit_marks import BinderMark
from schemas.gateway.connectors.kinds import Connector
from schemas.topics import dispatch_topic
from services.binder.context import BinderContext
from services.binder.kinds import unknown_connector
from services.binder.lease.board import BindPlace
from services.binder.lease.machine import LeaseEvent
from services.binder.lease.wanted import is_wanted
from services.binder.lease.worker import LeaseWorker
from shared.process.clock import monotonic_s, now_ms
from shared.process.gateway import GatewayTable

DISPATCH_PREFIX: Final = dispatch_topic("")


def connector_of(tp: TopicPartition) -> str:
    """The connector of a dispatch partition."""
    return str(tp.topic).removeprefix(DISPATCH_PREFIX)


class Leases:
    """`held`: by partition, what this process owns. `unfinished`: removed connectors whose time is over, and of which
    something is left.
    """

    def __init__(self, gateway: GatewayTable, context: BinderContext) -> None:
        self._gateway = gateway
        self._context = context
        self._ending: list[LeaseWorker] = []
        self.held: dict[TopicPartition, LeaseWorker] = {}
        self.unfinished: frozenset[str] = frozenset()

    @property
    def all(self) -> tuple[LeaseWorker, ...]:
        return (*self.held.values(), *self._ending)

    # -- rebalances --------------------------------------------------------------------------------------------------

    def withdraw(self) -> None:
        """A rebalance began, and everything that could be committed is."""
        for worker in self.held.values():
            worker.withdraw()

    def let_go(self, partitions: Iterable[TopicPartition]) -> None:
        """These are no longer ours: their leases finish what they have begun."""
        lost = [self.held.pop(tp) for tp in partitions]
        self._ending += lost
        for worker in lost:
            worker.apply(LeaseEvent.LOST)

    def begin(self, marks: Mapping[TopicPartition, tuple[BinderMark, int]]) -> None:
        """These are ours from now on; the marks, with the committed offsets, are what their last owners left."""
        for tp, (found, committed) in marks.items():
            connector = self._gateway.connector(connector_of(tp))
            self.held[tp] = LeaseWorker(
                tp,
                connector or unknown_connector(connector_of(tp)),
                found,
                committed,
                self._context,
                wanted=self._wanted(tp, connector),
                predecessor=next((worker for worker in reversed(self._ending) if worker.tp == tp), None),
            )

    def finish(self) -> None:
        """This process stops: finish every window, unbind, release."""
        for worker in self.held.values():
            worker.apply(LeaseEvent.STOPPING)

    @property
    def drain_timeout_s(self) -> float:
        """How long finishing their windows may take."""
        return max((worker.channel.drain_timeout_s for worker in self.all), default=0.0)

    def awaited(self) -> dict[str, int]:
        """Segments on their way, whose answers are awaited, by connector; those with none are left out."""
        found: dict[str, int] = {}
        for worker in self.all:
            if count := worker.submitter.segments.in_flight:
                found[worker.place[0]] = found.get(worker.place[0], 0) + count
        return found

    @property
    def over(self) -> bool:
        """Whether every lease has let go."""
        return all(worker.gone for worker in self.all)

    async def stop(self) -> None:
        """End at once: nothing is finished or told."""
        await asyncio.gather(*(worker.stop() for worker in self.all))

    # -- what may have changed ---------------------------------------------------------------------------------------

    def configure(self) -> None:
        """The configuration was applied anew, or what is left of a removed connector is known anew."""
        for tp, worker in list(self.held.items()):
            connector = self._gateway.connector(connector_of(tp))
            if connector is None:  # it is not known any more
                worker.apply(LeaseEvent.UNWANTED)
            else:
                worker.configure(connector, wanted=self._wanted(tp, connector))

    def _wanted(self, tp: TopicPartition, connector: Connector | None) -> bool:
        draining = self._gateway.draining(connector_of(tp))
        return is_wanted(connector, draining, tp.partition, now_ms(), unfinished=self.unfinished)

    def check_free(self, place: BindPlace | None = None) -> None:
        """Something may have changed about who holds the bind of `place`, or any bind."""
        for worker in list(self.held.values()):
            if place is None or worker.place == place:
                worker.check_free()

    def advance(self) -> None:
        """Look at everything; first of all whether others may take this process for dead."""
        self._ending = [worker for worker in self._ending if not worker.gone]
        silent = self._context.watch.must_drop(monotonic_s())
        for worker in self.all:
            if silent:
                worker.apply(LeaseEvent.SILENT)
            else:
                worker.submitter.advance()
        self._context.watch.dropped()
