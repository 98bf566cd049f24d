"""Edge: asks a Kafka broker one question over TCP: who are you, and do you take part in the cluster?

A Metadata request without topics is answered only by a broker that processes requests, and lists only brokers that the
controller lets serve, so a non-empty answer means that producing can begin. Plain octets and a plain socket: neither a
client library nor an event loop is needed, and a probe costs the broker nothing worth counting.
"""

import socket
import struct
from dataclasses import dataclass

_METADATA = 3
_VERSION = 4  # the oldest with a cluster id and a flag against creating topics; every Kafka from 0.11 on speaks it
_CORRELATION_ID = 0x534D53
_CLIENT_ID = b"smsgw-probe"
_LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """What a broker said: the cluster it belongs to, and how many brokers of that cluster serve (0: none yet)."""

    cluster_id: str | None
    brokers: int


def metadata_request() -> bytes:
    """A Metadata request (version 4) for no topics, with its length in front."""
    header = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION_ID, len(_CLIENT_ID)) + _CLIENT_ID
    body = struct.pack(">ib", 0, 0)  # no topics, and none to create
    return struct.pack(">i", len(header) + len(body)) + header + body


def parse_metadata_response(frame: bytes) -> BrokerAnswer:
    """Read the answer (without its length). Raises ValueError for anything that is not one."""
    try:
        correlation_id, _throttle_ms, brokers = struct.unpack_from(">iii", frame)
        if correlation_id != _CORRELATION_ID or not 0 <= brokers <= 10_000:
            raise ValueError("not the answer to a Metadata request")
        at = 12
        for _ in range(brokers):
            at += 4  # node_id
            _host, at = _string(frame, at)
            at += 4  # port
            _rack, at = _string(frame, at)
        cluster_id, _at = _string(frame, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not the answer to a Metadata request: {error}") from error
    return BrokerAnswer(cluster_id, brokers)


def probe(host: str, port: int, timeout_s: float) -> BrokerAnswer | None:
    """Ask the broker at `host:port`; None when there is no proper answer within `timeout_s` for each step."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            link.sendall(metadata_request())
            (length,) = struct.unpack(">i", _read_exactly(link, 4))
            if not 0 < length <= _LARGEST_ANSWER:
                return None
            return parse_metadata_response(_read_exactly(link, length))
    except (OSError, ValueError):
        return None


def _string(frame: bytes, at: int) -> tuple[str | None, int]:
    (length,) = struct.unpack_from(">h", frame, at)
    if length < 0:
        return None, at + 2
    octets = frame[at + 2 : at + 2 + length]
    if len(octets) != length:
        raise ValueError("the answer ends inside a string")
    return octets.decode(), at + 2 + length


def _read_exactly(link: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        if not (part := link.recv(count - len(parts))):
            raise ConnectionResetError("closed before the answer was complete")
        parts += part
    return bytes(parts)
