"""Pure: the mandatory fields of every SMPP 3.4 command (section 4), as data.

One row a command, fields in wire order under the specification's names. The generic codec reads this table; so do the
documentation and the test that every class of `pdu` has exactly these fields.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from shared.smpp import pdu
from shared.smpp.constants import RESPONSE_BIT


class FieldKind(Enum):
    """How a field is written."""

    C_OCTET_STRING = "c_octet_string"
    """Octets ended by NUL; the size counts the NUL."""
    INTEGER = "integer"
    """One octet, unsigned."""
    SHORT_MESSAGE = "short_message"
    """sm_length (one octet), then that many octets."""
    DEST_ADDRESSES = "dest_addresses"
    """number_of_dests (one octet), then that many addresses or lists, each led by its dest_flag."""
    UNSUCCESS_SMES = "unsuccess_smes"
    """no_unsuccess (one octet), then that many addresses, each with a command_status of 4 octets."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One mandatory field. `size_max` is the specification's limit in octets, with the NUL of a C-octet string."""

    name: str
    kind: FieldKind
    size_max: int


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: its class and its mandatory fields in wire order."""

    body_class: type[pdu.Body]
    fields: tuple[FieldSpec, ...]

    @property
    def is_response(self) -> bool:
        """Whether the command answers another one (generic_nack included)."""
        return bool(self.body_class.command_id & RESPONSE_BIT)


def _c(name: str, size_max: int) -> FieldSpec:
    return FieldSpec(name, FieldKind.C_OCTET_STRING, size_max)


def _integers(*names: str) -> tuple[FieldSpec, ...]:
    return tuple(FieldSpec(name, FieldKind.INTEGER, 1) for name in names)


def _address(prefix: str, name: str, size_max: int = 21) -> tuple[FieldSpec, ...]:
    return (*_integers(f"{prefix}_ton", f"{prefix}_npi"), _c(name, size_max))


_SOURCE: Final = _address("source_addr", "source_addr")
_DESTINATION: Final = _address("dest_addr", "destination_addr")
_TIMES: Final = (_c("schedule_delivery_time", 17), _c("validity_period", 17))
_TEXT: Final = (FieldSpec("short_message", FieldKind.SHORT_MESSAGE, 254),)
_MESSAGE_OPTIONS: Final = (
    *_integers("esm_class", "protocol_id", "priority_flag"),
    *_TIMES,
    *_integers("registered_delivery", "replace_if_present_flag", "data_coding", "sm_default_msg_id"),
    *_TEXT,
)
_BIND: Final = (
    _c("system_id", 16),
    _c("password", 9),
    _c("system_type", 13),
    *_integers("interface_version", "addr_ton", "addr_npi"),
    _c("address_range", 41),
)
_SHORT_MESSAGE: Final = (_c("service_type", 6), *_SOURCE, *_DESTINATION, *_MESSAGE_OPTIONS)
_MESSAGE_ID: Final = (_c("message_id", 65),)

_ROWS: Final[tuple[tuple[type[pdu.Body], tuple[FieldSpec, ...]], ...]] = (
    (pdu.BindTransmitter, _BIND),
    (pdu.BindReceiver, _BIND),
    (pdu.BindTransceiver, _BIND),
    (pdu.BindTransmitterResp, (_c("system_id", 16),)),
    (pdu.BindReceiverResp, (_c("system_id", 16),)),
    (pdu.BindTransceiverResp, (_c("system_id", 16),)),
    (pdu.Outbind, (_c("system_id", 16), _c("password", 9))),
    (pdu.Unbind, ()),
    (pdu.UnbindResp, ()),
    (pdu.GenericNack, ()),
    (pdu.SubmitSm, _SHORT_MESSAGE),
    (pdu.SubmitSmResp, _MESSAGE_ID),
    (
        pdu.SubmitMulti,
        (
            _c("service_type", 6),
            *_SOURCE,
            FieldSpec("dest_address", FieldKind.DEST_ADDRESSES, 254),
            *_MESSAGE_OPTIONS,
        ),
    ),
    (pdu.SubmitMultiResp, (*_MESSAGE_ID, FieldSpec("unsuccess_sme", FieldKind.UNSUCCESS_SMES, 254))),
    (pdu.DeliverSm, _SHORT_MESSAGE),
    (pdu.DeliverSmResp, _MESSAGE_ID),
    (
        pdu.DataSm,
        (
            _c("service_type", 6),
            *_address("source_addr", "source_addr", 65),
            *_address("dest_addr", "destination_addr", 65),
            *_integers("esm_class", "registered_delivery", "data_coding"),
        ),
    ),
    (pdu.DataSmResp, _MESSAGE_ID),
    (pdu.QuerySm, (*_MESSAGE_ID, *_SOURCE)),
    (pdu.QuerySmResp, (*_MESSAGE_ID, _c("final_date", 17), *_integers("message_state", "error_code"))),
    (pdu.CancelSm, (_c("service_type", 6), *_MESSAGE_ID, *_SOURCE, *_DESTINATION)),
    (pdu.CancelSmResp, ()),
    (
        pdu.ReplaceSm,
        (*_MESSAGE_ID, *_SOURCE, *_TIMES, *_integers("registered_delivery", "sm_default_msg_id"), *_TEXT),
    ),
    (pdu.ReplaceSmResp, ()),
    (pdu.EnquireLink, ()),
    (pdu.EnquireLinkResp, ()),
    (
        pdu.AlertNotification,
        (*_address("source_addr", "source_addr", 65), *_address("esme_addr", "esme_addr", 65)),
    ),
)

COMMAND_SPECS: Final[dict[int, CommandSpec]] = {
    body_class.command_id: CommandSpec(body_class, fields) for body_class, fields in _ROWS
}
"""Every command of SMPP 3.4 by its command_id."""


def unsendable(text: str) -> str | None:
    """Why `text` cannot be written as a C-octet string, None when it can. The sentence tells nothing of the text."""
    if "\0" in text:
        return "a C-octet string cannot contain NUL"
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return "has a character beyond U+00FF, which no octet stands for"
    return None


def over_length(body: pdu.Body) -> tuple[str, ...]:
    """Names of the fields of `body` that are longer than the specification allows, in wire order (Q42, Q48).

    For warnings only: many SMSCs take them, so they are sent as they are.
    """
    spec = COMMAND_SPECS[body.command_id]
    names = []
    for row in spec.fields:
        value = getattr(body, row.name)
        if row.kind is FieldKind.INTEGER or value is None:
            continue
        nul = 1 if row.kind is FieldKind.C_OCTET_STRING else 0
        if len(value) + nul > row.size_max:
            names.append(row.name)
    return tuple(names)
