"""Codecs that nobody here wrote: each reads a frame and writes it again, by its own classes.

An oracle that gives the same octets back agrees with us about the frame's fields. They raise whatever they like for
what they do not support.
"""

import io
from collections.abc import Callable
from typing import Any

import aiosmpplib.protocol as aiosmpplib_protocol
import smpplib.smpp
from aiosmpplib.state import SmppCommand as TheirCommand
from smpp.pdu.pdu_encoding import PDUEncoder

_AIOSMPPLIB_CLASSES: dict[Any, str] = {
    TheirCommand.BIND_RECEIVER_RESP: "BindReceiverResp",
    TheirCommand.BIND_TRANSMITTER_RESP: "BindTransmitterResp",
    TheirCommand.BIND_TRANSCEIVER_RESP: "BindTransceiverResp",
    TheirCommand.SUBMIT_SM: "SubmitSm",
    TheirCommand.SUBMIT_SM_RESP: "SubmitSmResp",
    TheirCommand.DELIVER_SM: "DeliverSm",
    TheirCommand.DELIVER_SM_RESP: "DeliverSmResp",
    TheirCommand.ENQUIRE_LINK: "EnquireLink",
    TheirCommand.ENQUIRE_LINK_RESP: "EnquireLinkResp",
    TheirCommand.UNBIND: "Unbind",
    TheirCommand.UNBIND_RESP: "UnbindResp",
    TheirCommand.GENERIC_NACK: "GenericNack",
}


class _Client:
    """What smpplib asks for a number while it makes a request; the frame's own replaces it."""

    def next_sequence(self) -> int:
        return 1


_CLIENT = _Client()


def smpplib_again(frame: bytes) -> bytes:
    """smpplib 2.2.4."""
    parsed = smpplib.smpp.parse_pdu(frame, client=_CLIENT, allow_unknown_opt_params=True)
    for name, parameter in parsed.params.items():  # it reads C-octet strings as bytes and writes them from str
        if parameter.type is str and isinstance(getattr(parsed, name, None), bytes):
            setattr(parsed, name, getattr(parsed, name).decode("latin-1"))
    octets: bytes = parsed.generate()
    return octets


def smpp_pdu3_again(frame: bytes) -> bytes:
    """smpp.pdu3 0.6."""
    encoder = PDUEncoder()
    octets: bytes = encoder.encode(encoder.decode(io.BytesIO(frame)))
    return octets


def aiosmpplib_again(frame: bytes) -> bytes:
    """aiosmpplib 0.7.4."""
    header = aiosmpplib_protocol.SmppMessage.parse_header(frame)
    message_class = getattr(aiosmpplib_protocol, _AIOSMPPLIB_CLASSES[header.smpp_command])
    octets: bytes = message_class.from_pdu(frame, header, "gsm0338").pdu()
    return octets


ORACLES: dict[str, Callable[[bytes], bytes]] = {
    "smpplib": smpplib_again,
    "smpp.pdu3": smpp_pdu3_again,
    "aiosmpplib": aiosmpplib_again,
}
