"""Pure: the server side of a bind: an SMSC (or a front door) that an ESME binds to.

The owner decides what to accept and answers in any order; every token that `deliver` accepted ends in exactly one
`DeliverAnswered` or `DeliverUnknown`. Passwords are the owner's business; nothing is kept here.
"""

from typing import Final

from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, encode_body, response_to
from shared.smpp.config import SmscConfig
from shared.smpp.constants import RESPONSE_BIT, SmppCommand, SmppCommandStatus, command_name
from shared.smpp.errors import WrongState
from shared.smpp.events import (
    BindRequested,
    DeliverAnswered,
    DeliverUnknown,
    Event,
    LateResponse,
    LinkDead,
    RequestReceived,
    SubmitReceived,
    Token,
    UnknownReason,
)
from shared.smpp.hot import encode_short_message, encode_submit_sm_resp
from shared.smpp.session_core import PduSink, SessionCore
from shared.smpp.tlv import Tag, Tlv, integer_tlv
from shared.smpp.transitions import Role, SessionState, Trigger, may_request
from shared.smpp.window import InFlight

_GENERIC_NACK: Final = SmppCommand.GENERIC_NACK.value
_DELIVERY_STATES: Final = (SessionState.BOUND_RX, SessionState.BOUND_TRX)


class SmscSession(SessionCore[SmscConfig]):
    """One bind of an ESME at us. An ESME that has not bound after session_init_s is dropped."""

    role = Role.SMSC

    def __init__(self, config: SmscConfig, *, now: float, jitter: float = 0.0, trace: PduSink | None = None) -> None:
        super().__init__(config, now=now, jitter=jitter, trace=trace)
        self._bind_request: BindRequested | None = None
        if config.session_init_s > 0:
            self._state_deadline = now + config.session_init_s

    def accept_bind(self, now: float) -> None:
        """Answer `BindRequested` with ESME_ROK, our system_id and interface_version. Raises WrongState without one."""
        self._now = now
        asked = self._asked_to_bind()
        version = integer_tlv(Tag.SC_INTERFACE_VERSION, self.config.interface_version)
        # SMPP 3.3 knows no optional parameters (3.4 section 3.3: not to be sent to an ESME below 0x34).
        tlvs = (version,) if asked.pdu.interface_version >= 0x34 else ()
        self._enter_bound(asked.pdu.bind_mode)
        self._bind_response(asked, SmppCommandStatus.ESME_ROK, tlvs=tlvs)

    def refuse_bind(self, command_status: int, now: float) -> list[Event]:
        """Answer `BindRequested` with an error and end the session. Raises WrongState without one."""
        self._now = now
        self._bind_response(self._asked_to_bind(), command_status)
        events: list[Event] = []
        self._close(Trigger.BIND_FAILED, "bind_failed", events)
        return events

    def answer_submit(self, sequence_number: int, command_status: int = 0, message_id: str | None = None) -> bool:
        """Answer a `SubmitReceived`, in any order. False when nothing waits under this number (any more).

        message_id None leaves the body out, as section 4.4.2 has it for errors.
        """
        frame = encode_submit_sm_resp(sequence_number, command_status, message_id)
        response_id = self._take_unanswered(sequence_number)
        if response_id is None:
            return False
        self._write(frame)
        return True

    def answer(self, sequence_number: int, response: pdu.Body, command_status: int = 0) -> bool:
        """Answer a `RequestReceived` (or anything else that waits) with a response of its kind, or a GenericNack."""
        frame = encode_body(response, sequence_number, command_status)
        if self._take_unanswered(sequence_number) is None:
            return False
        self._write(frame)
        return True

    def deliver(self, token: Token, body: pdu.DeliverSm | pdu.DataSm, now: float) -> bool:
        """Put a deliver_sm or data_sm in flight.

        False, and nothing done: the ESME does not receive in this state, or the window is full. Raises UnencodablePdu,
        and nothing done, when the PDU cannot be framed.
        """
        window = self._window
        if window.free <= 0 or self.state not in _DELIVERY_STATES:
            return False
        self._now = now
        sequence_number = window.take_sequence_number()
        if isinstance(body, pdu.DeliverSm):
            frame = encode_short_message(body, sequence_number)
        else:
            frame = encode_body(body, sequence_number)
        window.add(sequence_number, token, body.command_id, now)
        self._write(frame)
        return True

    def alert(self, body: pdu.AlertNotification, now: float) -> bool:
        """Send an alert_notification, which has no answer. False when the ESME does not receive in this state."""
        if self.state not in _DELIVERY_STATES:
            return False
        self._now = now
        self._respond(body, self._window.take_sequence_number())
        return True

    def outbind(self, body: pdu.Outbind, now: float) -> None:
        """Ask the ESME to bind as a receiver; it answers with a bind request. Raises WrongState but in OPEN."""
        if self.state is not SessionState.OPEN:
            raise WrongState(f"outbind in state {self.state.value}")
        self._now = now
        self._respond(body, self._window.take_sequence_number())

    # ------------------------------------------------------------------------------------------------------- receiving

    def _asked_to_bind(self) -> BindRequested:
        if self._bind_request is None or self.state is not SessionState.BINDING:
            raise WrongState(f"no bind request waits in state {self.state.value}")
        return self._bind_request

    def _bind_response(self, asked: BindRequested, command_status: int, tlvs: tuple[Tlv, ...] = ()) -> None:
        body = pdu.bind_response_class(asked.pdu.bind_mode)(system_id=self.config.system_id, tlvs=tlvs)
        self._respond(body, asked.sequence_number, command_status)

    def _on_role_request(self, request: pdu.Pdu, events: list[Event]) -> None:
        body, sequence_number = request.body, request.sequence_number
        if isinstance(body, pdu.BindRequest):
            self._receive_bind(sequence_number, body, events)
        elif not isinstance(body, pdu.SmscRequest):
            self._respond(pdu.GenericNack(), sequence_number, SmppCommandStatus.ESME_RINVCMDID)
            detail = f"{command_name(body.command_id)} is not for an SMSC"
            self._complain("wrong_state", detail, body.command_id, sequence_number, events)
        elif not may_request(Role.ESME, body.command_id, self.state, self.bind_mode):
            self._respond(response_to(body.command_id), sequence_number, SmppCommandStatus.ESME_RINVBNDSTS)
            detail = f"{command_name(body.command_id)} in state {self.state.value}"
            self._complain("wrong_state", detail, body.command_id, sequence_number, events)
        elif self._unanswered_count >= self.config.unanswered_max:
            self._respond(response_to(body.command_id), sequence_number, SmppCommandStatus.ESME_RTHROTTLED)
            detail = f"more than {self.config.unanswered_max} unanswered"
            self._complain("over_limit", detail, body.command_id, sequence_number, events)
        else:
            self._expect_answer_of_owner(sequence_number, body.command_id | RESPONSE_BIT)
            if isinstance(body, pdu.SubmitSm):
                events.append(SubmitReceived(sequence_number, body, request.defects))
            else:
                events.append(RequestReceived(sequence_number, body, request.defects))

    def _receive_bind(self, sequence_number: int, body: pdu.BindRequest, events: list[Event]) -> None:
        if not may_request(Role.ESME, body.command_id, self.state, self.bind_mode):
            bound = self.is_bound
            status = SmppCommandStatus.ESME_RALYBND if bound else SmppCommandStatus.ESME_RINVBNDSTS
            self._respond(response_to(body.command_id), sequence_number, status)
            detail = f"{command_name(body.command_id)} in state {self.state.value}"
            self._complain("wrong_state", detail, body.command_id, sequence_number, events)
            return
        self._move(Trigger.BIND_REQUESTED)
        self._bind_request = BindRequested(sequence_number, body)
        events.append(self._bind_request)

    def _on_role_response(
        self, command_id: int, command_status: int, sequence_number: int, frame: bytes
    ) -> Event | None:
        response_id = None if command_id == _GENERIC_NACK else command_id
        request = self._window.answer(sequence_number, response_id)
        if request is not None:
            return DeliverAnswered(request.token, command_status, self._now - request.sent_at, sequence_number)
        late = self._window.forget_late(sequence_number, response_id)
        if late is None:
            return None
        return LateResponse(late.token, command_status, None, sequence_number)

    def _on_control_response(self, command_id: int, response: pdu.Pdu | UnparsablePdu, events: list[Event]) -> None:
        """An SMSC sends no bind requests, so nothing can answer one."""

    # ---------------------------------------------------------------------------------------------------------- timers

    def _unknown(self, request: InFlight, reason: UnknownReason) -> Event:
        return DeliverUnknown(request.token, reason)

    def _on_unbound_deadline(self, events: list[Event]) -> None:
        events.append(LinkDead("session_init"))
        self._close(Trigger.ENDED, "link_dead", events)
