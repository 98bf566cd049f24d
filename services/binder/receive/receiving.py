"""Edge: what the SMSC delivers: produced at once, answered when Kafka has it (architecture section 4, quirks Q53, Q54).

Pipelined: any number of deliver_sm is on the way to Kafka together, and each is answered by itself, in whatever order
the acknowledgements come. ESME_ROK only then; ESME_RX_T_APPN when Kafka has not answered in time, so that the SMSC
tries again. A record that is acknowledged after that stays: the repeat is recognised downstream.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from services.binder.outbox import Offsets, Outbox, Parcel
from services.binder.receive.received_record import Receiver, received_record
from services.binder.smpp.link import EsmeConnection
from shared.kafka.records import Out
from shared.process.clock import now_ms
from shared.smpp.constants import SmppCommandStatus
from shared.smpp.pdu import DataSm, DeliverSm

log = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 5.0
OUTSTANDING_MAX: Final = 20_000
"""Records not yet acknowledged by Kafka, over all binds: with more, deliver_sm is refused at once. Each connection
stops reading long before; this limits what repeats of refused ones can pile up during an outage."""

_ROK: Final = SmppCommandStatus.ESME_ROK.value
_TRY_AGAIN: Final = SmppCommandStatus.ESME_RX_T_APPN.value


@dataclass(slots=True)
class _Delivery:
    """One deliver_sm that waits for its answer."""

    connection: EsmeConnection
    sequence_number: int
    deadline_s: float
    answered: bool = False


class Receiving:
    """All deliver_sm of a process. A source of the outbox."""

    def __init__(self, outbox: Outbox, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._answer_within_s = answer_within_s
        self._outs: list[Out] = []
        self._fresh: list[_Delivery] = []
        self._unanswered: deque[_Delivery] = deque()
        self._outstanding = 0
        self._timer: asyncio.TimerHandle | None = None
        self.refused = 0
        outbox.add(self)

    def delivered(
        self, connection: EsmeConnection, sequence_number: int, pdu: DeliverSm | DataSm, receiver: Receiver
    ) -> None:
        """A deliver_sm or data_sm came: file it."""
        if self._outstanding >= OUTSTANDING_MAX:
            self.refused += 1
            connection.session.answer_deliver(sequence_number, _TRY_AGAIN)
            return
        self._outstanding += 1
        self._outs.append(received_record(pdu, receiver, now_ms()))
        delivery = _Delivery(connection, sequence_number, self._loop.time() + self._answer_within_s)
        self._fresh.append(delivery)
        self._unanswered.append(delivery)
        if self._timer is None:
            self._timer = self._loop.call_at(delivery.deadline_s, self._expire)
        self._outbox.poke()

    def collect(self) -> Parcel | None:
        if not self._outs:
            return None
        outs, self._outs = self._outs, []
        deliveries, self._fresh = self._fresh, []
        return Parcel(outs, lambda _: self._acknowledged(deliveries, _))

    def _acknowledged(self, deliveries: list[_Delivery], _: Offsets) -> None:
        self._outstanding -= len(deliveries)
        self._answer(deliveries, _ROK)

    def _answer(self, deliveries: list[_Delivery], command_status: int) -> None:
        moved: set[EsmeConnection] = set()
        now_s = self._loop.time()
        for delivery in deliveries:
            if not delivery.answered:
                delivery.answered = True
                delivery.connection.session.answer_deliver(delivery.sequence_number, command_status, now_s)
                moved.add(delivery.connection)
        for connection in moved:
            connection.wake()

    def _expire(self) -> None:
        """Refuse what is overdue; one timer for all, because they come in order of their deadlines."""
        now_s, late = self._loop.time(), []
        waiting = self._unanswered
        while waiting and (waiting[0].answered or waiting[0].deadline_s <= now_s):
            delivery = waiting.popleft()
            if not delivery.answered:
                late.append(delivery)
        if late:
            self.refused += len(late)
            log.warning("Kafka took longer than %g s: %d deliver_sm refused", self._answer_within_s, len(late))
            self._answer(late, _TRY_AGAIN)
        self._timer = self._loop.call_at(waiting[0].deadline_s, self._expire) if waiting else None
