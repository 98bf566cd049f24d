"""Pure: the client side of a bind: an ESME that submits, is delivered to, and survives its SMSC.

Promise: every token that `submit` or `request` accepted ends in exactly one `SubmitAnswered`, `RequestAnswered` or
`SubmitUnknown`. Throttling statuses are answers like any other; what follows from them is decided elsewhere (Q16-Q18).
"""

from typing import Final

from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, decode_frame, encode_body, response_to
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import RESPONSE_BIT, SmppCommand, SmppCommandStatus, command_name
from shared.smpp.errors import WrongState
from shared.smpp.events import (
    AlertReceived,
    BindFailed,
    BindFailure,
    Bound,
    DeliverReceived,
    Event,
    LateResponse,
    OutbindReceived,
    RequestAnswered,
    SubmitAnswered,
    SubmitUnknown,
    Token,
    UnknownReason,
)
from shared.smpp.hot import decode_message_id, encode_deliver_sm_resp, encode_short_message
from shared.smpp.session_core import SessionCore
from shared.smpp.tlv import Tag, integer
from shared.smpp.transitions import Role, SessionState, Trigger, may_request
from shared.smpp.window import InFlight

_SUBMIT_SM: Final = SmppCommand.SUBMIT_SM.value
_SUBMIT_SM_RESP: Final = SmppCommand.SUBMIT_SM_RESP.value
_GENERIC_NACK: Final = SmppCommand.GENERIC_NACK.value


def bind_request(config: EsmeConfig) -> pdu.BindRequest:
    """The request that `EsmeSession.bind` sends."""
    return pdu.bind_request_class(config.bind_mode)(
        system_id=config.system_id,
        password=config.password,
        system_type=config.system_type,
        interface_version=config.interface_version,
        addr_ton=config.addr_ton,
        addr_npi=config.addr_npi,
        address_range=config.address_range,
    )


