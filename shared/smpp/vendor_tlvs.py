"""Pure: optional parameters as a configuration writes them (Q50): `0x1401: "int:300"` -> the parameter."""

import re
from binascii import unhexlify
from typing import Final

from shared.smpp.tlv import TLV_SPECS, Tlv, TlvKind, text_tlv

TAG_MAX: Final = 0xFFFF
VALUE_MAX: Final = 0xFFFF
"""Octets of a value, because its length is written in two."""

_TAG: Final = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}")
_WRITTEN: Final = re.compile(r"(?P<kind>text|hex|int(?P<size>[1-8]?)):(?P<rest>.*)", re.DOTALL)


def vendor_tlv(key: str, value: str) -> Tlv:
    """The parameter with the tag `key` (`0x1401`, `5121`).

    `text:shop` is Latin-1, and so is a value without such a word; `hex:00ff` are octets; `int:7` is a number in the
    size that the standard gives the tag, for other tags in as few octets as hold it; `int2:7` in two, up to `int8`.
    Raises ValueError with a sentence that tells what is wrong.
    """
    tag = _tag(key)
    written = _WRITTEN.fullmatch(value)
    if written is None:
        octets = _text(tag, value)
    elif written["kind"] == "text":
        octets = _text(tag, written["rest"])
    elif written["kind"] == "hex":
        octets = _octets(written["rest"])
    else:
        octets = _integer(tag, written["rest"], int(written["size"] or 0))
    if len(octets) > VALUE_MAX:
        raise ValueError(f"is longer than {VALUE_MAX:,} octets")
    return Tlv(tag, octets)


def _tag(key: str) -> int:
    if not _TAG.fullmatch(key):
        raise ValueError("is no tag: write 0x1401 or 5121")
    tag = int(key, 16 if key[:2].lower() == "0x" else 10)
    if tag > TAG_MAX:
        raise ValueError("is no tag: two octets hold at most 0xFFFF")
    return tag


def _text(tag: int, text: str) -> bytes:
    try:
        return text_tlv(tag, text).value
    except UnicodeEncodeError:
        raise ValueError("text: takes characters up to U+00FF; write others as hex:") from None


def _octets(digits: str) -> bytes:
    try:
        return unhexlify(digits)
    except ValueError:
        raise ValueError("hex: takes pairs of hexadecimal digits") from None


def _integer(tag: int, digits: str, size: int) -> bytes:
    if not re.fullmatch(r"[0-9]{1,20}", digits):
        raise ValueError("int: takes decimal digits")
    number, spec = int(digits), TLV_SPECS.get(tag)
    if not size and spec is not None and spec.kind is TlvKind.INTEGER:
        size = spec.size
    try:
        return number.to_bytes(size or max(1, (number.bit_length() + 7) // 8), "big")
    except OverflowError:
        raise ValueError(f"{number} does not fit into {size} octet{'s' if size > 1 else ''}") from None
