"""Pure: what a session tells its owner, as frozen values in the past tense.

Promises, for client and server alike:

* every token that a session accepted ends in exactly one `SubmitAnswered` or `SubmitUnknown` (server: `DeliverAnswered`
  or `DeliverUnknown`);
* `Closed` comes exactly once, and nothing after it; whatever is in flight then ends before it, in the same list;
* command_status values are plain ints as received; `None` means that there was none.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from shared.smpp.pdu import AlertNotification, BindRequest, Body, DataSm, DeliverSm, Outbind, SmscRequest, SubmitSm
from shared.smpp.tlv import Tlv

Token: TypeAlias = Any
"""Whatever the owner wants back with the outcome; never read here."""

UnknownReason: TypeAlias = Literal["no_response", "connection_lost"]
"""Why it is not known what became of a request: response_timeout_s passed, or the session ended first."""

BindFailure: TypeAlias = Literal["refused", "no_response", "generic_nack"]
LinkFailure: TypeAlias = Literal["enquire_link_unanswered", "inactivity", "session_init"]
CloseReason: TypeAlias = Literal[
    "unbound", "peer_unbound", "connection_lost", "bind_failed", "link_dead", "framing_lost"
]
ProtocolErrorKind: TypeAlias = Literal[
    "framing_lost", "unparsable_pdu", "unexpected_response", "wrong_state", "over_limit"
]


@dataclass(frozen=True, slots=True)
class Bound:
    """The SMSC accepted the bind. `sc_interface_version` is absent with many SMSCs (Q28, Q47)."""

    system_id: str
    sc_interface_version: int | None


@dataclass(frozen=True, slots=True)
class BindFailed:
    """The bind was not accepted; `Closed` follows. `command_status` is None when nobody answered in bind_timeout_s."""

    reason: BindFailure
    command_status: int | None


@dataclass(frozen=True, slots=True)
class SubmitAnswered:
    """A submit_sm_resp (or a generic_nack) for a token. `smsc_message_id` is None when there was none (Q26, Q27)."""

    token: Token
    command_status: int
    smsc_message_id: str | None
    response_time_s: float
    sequence_number: int
    tlvs: tuple[Tlv, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The answer to a request other than submit_sm; `response` is None when it could not be read or was a nack."""

    token: Token
    command_status: int
    response: Body | None
    response_time_s: float
    sequence_number: int


@dataclass(frozen=True, slots=True)
class SubmitUnknown:
    """A token whose submit_sm may or may not have reached the SMSC; it must not be sent again by itself (Q15)."""

    token: Token
    reason: UnknownReason


@dataclass(frozen=True, slots=True)
class LateResponse:
    """An answer to a request that has already ended as unknown. For the record only; the outcome stands."""

    token: Token
    command_status: int
    smsc_message_id: str | None
    sequence_number: int


@dataclass(frozen=True, slots=True)
class DeliverReceived:
    """A deliver_sm or data_sm of the SMSC; the owner answers it with `answer_deliver(sequence_number, status)`."""

    sequence_number: int
    pdu: DeliverSm | DataSm
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertReceived:
    """An alert_notification; it has no answer."""

    pdu: AlertNotification


@dataclass(frozen=True, slots=True)
class OutbindReceived:
    """The SMSC asks for a bind (before one); the owner checks the password and calls `bind()` or closes."""

    pdu: Outbind


@dataclass(frozen=True, slots=True)
class BindRequested:
    """Server: an ESME asks to bind; the owner calls `accept_bind` or `refuse_bind`."""

    sequence_number: int
    pdu: BindRequest


@dataclass(frozen=True, slots=True)
class SubmitReceived:
    """Server: a submit_sm; the owner answers it with `answer_submit`."""

    sequence_number: int
    pdu: SubmitSm
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """Server: data_sm, submit_multi, query_sm, cancel_sm or replace_sm; the owner answers it with `answer`."""

    sequence_number: int
    pdu: SmscRequest
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliverAnswered:
    """Server: a deliver_sm_resp (or data_sm_resp, or generic_nack) for a token."""

    token: Token
    command_status: int
    response_time_s: float
    sequence_number: int


@dataclass(frozen=True, slots=True)
class DeliverUnknown:
    """Server: a deliver_sm that nobody answered."""

    token: Token
    reason: UnknownReason


@dataclass(frozen=True, slots=True)
class PeerUnbound:
    """The peer sent unbind. What is in flight may still be answered; `Closed` follows."""


@dataclass(frozen=True, slots=True)
class LinkDead:
    """The peer is gone although the connection stands: 2 enquire_links missed, or silence; `Closed` follows."""

    reason: LinkFailure


@dataclass(frozen=True, slots=True)
class ProtocolErrorSeen:
    """The peer did what the specification does not allow; the session has answered it and lives on, if it can.

    `command_id` and `sequence_number` are those of the PDU, None where there was no header to trust.
    """

    kind: ProtocolErrorKind
    detail: str
    command_id: int | None
    sequence_number: int | None


@dataclass(frozen=True, slots=True)
class Closed:
    """The session has ended; send what `data_to_send` still has, then close the connection."""

    reason: CloseReason


SessionEvent: TypeAlias = PeerUnbound | LinkDead | ProtocolErrorSeen | Closed | LateResponse
EsmeEvent: TypeAlias = (
    Bound
    | BindFailed
    | SubmitAnswered
    | RequestAnswered
    | SubmitUnknown
    | DeliverReceived
    | AlertReceived
    | OutbindReceived
    | SessionEvent
)
SmscEvent: TypeAlias = (
    BindRequested | SubmitReceived | RequestReceived | DeliverAnswered | DeliverUnknown | SessionEvent
)
Event: TypeAlias = EsmeEvent | SmscEvent