class EsmeSession(SessionCore[EsmeConfig]):
    """One bind of ours at an SMSC."""

    role = Role.ESME

    def bind(self, now: float, within_s: float | None = None) -> None:
        """Ask for the bind; `Bound` or `BindFailed` follows within `within_s`, bind_timeout_s unless given.

        Raises WrongState but in OPEN, and UnencodablePdu for credentials that cannot be framed; nothing is done then.
        """
        request = bind_request(self.config)
        sequence_number = self._window.take_sequence_number()
        frame = encode_body(request, sequence_number)
        self._move(Trigger.BIND_REQUESTED)
        self._now = now
        self._window.add_control(sequence_number, request.command_id)
        self._write(frame)
        self._state_deadline = now + (self.config.bind_timeout_s if within_s is None else within_s)

    def submit(self, token: Token, submit_sm: pdu.SubmitSm, now: float) -> bool:
        """Put a submit_sm in flight.

        False, and nothing done: the session may not submit in its state, or the window is full. Raises UnencodablePdu,
        and nothing done, when the PDU cannot be framed.
        """
        window = self._window
        if window.free <= 0 or self.state not in (SessionState.BOUND_TX, SessionState.BOUND_TRX):
            return False
        self._now = now
        sequence_number = window.take_sequence_number()
        frame = encode_short_message(submit_sm, sequence_number)
        window.add(sequence_number, token, _SUBMIT_SM, now)
        self._write(frame)
        return True

    def request(self, token: Token, body: pdu.SmscRequest, now: float) -> bool:
        """As `submit`, for any request that an ESME may make of an SMSC; ends in `RequestAnswered`."""
        if isinstance(body, pdu.SubmitSm):
            return self.submit(token, body, now)
        if not self.window_free or not may_request(Role.ESME, body.command_id, self.state, self.bind_mode):
            return False
        self._now = now
        sequence_number = self._window.take_sequence_number()
        frame = encode_body(body, sequence_number)
        self._window.add(sequence_number, token, body.command_id, now)
        self._write(frame)
        return True

    def answer_deliver(self, sequence_number: int, command_status: int = 0, now: float | None = None) -> bool:
        """Answer a `DeliverReceived`, in any order. False when nothing waits under this number (any more).

        `now` is for the trace alone; None: as when something was received or sent last.
        """
        if now is not None:
            self._now = now
        response_id = self._take_unanswered(sequence_number)
        if response_id is None:
            return False
        self._write(encode_deliver_sm_resp(sequence_number, command_status, response_id))
        return True

    # ------------------------------------------------------------------------------------------------------- receiving

    def _on_role_response(
        self, command_id: int, command_status: int, sequence_number: int, frame: bytes
    ) -> Event | None:
        request = self._window.answer(sequence_number, None if command_id == _GENERIC_NACK else command_id)
        if request is None:
            return self._late_response(command_id, command_status, sequence_number, frame)
        if command_id == _SUBMIT_SM_RESP:
            message_id, tlvs = decode_message_id(frame)
        elif request.response_id == _SUBMIT_SM_RESP:
            message_id, tlvs = None, ()
        else:
            response = decode_frame(frame)
            body = response.body if not isinstance(response, UnparsablePdu) else None
            return RequestAnswered(request.token, command_status, body, self._now - request.sent_at, sequence_number)
        response_time_s = self._now - request.sent_at
        return SubmitAnswered(request.token, command_status, message_id, response_time_s, sequence_number, tlvs)

    def _late_response(self, command_id: int, command_status: int, sequence_number: int, frame: bytes) -> Event | None:
        late = self._window.forget_late(sequence_number, None if command_id == _GENERIC_NACK else command_id)
        if late is None:
            return None
        message_id = decode_message_id(frame)[0] if command_id == _SUBMIT_SM_RESP else None
        return LateResponse(late.token, command_status, message_id, sequence_number)

    def _on_control_response(self, command_id: int, response: pdu.Pdu | UnparsablePdu, events: list[Event]) -> None:
        if self.state is not SessionState.BINDING:
            return
        status = response.command_status
        if command_id == _GENERIC_NACK:
            self._bind_failed("generic_nack", status, events)
        elif status != SmppCommandStatus.ESME_ROK:
            self._bind_failed("refused", status, events)
        else:
            self._enter_bound(self.config.bind_mode)
            body = response.body if isinstance(response, pdu.Pdu) else None
            system_id = body.system_id if isinstance(body, pdu.BindResponse) else ""
            version = integer(body.tlvs, Tag.SC_INTERFACE_VERSION) if body is not None else None
            events.append(Bound(system_id, version))

    def _bind_failed(self, reason: BindFailure, command_status: int | None, events: list[Event]) -> None:
        events.append(BindFailed(reason, command_status))
        self._close(Trigger.BIND_FAILED, "bind_failed", events)

    def _on_role_request(self, request: pdu.Pdu, events: list[Event]) -> None:
        body = request.body
        if isinstance(body, pdu.DeliverSm | pdu.DataSm):
            self._receive_deliver(request, body, events)
        elif isinstance(body, pdu.AlertNotification | pdu.Outbind):
            self._receive_notice(request.sequence_number, body, events)
        else:  # an SMSC that asks what only an ESME may ask
            self._respond(pdu.GenericNack(), request.sequence_number, SmppCommandStatus.ESME_RINVCMDID)
            detail = f"{command_name(body.command_id)} is not for an ESME"
            self._complain("wrong_state", detail, body.command_id, request.sequence_number, events)

    def _receive_notice(
        self, sequence_number: int, body: pdu.AlertNotification | pdu.Outbind, events: list[Event]
    ) -> None:
        """What has no answer: at the wrong time it is reported and ignored."""
        if not may_request(Role.SMSC, body.command_id, self.state, self.bind_mode):
            detail = f"{command_name(body.command_id)} in state {self.state.value}"
            self._complain("wrong_state", detail, body.command_id, sequence_number, events)
        elif isinstance(body, pdu.Outbind):
            events.append(OutbindReceived(body))
        else:
            events.append(AlertReceived(body))

    def _receive_deliver(self, request: pdu.Pdu, body: pdu.DeliverSm | pdu.DataSm, events: list[Event]) -> None:
        sequence_number, command_id = request.sequence_number, body.command_id
        if not may_request(Role.SMSC, command_id, self.state, self.bind_mode):
            detail = f"{command_name(command_id)} in state {self.state.value}"
            self._complain("wrong_state", detail, command_id, sequence_number, events)
            if self.bind_mode is None or self.state is SessionState.UNBINDING:
                # The SMSC tries again on a bind that stays; before any bind it has no business here at all.
                refused = (
                    SmppCommandStatus.ESME_RINVBNDSTS if self.bind_mode is None else SmppCommandStatus.ESME_RX_T_APPN
                )
                self._respond(response_to(command_id), sequence_number, refused)
                return
            # On a transmitter it is taken all the same: a receipt refused is a receipt lost.
        if self._unanswered_count >= self.config.unanswered_max:
            self._respond(response_to(command_id), sequence_number, SmppCommandStatus.ESME_RX_T_APPN)
            detail = f"more than {self.config.unanswered_max} unanswered"
            self._complain("over_limit", detail, command_id, sequence_number, events)
            return
        self._expect_answer_of_owner(sequence_number, command_id | RESPONSE_BIT)
        events.append(DeliverReceived(sequence_number, body, request.defects))

    # ---------------------------------------------------------------------------------------------------------- timers

    def _unknown(self, request: InFlight, reason: UnknownReason) -> Event:
        return SubmitUnknown(request.token, reason)

    def _on_unbound_deadline(self, events: list[Event]) -> None:
        if self.state is not SessionState.BINDING:
            raise WrongState(f"no deadline in state {self.state.value}")
        self._bind_failed("no_response", None, events)
