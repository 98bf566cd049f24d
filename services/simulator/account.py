"""Edge: one system_id at work: its binds, the deliver_sm that wait for one, and what has been counted."""

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TypeAlias

from services.simulator import scenario
from services.simulator.behaviour import Behaviour, Throttle
from services.simulator.recent import RecentMessages
from services.simulator.session import SimulatorSession
from shared.smpp.constants import BindMode, SmppCommandStatus
from shared.smpp.server_session import SmscSession
from shared.smpp.transport import Connection

SmscConnection: TypeAlias = Connection[SmscSession]

_ROK = SmppCommandStatus.ESME_ROK.value
_RX_T_APPN = SmppCommandStatus.ESME_RX_T_APPN.value


@dataclass(eq=False, slots=True)
class Delivery:
    """A deliver_sm on its way to the ESME, by the octets of its body. is_settled: answered for good, maybe late."""

    octets: bytes
    account: "SimulatedAccount"
    is_mo: bool = False
    is_settled: bool = False


@dataclass(eq=False, slots=True)
class PeerLink:
    """One bind. `submits` counts what was received on it."""

    connection: SmscConnection
    session: SimulatorSession
    account: "SimulatedAccount"
    bind_mode: BindMode
    submits: int = 0


@dataclass(slots=True)
class Counts:
    """What happened since the start, by account."""

    accepted: int = 0
    unanswered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    receipts_sent: int = 0
    receipts_acknowledged: int = 0
    mo_sent: int = 0
    mo_acknowledged: int = 0
    redelivered: int = 0
    given_up: int = 0
    binds_refused: Counter[int] = field(default_factory=Counter)


class SimulatedAccount:
    """The state behind one system_id that has bound at least once."""

    def __init__(self, system_id: str, rule: scenario.AccountScenario, seed: int) -> None:
        self.system_id = system_id
        self.rule = rule
        self.behaviour = Behaviour.of(rule)
        self.throttle = Throttle(rule.tps)
        # A text seed is hashed the same way in every process, so a run can be repeated account by account.
        self.draw = random.Random(f"{seed}/{system_id}").random
        self.counts = Counts()
        self.recent = RecentMessages()
        self.links: list[PeerLink] = []
        self.queue: deque[Delivery] = deque()
        self.mo_started = False
        self._receivers: list[PeerLink] = []
        self._turn = 0

    # ------------------------------------------------------------------------------------------------------- binds

    def refusal(self, bind_mode: BindMode, password: str, wanted_password: str | None) -> int:
        """The command_status that refuses this bind; 0 = accepted. A transmitter and a receiver count as one bind."""
        rule = self.rule
        if wanted_password is not None and password != wanted_password:
            return SmppCommandStatus.ESME_RINVPASWD
        if rule.refuse_binds is not None:
            return rule.refuse_binds
        if rule.max_binds is not None and self._binds_with(bind_mode) > rule.max_binds:
            return rule.max_binds_status
        return _ROK

    def _binds_with(self, bind_mode: BindMode) -> int:
        modes = Counter((bind_mode, *(link.bind_mode for link in self.links)))
        return modes[BindMode.TRANSCEIVER] + max(modes[BindMode.TRANSMITTER], modes[BindMode.RECEIVER])

    def add_link(self, link: PeerLink) -> None:
        """A bind was accepted."""
        link.session.resize_window(self.rule.receipts.window)
        self.links.append(link)
        if link.bind_mode.receives:
            self._receivers.append(link)

    def remove_link(self, link: PeerLink) -> None:
        """A bind has ended."""
        self.links.remove(link)
        if link in self._receivers:
            self._receivers.remove(link)

    # -------------------------------------------------------------------------------------------------- deliver_sm

    def enqueue(self, delivery: Delivery) -> None:
        """Keep a deliver_sm for `pump`; above queue_max it is given up."""
        if len(self.queue) >= self.rule.receipts.queue_max:
            self.counts.given_up += 1
            return
        self.queue.append(delivery)

    def pump(self, now: float) -> None:
        """Send what waits, turn by turn over the binds that receive and have room in their window."""
        queue, counts = self.queue, self.counts
        while queue:
            delivery = queue.popleft()
            if delivery.is_settled:
                continue
            if not self._send(delivery, now):
                queue.appendleft(delivery)
                return
            if delivery.is_mo:
                counts.mo_sent += 1
            else:
                counts.receipts_sent += 1

    def _send(self, delivery: Delivery, now: float) -> bool:
        """Give it to the next bind that takes it; False when none does."""
        receivers = self._receivers
        for _ in receivers:
            self._turn += 1
            link = receivers[self._turn % len(receivers)]
            if link.session.deliver_octets(delivery, delivery.octets, now):
                link.connection.wake()
                return True
        return False

    def on_delivery_answer(self, delivery: Delivery, command_status: int) -> bool:
        """Count a deliver_sm_resp. True when the deliver_sm must be sent again later."""
        if command_status == _RX_T_APPN:
            return True
        if delivery.is_settled:
            return False
        delivery.is_settled = True
        if command_status != _ROK:
            self.counts.given_up += 1
        elif delivery.is_mo:
            self.counts.mo_acknowledged += 1
        else:
            self.counts.receipts_acknowledged += 1
        return False
