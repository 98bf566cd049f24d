"""Pure: hand-packed paths for the PDUs that carry the traffic: submit_sm and deliver_sm, and their responses.

They do what the table-driven codec does, octet for octet (a property test compares the two), several times faster. A
decoder here returns None for anything unusual, and the table-driven one then decides.
"""

from struct import Struct
from struct import error as struct_error
from typing import Final, TypeVar

from shared.smpp.constants import COMMAND_LENGTH_MAX, HEADER_LENGTH, SmppCommand, command_name
from shared.smpp.errors import UnencodablePdu
from shared.smpp.pdu import (
    Body,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    MessageIdResponse,
    ShortMessage,
    SubmitSm,
    SubmitSmResp,
)
from shared.smpp.tlv import Tlv
from shared.smpp.tlv_codec import decode_tlvs, encode_tlvs

_HEADER: Final = Struct("!4I")
_DELIVER_SM_RESP: Final = SmppCommand.DELIVER_SM_RESP.value
_SUBMIT_SM_RESP: Final = SmppCommand.SUBMIT_SM_RESP.value

_SHORT_MESSAGES: Final[dict[int, type[ShortMessage]]] = {
    message_class.command_id: message_class for message_class in (SubmitSm, DeliverSm)
}
_MESSAGE_ID_RESPONSES: Final[dict[int, type[MessageIdResponse]]] = {
    response_class.command_id: response_class for response_class in (SubmitSmResp, DeliverSmResp, DataSmResp)
}

ShortMessageT = TypeVar("ShortMessageT", bound=ShortMessage)


def encode_short_message(body: ShortMessage, sequence_number: int, command_status: int = 0) -> bytes:
    """A submit_sm or deliver_sm as octets. Raises UnencodablePdu when it cannot be framed."""
    service_type = body.service_type
    source_addr = body.source_addr
    destination_addr = body.destination_addr
    schedule_delivery_time = body.schedule_delivery_time
    validity_period = body.validity_period
    short_message = body.short_message
    strings = f"{service_type}{source_addr}{destination_addr}{schedule_delivery_time}{validity_period}"
    if "\0" in strings:
        raise UnencodablePdu(f"{command_name(body.command_id)}: a C-octet string cannot contain NUL")
    try:
        octets = b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c%c%c%c%c%b" % (
            service_type.encode("latin-1"),
            body.source_addr_ton,
            body.source_addr_npi,
            source_addr.encode("latin-1"),
            body.dest_addr_ton,
            body.dest_addr_npi,
            destination_addr.encode("latin-1"),
            body.esm_class,
            body.protocol_id,
            body.priority_flag,
            schedule_delivery_time.encode("latin-1"),
            validity_period.encode("latin-1"),
            body.registered_delivery,
            body.replace_if_present_flag,
            body.data_coding,
            body.sm_default_msg_id,
            len(short_message),
            short_message,
        )
        if body.tlvs:
            octets += encode_tlvs(body.tlvs)
        length = HEADER_LENGTH + len(octets)
        if length > COMMAND_LENGTH_MAX:
            raise UnencodablePdu(f"{command_name(body.command_id)} would be {length} octets long")
        return _HEADER.pack(length, body.command_id, command_status, sequence_number) + octets
    except (struct_error, ValueError, OverflowError) as error:
        raise UnencodablePdu(f"{command_name(body.command_id)}: {error}") from error


def decode_short_message(body_class: type[ShortMessageT], frame: bytes) -> ShortMessageT | None:
    """The body of a whole submit_sm or deliver_sm; None when anything about it is unusual."""
    try:
        service_end = frame.index(0, HEADER_LENGTH)
        source_end = frame.index(0, service_end + 3)
        destination_end = frame.index(0, source_end + 3)
        schedule_end = frame.index(0, destination_end + 4)
        validity_end = frame.index(0, schedule_end + 1)
        text_start = validity_end + 6
        text_end = text_start + frame[validity_end + 5]
    except (ValueError, IndexError):
        return None
    tlvs: tuple[Tlv, ...] = ()
    if text_end != len(frame):
        if text_end > len(frame):
            return None
        tlvs, defect = decode_tlvs(frame, text_end)
        if defect is not None:
            return None
    return body_class(
        frame[HEADER_LENGTH:service_end].decode("latin-1"),
        frame[service_end + 1],
        frame[service_end + 2],
        frame[service_end + 3 : source_end].decode("latin-1"),
        frame[source_end + 1],
        frame[source_end + 2],
        frame[source_end + 3 : destination_end].decode("latin-1"),
        frame[destination_end + 1],
        frame[destination_end + 2],
        frame[destination_end + 3],
        frame[destination_end + 4 : schedule_end].decode("latin-1"),
        frame[schedule_end + 1 : validity_end].decode("latin-1"),
        frame[validity_end + 1],
        frame[validity_end + 2],
        frame[validity_end + 3],
        frame[validity_end + 4],
        frame[text_start:text_end],
        tlvs=tlvs,
    )


def decode_usual(command_id: int, frame: bytes) -> Body | None:
    """The body of a command that carries traffic and looks as it should; None for everything else."""
    message_class = _SHORT_MESSAGES.get(command_id)
    if message_class is not None:
        return decode_short_message(message_class, frame)
    response_class = _MESSAGE_ID_RESPONSES.get(command_id)
    if response_class is None or frame.find(0, HEADER_LENGTH) != len(frame) - 1:
        return None
    return response_class(frame[HEADER_LENGTH:-1].decode("latin-1"))


def decode_message_id(frame: bytes) -> tuple[str | None, tuple[Tlv, ...]]:
    """message_id and optional parameters of a submit_sm_resp, data_sm_resp or deliver_sm_resp.

    No body, or an empty message_id: None (Q26, Q27). A missing NUL is tolerated, a broken end left out (Q28).
    """
    length = len(frame)
    if length == HEADER_LENGTH:
        return None, ()
    end = frame.find(0, HEADER_LENGTH)
    if end < 0:
        return frame[HEADER_LENGTH:].decode("latin-1"), ()
    message_id = frame[HEADER_LENGTH:end].decode("latin-1") or None
    if end + 1 == length:
        return message_id, ()
    return message_id, decode_tlvs(frame, end + 1)[0]


def encode_deliver_sm_resp(sequence_number: int, command_status: int, command_id: int = _DELIVER_SM_RESP) -> bytes:
    """A deliver_sm_resp (or data_sm_resp) with an empty message_id, as section 4.6.2 wants it (Q32)."""
    return _HEADER.pack(17, command_id, command_status, sequence_number) + b"\0"


def encode_submit_sm_resp(sequence_number: int, command_status: int, message_id: str | None) -> bytes:
    """A submit_sm_resp; without a message_id it has no body (4.4.2).

    Raises UnencodablePdu for an id with a NUL or a character that Latin-1 has not.
    """
    if message_id is None:
        return _HEADER.pack(HEADER_LENGTH, _SUBMIT_SM_RESP, command_status, sequence_number)
    if "\0" in message_id:
        raise UnencodablePdu("submit_sm_resp: a C-octet string cannot contain NUL")
    try:
        octets = message_id.encode("latin-1")
    except UnicodeEncodeError as error:
        raise UnencodablePdu(f"submit_sm_resp: {error}") from error
    return _HEADER.pack(17 + len(octets), _SUBMIT_SM_RESP, command_status, sequence_number) + octets + b"\0"
