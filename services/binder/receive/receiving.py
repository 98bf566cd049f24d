"""Edge: what the other side delivers: produced at once, answered when Kafka has it (quirks Q53, Q54).

Pipelined: any number of deliveries is on the way to Kafka together, and each is answered by itself, in whatever order
the acknowledgements come. "Taken" only then; "not now" when Kafka has not answered in time, so that the other side
tries again. A record that is acknowledged after that stays: the repeat is recognised downstream.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from services.binder.outbox import FirstOffsets, Outbox, Parcel
from shared.kafka.records import Out

log = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 5.0
OUTSTANDING_MAX: Final = 20_000
"""Records not yet acknowledged by Kafka, over all binds: with more, deliveries are refused at once. Each connection
stops reading long before; this limits what repeats of refused ones can pile up during an outage."""


class Deliverer(Protocol):
    """A connection over which something was delivered."""

    def answer(self, reference: int, now_s: float, *, taken: bool) -> None:
        """Answer the delivery `reference`: taken, or to be tried again. `wake` sends."""

    def wake(self) -> None: ...


@dataclass(slots=True)
class _Delivery:
    """One delivery that waits for its answer."""

    deliverer: Deliverer
    reference: int
    deadline_s: float
    answered: bool = False


class Receiving:
    """All deliveries of a process. A source of the outbox."""

    def __init__(self, outbox: Outbox, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._answer_within_s = answer_within_s
        self._outs: list[Out] = []
        self._fresh: list[_Delivery] = []
        self._unanswered: deque[_Delivery] = deque()
        self._outstanding = 0
        self._timer: asyncio.TimerHandle | None = None
        outbox.add(self)

    def is_full(self) -> bool:
        """Whether the next delivery must be refused."""
        return self._outstanding >= OUTSTANDING_MAX

    def delivered(self, deliverer: Deliverer, reference: int, out: Out) -> None:
        """`out` is the record of what came: produce it, then answer."""
        self._outstanding += 1
        self._outs.append(out)
        delivery = _Delivery(deliverer, reference, self._loop.time() + self._answer_within_s)
        self._fresh.append(delivery)
        self._unanswered.append(delivery)
        if self._timer is None:
            self._timer = self._loop.call_at(delivery.deadline_s, self._expire)
        self._outbox.wake()

    def collect(self) -> Parcel | None:
        if not self._outs:
            return None
        outs, self._outs = self._outs, []
        deliveries, self._fresh = self._fresh, []
        return Parcel(outs, lambda _: self._acknowledged(deliveries, _))

    def _acknowledged(self, deliveries: list[_Delivery], _: FirstOffsets) -> None:
        self._outstanding -= len(deliveries)
        self._answer(deliveries, taken=True)

    def _answer(self, deliveries: list[_Delivery], *, taken: bool) -> None:
        moved: set[Deliverer] = set()
        now_s = self._loop.time()
        for delivery in deliveries:
            if not delivery.answered:
                delivery.answered = True
                delivery.deliverer.answer(delivery.reference, now_s, taken=taken)
                moved.add(delivery.deliverer)
        for deliverer in moved:
            deliverer.wake()

    def _expire(self) -> None:
        """Refuse what is overdue; one timer for all, because they come in order of their deadlines."""
        now_s, late = self._loop.time(), []
        waiting = self._unanswered
        while waiting and (waiting[0].answered or waiting[0].deadline_s <= now_s):
            delivery = waiting.popleft()
            if not delivery.answered:
                late.append(delivery)
        if late:
            log.warning("Kafka took longer than %g s: %d deliveries refused", self._answer_within_s, len(late))
            self._answer(late, taken=False)
        self._timer = self._loop.call_at(waiting[0].deadline_s, self._expire) if waiting else None
