"""Pure: one frozen class a command, fields named as in SMPP 3.4 section 4.

A *body* (`SubmitSm`, ...) is what a command says; it knows neither its sequence number nor its status: those belong to
a session. A `Pdu` is a body with its header. C-octet strings are `str` with one character an octet (Latin-1, so any
received octet survives); message octets are `bytes`; numbers are plain ints, also those that the specification does not
list. `tlvs` keep order and duplicates. Limits of the specification are not checked here (see `fields.over_length`);
the encoder refuses only what cannot be framed.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

from shared.smpp.constants import INTERFACE_VERSION_34, BindMode, SmppCommand
from shared.smpp.tlv import Tlv


@dataclass(frozen=True, slots=True)
class Body:
    """What all commands have: optional parameters, also where the specification lists none."""

    command_id: ClassVar[int] = -1

    tlvs: tuple[Tlv, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class BindRequest(Body):
    """Section 4.1: common to the three bind requests."""

    bind_mode: ClassVar[BindMode]

    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION_34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, slots=True)
class BindTransmitter(BindRequest):
    """Section 4.1.1."""

    command_id = SmppCommand.BIND_TRANSMITTER.value
    bind_mode = BindMode.TRANSMITTER


@dataclass(frozen=True, slots=True)
class BindReceiver(BindRequest):
    """Section 4.1.3."""

    command_id = SmppCommand.BIND_RECEIVER.value
    bind_mode = BindMode.RECEIVER


@dataclass(frozen=True, slots=True)
class BindTransceiver(BindRequest):
    """Section 4.1.5."""

    command_id = SmppCommand.BIND_TRANSCEIVER.value
    bind_mode = BindMode.TRANSCEIVER


@dataclass(frozen=True, slots=True)
class BindResponse(Body):
    """Section 4.1: common to the three bind responses."""

    system_id: str = ""


@dataclass(frozen=True, slots=True)
class BindTransmitterResp(BindResponse):
    """Section 4.1.2."""

    command_id = SmppCommand.BIND_TRANSMITTER_RESP.value


@dataclass(frozen=True, slots=True)
class BindReceiverResp(BindResponse):
    """Section 4.1.4."""

    command_id = SmppCommand.BIND_RECEIVER_RESP.value


@dataclass(frozen=True, slots=True)
class BindTransceiverResp(BindResponse):
    """Section 4.1.6."""

    command_id = SmppCommand.BIND_TRANSCEIVER_RESP.value


@dataclass(frozen=True, slots=True)
class Outbind(Body):
    """Section 4.1.7: the SMSC asks an ESME to bind as a receiver. It has no response."""

    command_id = SmppCommand.OUTBIND.value

    system_id: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unbind(Body):
    """Section 4.2.1."""

    command_id = SmppCommand.UNBIND.value


@dataclass(frozen=True, slots=True)
class UnbindResp(Body):
    """Section 4.2.2."""

    command_id = SmppCommand.UNBIND_RESP.value


@dataclass(frozen=True, slots=True)
class GenericNack(Body):
    """Section 4.3.1: the answer to what could not be understood."""

    command_id = SmppCommand.GENERIC_NACK.value


@dataclass(frozen=True, slots=True)
class ShortMessage(Body):
    """The fields that submit_sm (4.4.1) and deliver_sm (4.6.1) share; sm_length is the length of `short_message`."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True)
class SubmitSm(ShortMessage):
    """Section 4.4.1."""

    command_id = SmppCommand.SUBMIT_SM.value


@dataclass(frozen=True, slots=True)
class DeliverSm(ShortMessage):
    """Section 4.6.1."""

    command_id = SmppCommand.DELIVER_SM.value


@dataclass(frozen=True, slots=True)
class MessageIdResponse(Body):
    """The responses that name a message. None: the body was absent or empty (Q26, Q27), written as an empty body."""

    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class SubmitSmResp(MessageIdResponse):
    """Section 4.4.2. Section 4.4.2 leaves the body out when command_status is not 0; both forms are read."""

    command_id = SmppCommand.SUBMIT_SM_RESP.value


@dataclass(frozen=True, slots=True)
class DeliverSmResp(MessageIdResponse):
    """Section 4.6.2: message_id is unused and sent as an empty string (Q32)."""

    command_id = SmppCommand.DELIVER_SM_RESP.value

    message_id: str | None = ""


