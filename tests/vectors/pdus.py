"""The golden PDUs of tests/vectors/pdu: octets with their provenance, and what they say."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.smpp import pdu
from shared.smpp.tlv import Tlv

_FOLDER = Path(__file__).parent / "pdu"


@dataclass(frozen=True, slots=True)
class Vector:
    """One file: the frame, the PDU that it is, its canonical octets, and the foreign codecs that agreed."""

    name: str
    frame: bytes
    expected: pdu.Pdu
    canonical: bytes
    agreed_by: tuple[str, ...]


def load_vectors() -> list[Vector]:
    """All vectors, by name."""
    return [_vector(json.loads(path.read_text())) for path in sorted(_FOLDER.glob("*.json"))]


def _vector(source: dict[str, Any]) -> Vector:
    frame = bytes.fromhex("".join(octets for _, octets in source["octets"]))
    expected = source["expected"]
    body_class: type[pdu.Body] = getattr(pdu, expected["body"])
    values = {name: _value(name, value) for name, value in expected["fields"].items()}
    tlvs = tuple(Tlv(int(tag, 16), bytes.fromhex(value)) for tag, value in expected["tlvs"])
    body = body_class(**values, tlvs=tlvs)
    whole = pdu.Pdu(expected["sequence_number"], body, expected["command_status"], defects=tuple(expected["defects"]))
    canonical = bytes.fromhex(source["reencoded"]) if "reencoded" in source else frame
    return Vector(source["name"], frame, whole, canonical, tuple(source["agreed_by"]))


def _value(name: str, value: Any) -> Any:
    match name:
        case "short_message":
            return bytes.fromhex(value)
        case "dest_address":
            return tuple(
                pdu.DistributionList(**one) if "dl_name" in one else pdu.DestinationAddress(**one) for one in value
            )
        case "unsuccess_sme":
            return tuple(pdu.UnsuccessSme(**one) for one in value)
        case _:
            return value
