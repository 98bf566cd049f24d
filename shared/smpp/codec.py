"""Pure: PDUs to octets and back (SMPP 3.4 sections 3.2 and 4), driven by the table in `fields`.

Decoding has four outcomes, all of them values (`decode_next`):

* `NeedMore`: the buffer ends inside a PDU;
* `Pdu`: understood; what had to be tolerated is named in `defects`;
* `UnparsablePdu`: the framing holds and the header was read, the rest was not understood; answer it, live on;
* `FramingLost`: command_length makes no sense, the next PDU cannot be found; close the connection.

Any octets give one of the four and never an exception. Encoding raises `UnencodablePdu` for what cannot be framed.
"""

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import Any, Final, Literal, TypeAlias

from shared.smpp import pdu
from shared.smpp.constants import COMMAND_LENGTH_MAX, HEADER_LENGTH, RESPONSE_BIT, SmppCommandStatus, command_name
from shared.smpp.errors import UnencodablePdu
from shared.smpp.fields import COMMAND_SPECS, CommandSpec, FieldKind, FieldSpec, unsendable
from shared.smpp.hot import decode_usual, encode_short_message
from shared.smpp.tlv import Tlv
from shared.smpp.tlv_codec import TlvDefect, decode_tlvs, encode_tlvs

HEADER: Final = Struct("!4I")
"""command_length, command_id, command_status, sequence_number."""

Defect: TypeAlias = (
    Literal["body_missing", "fields_missing", "unterminated_string", "sm_length_over", "sm_length_under"] | TlvDefect
)
"""What a peer got wrong and we could read all the same (Q26-Q29); `Pdu.defects` has only these words."""


@dataclass(frozen=True, slots=True)
class NeedMore:
    """The buffer ends inside a PDU; `octets` more are needed to know more."""

    octets: int


@dataclass(frozen=True, slots=True)
class UnparsablePdu:
    """A whole PDU with a good header and a body (or command) that was not understood.

    `answer_status` is what to answer a request with: ESME_RINVCMDID, ESME_RINVCMDLEN or ESME_RINVMSGLEN.
    """

    command_id: int
    command_status: int
    sequence_number: int
    answer_status: int
    reason: str

    @property
    def is_response(self) -> bool:
        """Responses are never answered."""
        return bool(self.command_id & RESPONSE_BIT)


@dataclass(frozen=True, slots=True)
class FramingLost:
    """command_length is below 16 or above the limit; nothing after it can be trusted."""

    command_length: int


DecodeOutcome: TypeAlias = NeedMore | pdu.Pdu | UnparsablePdu | FramingLost


_BARE_RESPONSES: Final[dict[type[pdu.Body], pdu.Body]] = {
    response_class: response_class(message_id=None)
    for response_class in (
        pdu.SubmitSmResp,
        pdu.DeliverSmResp,
        pdu.DataSmResp,
        pdu.SubmitMultiResp,
        pdu.QuerySmResp,
    )
}
"""Responses that say that there is no message_id: they are a header and nothing else (4.4.2)."""


class _CannotDecode(Exception):
    """Inside this module: the body does not follow its table."""

    def __init__(self, reason: str, answer_status: int = SmppCommandStatus.ESME_RINVCMDLEN) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer_status = int(answer_status)


# ---------------------------------------------------------------------------------------------------------- encoding


def encode(value: pdu.Pdu) -> bytes:
    """The octets of a PDU. Raises UnencodablePdu when it cannot be framed."""
    return encode_body(value.body, value.sequence_number, value.command_status)


def encode_body(body: pdu.Body, sequence_number: int, command_status: int = 0) -> bytes:
    """The octets of `body` under this header. Raises UnencodablePdu when it cannot be framed."""
    if isinstance(body, pdu.ShortMessage):
        return encode_short_message(body, sequence_number, command_status)
    try:
        octets = b"" if _is_left_out(body) else _encode_fields(body) + encode_tlvs(body.tlvs)
        length = HEADER_LENGTH + len(octets)
        if length > COMMAND_LENGTH_MAX:
            raise UnencodablePdu(f"{command_name(body.command_id)} would be {length} octets long")
        return HEADER.pack(length, body.command_id, command_status, sequence_number) + octets
    except (struct_error, ValueError, OverflowError) as error:
        raise UnencodablePdu(f"{command_name(body.command_id)}: {error}") from error


