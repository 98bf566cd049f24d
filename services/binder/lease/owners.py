"""Edge: hears of the other owners of binds: their beats, and what they say of their leases."""

from collections.abc import Callable
from typing import Final

from aiokafka import ConsumerRecord

from schemas.service_states import ServiceState
from services.binder.lease.board import StateBoard
from services.binder.lease.leases import Leases
from services.binder.lease.watch import Watch
from shared.process.clock import monotonic_s

SERVICE: Final = "binder"


class OwnerTables:
    """Feeds the watch with the records of `service.states` and `connector.states`, and the leases with what follows.

    `made_s` tells when this process made a beat of its own, on its monotonic clock; None for one that it did not make.
    """

    def __init__(self, watch: Watch, board: StateBoard, leases: Leases, made_s: Callable[[int], float | None]) -> None:
        self._made_s = made_s
        self._watch = watch
        self._board = board
        self._leases = leases

    def lease_read(self, record: ConsumerRecord) -> None:
        """A record of `connector.states`."""
        place = self._board.read(record)
        last = self._board.last(place)
        if last is not None:
            self._watch.wrote(last.owner, monotonic_s())
        self._leases.check_free(place)

    def beat_read(self, record: ConsumerRecord) -> None:
        """A record of `service.states`."""
        service, _, owner = (record.key or b"").decode().partition("|")
        if service != SERVICE:
            return
        if owner != self._watch.owner:
            self._watch.beat(owner, monotonic_s())
        elif record.value is not None:
            made_s = self._made_s(ServiceState.from_json(record.value).beat_at_ms)
            if made_s is None:  # an earlier process had this number
                return
            self._watch.own_beat(made_s)
            if self._watch.must_drop(monotonic_s()):
                self._leases.advance()  # at once: the next beat would make it look as if nothing had been
            self._leases.check_free()
