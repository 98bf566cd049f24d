"""Implementations that are not on PyPI, or bring too much along: what they said is in files, each with its source."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.sms import gsm7
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.segmentation import encode_message

VECTORS = Path(__file__).parents[3] / "vectors" / "sms"


def vectors(name: str) -> list[Any]:
    file: dict[str, Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    assert file["source"]
    found: list[Any] = file["vectors"]
    return found


@pytest.mark.parametrize("long_message", ["udh8", "sar"])
def test_alphabet_and_number_of_segments(long_message: Any) -> None:
    """sms-segments-calculator spares escapes, surrogate pairs and grapheme clusters, as we do: no disagreement."""
    different = []
    for runs, alphabet, segments in vectors("segment_counts.json"):
        text = "".join(piece * times for piece, times in runs)
        result = encode_message(EncodeRequest("m1", "4915", text=text), ConnectorProfile(long_message=long_message))
        assert isinstance(result, Encoded)
        if (result.alphabet, result.air_segments) != (alphabet, segments):
            different.append((runs, alphabet, segments, result.alphabet, result.air_segments))
    assert different == []


def test_packed_septets_behind_a_header() -> None:
    """node-pdu reads behind every header what was written; the fill bits are there for each of seven cases."""
    fill_bits = set()
    for header, text, octets in vectors("packed_behind_headers.json"):
        septets = gsm7.DEFAULT.encode(text) or b""
        fill = gsm7.fill_bits_after(len(header) // 2)
        fill_bits.add(fill)
        assert gsm7.pack(septets, fill).hex() == octets
        assert gsm7.unpack(bytes.fromhex(octets), fill) == septets
    assert fill_bits == set(range(7))


def test_padding_of_packed_septets() -> None:
    """A carriage return on an octet boundary is read twice, which 6.1.2.3.1 says is no other than once."""
    for text, octets in vectors("packed_padding.json"):
        assert gsm7.pack(gsm7.DEFAULT.encode(text) or b"").hex() == octets
        assert gsm7.DEFAULT.decode(gsm7.unpack(bytes.fromhex(octets))) in (
            text,
            f"{text}\r" if text.endswith("\r") else text,
        )
