"""Pure: a capture file of TCP payloads, for a dissector to read: each in a connection of its own, over bare IPv4."""

from collections.abc import Iterable
from struct import pack

_LINK_TYPE_RAW_IP = 101
_TCP = 6
_FROM_AND_TO = bytes((10, 0, 0, 1, 10, 0, 0, 2))
_PUSH_AND_ACK = 0x5018
"""TCP header of five words, flags PSH and ACK."""


def pcap(payloads: Iterable[bytes], port: int) -> bytes:
    """The file: the n-th payload is one packet from port 20000 + n to `port`."""
    header = pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, _LINK_TYPE_RAW_IP)
    return header + b"".join(_packet(number, payload, port) for number, payload in enumerate(payloads))


def _packet(number: int, payload: bytes, port: int) -> bytes:
    tcp = pack("!HHIIHHHH", 20_000 + number, port, 1, 1, _PUSH_AND_ACK, 0xFFFF, 0, 0) + payload
    ip = pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), number, 0, 64, _TCP, 0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    )
    packet = ip + tcp
    return pack("<IIII", number, 0, len(packet), len(packet)) + packet