def _is_left_out(body: pdu.Body) -> bool:
    """Whether a response goes out as a bare header, which is how `message_id=None` is written (4.4.2)."""
    return getattr(body, "message_id", "") is None and body == _BARE_RESPONSES.get(type(body))


def _encode_fields(body: pdu.Body) -> bytes:
    return b"".join(_encode_field(row, getattr(body, row.name)) for row in COMMAND_SPECS[body.command_id].fields)


def _encode_field(row: FieldSpec, value: Any) -> bytes:
    match row.kind:
        case FieldKind.C_OCTET_STRING:
            return _c_octets(row.name, value or "")
        case FieldKind.INTEGER:
            return bytes((value,))
        case FieldKind.SHORT_MESSAGE:
            return b"%c%b" % (len(value), value)
        case FieldKind.DEST_ADDRESSES:
            return bytes((len(value),)) + b"".join(_encode_destination(one) for one in value)
        case FieldKind.UNSUCCESS_SMES:
            return bytes((len(value),)) + b"".join(_encode_unsuccess_sme(one) for one in value)


def _c_octets(name: str, text: str) -> bytes:
    problem = unsendable(text)
    if problem is not None:
        raise UnencodablePdu(f"{name}: {problem}")
    return text.encode("latin-1") + b"\0"


def _encode_destination(one: pdu.DestinationAddress | pdu.DistributionList) -> bytes:
    if isinstance(one, pdu.DistributionList):
        return b"\x02" + _c_octets("dl_name", one.dl_name)
    address = _c_octets("destination_addr", one.destination_addr)
    return bytes((1, one.dest_addr_ton, one.dest_addr_npi)) + address


def _encode_unsuccess_sme(one: pdu.UnsuccessSme) -> bytes:
    address = _c_octets("destination_addr", one.destination_addr)
    return bytes((one.dest_addr_ton, one.dest_addr_npi)) + address + one.error_status_code.to_bytes(4, "big")


# ---------------------------------------------------------------------------------------------------------- decoding


def decode_next(
    data: bytes, offset: int = 0, command_length_max: int = COMMAND_LENGTH_MAX
) -> tuple[DecodeOutcome, int]:
    """The outcome at `offset`, and where the next PDU begins (`offset` itself after NeedMore and FramingLost)."""
    available = len(data) - offset
    if available < 4:
        return NeedMore(4 - available), offset
    command_length = int.from_bytes(data[offset : offset + 4], "big")
    if not HEADER_LENGTH <= command_length <= command_length_max:
        return FramingLost(command_length), offset
    if available < command_length:
        return NeedMore(command_length - available), offset
    end = offset + command_length
    return decode_frame(data[offset:end]), end


def decode_frame(frame: bytes) -> pdu.Pdu | UnparsablePdu:
    """One whole PDU. `frame` has at least 16 octets and exactly as many as the PDU (`decode_next` sees to that)."""
    _, command_id, command_status, sequence_number = HEADER.unpack_from(frame)
    spec = COMMAND_SPECS.get(command_id)
    if spec is None:
        status = int(SmppCommandStatus.ESME_RINVCMDID)
        return UnparsablePdu(command_id, command_status, sequence_number, status, "unknown command_id")
    usual = decode_usual(command_id, frame)
    if usual is not None:
        return pdu.Pdu(sequence_number, usual, command_status)
    try:
        decoded, defects = _decode_body(spec, frame)
    except _CannotDecode as error:
        return UnparsablePdu(command_id, command_status, sequence_number, error.answer_status, error.reason)
    return pdu.Pdu(sequence_number, decoded, command_status, defects)


