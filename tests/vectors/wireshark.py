"""Edge: Wireshark's SMPP dissector (tshark) as a reader of our frames, and what our decode says in its terms.

A dissection is the list of a frame's fields in order, each by its name and its octets. What the dissector never shows
is left out on both sides: empty strings, counts and flags of lists, command_status of a request.
"""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from shared.smpp import pdu
from shared.smpp.constants import RESPONSE_BIT
from shared.smpp.fields import COMMAND_SPECS, FieldKind, FieldSpec
from tests.vectors.pcap import pcap

Dissection: TypeAlias = list[tuple[str, bytes]]

PORT: Final = 2775
RECORDED_WITH: Final = "4.0.17"
"""The version whose agreement stands in the vectors; others may read more."""

_NAMES: Final = {
    "esm.submit.msg_mode": "esm_class",
    "regdel.receipt": "registered_delivery",
    "schedule_delivery_time": "time",
    "schedule_delivery_time_r": "time",
    "validity_period": "time",  # 4.0 calls the one of submit_multi schedule_delivery_time too
    "validity_period_r": "time",
    "message": "short_message",
}
_PARTS: Final = ("esm.submit.msg_type", "esm.submit.features", "regdel.acks", "regdel.notif", "dcs.", "message_text")
"""Further readings of octets that have been named."""


def version() -> str | None:
    """The version of the tshark on PATH; None when there is none or it does not run."""
    program = shutil.which("tshark")
    if program is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[2] if done.returncode == 0 and len(words) > 2 else None


def dissect(frames: Sequence[bytes], folder: Path) -> list[Dissection]:
    """What tshark says of each frame; the capture file is written to `folder`."""
    capture = folder / "frames.pcap"
    capture.write_bytes(pcap(frames, PORT))
    command = ["tshark", "-n", "-r", str(capture), "-d", f"tcp.port=={PORT},smpp", "-T", "pdml", "-J", "smpp"]
    done = subprocess.run(command, capture_output=True, check=True)
    packets = ElementTree.fromstring(done.stdout).iter("packet")  # noqa: S314 - our own octets, read by our own tool
    return [[field for smpp in packet.iterfind("proto[@name='smpp']") for field in _leaves(smpp)] for packet in packets]


def _leaves(element: ElementTree.Element) -> Iterator[tuple[str, bytes]]:
    for field in element.iterfind("field"):
        name = (field.get("name") or "").removeprefix("smpp.")
        value = field.get("unmaskedvalue") or field.get("value")
        if name == "opt_param":
            yield "tlv", b"".join(octets for _, octets in _leaves(field))
        elif not value:
            yield from _leaves(field)
        elif name != "command_length" and not name.startswith(_PARTS):
            octets = bytes.fromhex(value)
            if octets != b"\0" or name not in _STRINGS:
                yield _NAMES.get(name, name), octets


_STRINGS: Final = frozenset(
    row.name for spec in COMMAND_SPECS.values() for row in spec.fields if row.kind is FieldKind.C_OCTET_STRING
) | {"schedule_delivery_time_r", "validity_period_r", "dl_name"}


def expected(decoded: pdu.Pdu) -> Dissection:
    """What our decode of a frame says, in the same form."""
    command_id = decoded.command_id
    found = [("command_id", command_id.to_bytes(4, "big"))]
    if command_id & RESPONSE_BIT:
        found.append(("command_status", decoded.command_status.to_bytes(4, "big")))
    found.append(("sequence_number", decoded.sequence_number.to_bytes(4, "big")))
    for row in COMMAND_SPECS[command_id].fields:
        found += _field(row, getattr(decoded.body, row.name))
    for tlv in decoded.body.tlvs:
        found.append(("tlv", tlv.tag.to_bytes(2, "big") + len(tlv.value).to_bytes(2, "big") + tlv.value))
    return found


def _field(row: FieldSpec, value: Any) -> Dissection:
    match row.kind:
        case FieldKind.INTEGER:
            return [(row.name, bytes((value,)))]
        case FieldKind.C_OCTET_STRING:
            return _string(row.name, value)
        case FieldKind.SHORT_MESSAGE:
            return [("sm_length", bytes((len(value),)))] + ([(row.name, value)] if value else [])
        case FieldKind.DEST_ADDRESSES | FieldKind.UNSUCCESS_SMES:
            return [part for one in value for part in _destination(one)]


def _string(name: str, value: str | None) -> Dissection:
    return [(_NAMES.get(name, name), value.encode("latin-1") + b"\0")] if value else []


def _destination(one: pdu.DestinationAddress | pdu.DistributionList | pdu.UnsuccessSme) -> Dissection:
    if isinstance(one, pdu.DistributionList):
        return _string("dl_name", one.dl_name)
    place = [("dest_addr_ton", bytes((one.dest_addr_ton,))), ("dest_addr_npi", bytes((one.dest_addr_npi,)))]
    place += _string("destination_addr", one.destination_addr)
    if isinstance(one, pdu.UnsuccessSme):
        place.append(("error_status_code", one.error_status_code.to_bytes(4, "big")))
    return place