@dataclass(frozen=True, slots=True)
class DataSmResp(MessageIdResponse):
    """Section 4.7.2."""

    command_id = SmppCommand.DATA_SM_RESP.value


@dataclass(frozen=True, slots=True)
class DestinationAddress:
    """One SME address of submit_multi (4.5.1.1, dest_flag 1)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


@dataclass(frozen=True, slots=True)
class DistributionList:
    """One distribution list of submit_multi (4.5.1.2, dest_flag 2)."""

    dl_name: str = ""


@dataclass(frozen=True, slots=True)
class SubmitMulti(Body):
    """Section 4.5.1; number_of_dests is the length of `dest_address`."""

    command_id = SmppCommand.SUBMIT_MULTI.value

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_address: tuple[DestinationAddress | DistributionList, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True)
class UnsuccessSme:
    """One address that submit_multi did not reach (4.5.2.1), and why (a command_status)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


@dataclass(frozen=True, slots=True)
class SubmitMultiResp(Body):
    """Section 4.5.2; no_unsuccess is the length of `unsuccess_sme`."""

    command_id = SmppCommand.SUBMIT_MULTI_RESP.value

    message_id: str | None = None
    unsuccess_sme: tuple[UnsuccessSme, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSm(Body):
    """Section 4.7.1: the message is in the optional parameter message_payload."""

    command_id = SmppCommand.DATA_SM.value

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


@dataclass(frozen=True, slots=True)
class QuerySm(Body):
    """Section 4.8.1."""

    command_id = SmppCommand.QUERY_SM.value

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


@dataclass(frozen=True, slots=True)
class QuerySmResp(Body):
    """Section 4.8.2."""

    command_id = SmppCommand.QUERY_SM_RESP.value

    message_id: str | None = None
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True)
class CancelSm(Body):
    """Section 4.9.1."""

    command_id = SmppCommand.CANCEL_SM.value

    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


@dataclass(frozen=True, slots=True)
class CancelSmResp(Body):
    """Section 4.9.2."""

    command_id = SmppCommand.CANCEL_SM_RESP.value


@dataclass(frozen=True, slots=True)
class ReplaceSm(Body):
    """Section 4.10.1; sm_length is the length of `short_message`."""

    command_id = SmppCommand.REPLACE_SM.value

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True)
class ReplaceSmResp(Body):
    """Section 4.10.2."""

    command_id = SmppCommand.REPLACE_SM_RESP.value


@dataclass(frozen=True, slots=True)
class EnquireLink(Body):
    """Section 4.11.1."""

    command_id = SmppCommand.ENQUIRE_LINK.value


@dataclass(frozen=True, slots=True)
class EnquireLinkResp(Body):
    """Section 4.11.2."""

    command_id = SmppCommand.ENQUIRE_LINK_RESP.value


@dataclass(frozen=True, slots=True)
class AlertNotification(Body):
    """Section 4.12.1. It has no response."""

    command_id = SmppCommand.ALERT_NOTIFICATION.value

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""


@dataclass(frozen=True, slots=True)
class Pdu:
    """A body with its header. `defects`: words for what the decoder tolerated (`codec.Defect`); never encoded."""

    sequence_number: int
    body: Body
    command_status: int = 0
    defects: tuple[str, ...] = ()

    @property
    def command_id(self) -> int:
        """The command of the body."""
        return self.body.command_id


_BIND_REQUESTS: Final[dict[BindMode, type[BindRequest]]] = {
    BindMode.TRANSMITTER: BindTransmitter,
    BindMode.RECEIVER: BindReceiver,
    BindMode.TRANSCEIVER: BindTransceiver,
}
_BIND_RESPONSES: Final[dict[BindMode, type[BindResponse]]] = {
    BindMode.TRANSMITTER: BindTransmitterResp,
    BindMode.RECEIVER: BindReceiverResp,
    BindMode.TRANSCEIVER: BindTransceiverResp,
}

SmscRequest: TypeAlias = SubmitSm | SubmitMulti | DataSm | QuerySm | CancelSm | ReplaceSm
"""What an ESME asks of an SMSC once it is bound."""


def bind_request_class(bind_mode: BindMode) -> type[BindRequest]:
    """The bind request of a mode."""
    return _BIND_REQUESTS[bind_mode]


def bind_response_class(bind_mode: BindMode) -> type[BindResponse]:
    """The bind response of a mode."""
    return _BIND_RESPONSES[bind_mode]