class _Reader:
    """A cursor over one frame that reads field kinds and remembers what it tolerated.

    A response may stop anywhere (Q26-Q28: it has the default for what is missing); a request may not.
    """

    def __init__(self, frame: bytes, lenient: bool) -> None:
        self.frame = frame
        self.position = HEADER_LENGTH
        self.lenient = lenient
        self.defects: list[str] = []

    def left(self) -> int:
        return len(self.frame) - self.position

    def integer(self, name: str, size: int = 1) -> int:
        if self.left() < size:
            raise _CannotDecode(f"{name}: the body ends before it")
        value = int.from_bytes(self.frame[self.position : self.position + size], "big")
        self.position += size
        return value

    def c_octets(self, name: str) -> str:
        end = self.frame.find(b"\0", self.position)
        if end < 0:
            if not (self.lenient and self.left()):
                raise _CannotDecode(f"{name}: no NUL ends it")
            self.defects.append("unterminated_string")
            end = len(self.frame)
        value = self.frame[self.position : end].decode("latin-1")
        self.position = min(end + 1, len(self.frame))
        return value

    def short_message(self) -> bytes:
        length = self.integer("sm_length")
        if self.left() == length - 1:  # Q29: counted one too many
            self.defects.append("sm_length_over")
            length -= 1
        if self.left() < length:
            reason = f"sm_length is {length}, {self.left()} octets are left"
            raise _CannotDecode(reason, SmppCommandStatus.ESME_RINVMSGLEN)
        value = self.frame[self.position : self.position + length]
        self.position += length
        return value

    def destinations(self) -> tuple[pdu.DestinationAddress | pdu.DistributionList, ...]:
        return tuple(self._destination() for _ in range(self.integer("number_of_dests")))

    def _destination(self) -> pdu.DestinationAddress | pdu.DistributionList:
        flag = self.integer("dest_flag")
        if flag == 1:
            ton, npi = self.integer("dest_addr_ton"), self.integer("dest_addr_npi")
            return pdu.DestinationAddress(ton, npi, self.c_octets("destination_addr"))
        if flag == 2:
            return pdu.DistributionList(self.c_octets("dl_name"))
        raise _CannotDecode(f"dest_flag is {flag}", SmppCommandStatus.ESME_RINVDESTFLAG)

    def unsuccess_smes(self) -> tuple[pdu.UnsuccessSme, ...]:
        return tuple(self._unsuccess_sme() for _ in range(self.integer("no_unsuccess")))

    def _unsuccess_sme(self) -> pdu.UnsuccessSme:
        ton, npi = self.integer("dest_addr_ton"), self.integer("dest_addr_npi")
        address = self.c_octets("destination_addr")
        return pdu.UnsuccessSme(ton, npi, address, self.integer("error_status_code", 4))

    def field(self, row: FieldSpec) -> Any:
        match row.kind:
            case FieldKind.C_OCTET_STRING:
                return self.c_octets(row.name)
            case FieldKind.INTEGER:
                return self.integer(row.name)
            case FieldKind.SHORT_MESSAGE:
                return self.short_message()
            case FieldKind.DEST_ADDRESSES:
                return self.destinations()
            case FieldKind.UNSUCCESS_SMES:
                return self.unsuccess_smes()


def _decode_body(spec: CommandSpec, frame: bytes) -> tuple[pdu.Body, tuple[str, ...]]:
    reader = _Reader(frame, lenient=spec.is_response)
    values: dict[str, Any] = {}
    if spec.is_response and spec.fields and not reader.left():
        return _BARE_RESPONSES.get(spec.body_class) or spec.body_class(), ("body_missing",)
    for row in spec.fields:
        try:
            values[row.name] = reader.field(row)
        except _CannotDecode:
            if not reader.lenient:
                raise
            reader.defects.append("fields_missing")
            return spec.body_class(**values), tuple(reader.defects)
    defect: Defect | None
    tlvs, defect = decode_tlvs(frame, reader.position)
    if defect == "broken_tlvs" and "short_message" in values:
        found = _miscounted(frame, reader.position, len(values["short_message"]))
        if found is not None:
            values["short_message"], tlvs, defect = found
    if defect is not None:
        reader.defects.append(defect)
    return spec.body_class(**values, tlvs=tlvs), tuple(reader.defects)


def _miscounted(frame: bytes, text_end: int, length: int) -> tuple[bytes, tuple[Tlv, ...], Defect] | None:
    """Text and parameters when sm_length is one too few or too many (Q29): proved by parameters that, read from there,
    are whole and end where the PDU ends. None when neither is so.
    """
    shifts: tuple[tuple[int, Defect], ...] = ((1, "sm_length_under"), (-1, "sm_length_over"))
    for shift, defect in shifts:
        start = text_end + shift
        if length + shift >= 0 and start < len(frame):
            tlvs, broken = decode_tlvs(frame, start)
            if broken is None:
                return frame[text_end - length : start], tlvs, defect
    return None


def response_to(command_id: int) -> pdu.Body:
    """The response of a request in its emptiest form; GenericNack for a command that has none or is unknown."""
    spec = COMMAND_SPECS.get(command_id | RESPONSE_BIT)
    if command_id & RESPONSE_BIT or spec is None:
        return pdu.GenericNack()
    return spec.body_class()
