"""Pure: the header block of an empty result in format Native.

The engine writes no octets at all for a Native result without rows; clients then see no column names. A server sends
one block of zero rows, which is built here: VarUInt columns, VarUInt rows, then name and type of each column.
"""

from collections.abc import Sequence


def empty_block(columns: Sequence[tuple[str, str]]) -> bytes:
    """Return a Native block of zero rows for (name, type) pairs; no columns give no octets."""
    if not columns:
        return b""
    head = _var_uint(len(columns)) + _var_uint(0)
    return head + b"".join(_string(name) + _string(kind) for name, kind in columns)


def _var_uint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _string(text: str) -> bytes:
    octets = text.encode()
    return _var_uint(len(octets)) + octets
