"""Pure: ClickHouse's compressed block framing, used by ``?compress=1`` and ``?decompress=1``.

One frame: 16 octets CityHash128 of the rest, 1 octet method, UInt32 size of the rest of the frame (method and both
sizes included), UInt32 size when unpacked, the packed octets. clickhouse-go, JDBC and snuba use it over HTTP.
"""

import struct
import sys

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from shared.local.clickhouse.errors import CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH, ClickHouseError

_NONE, _LZ4, _ZSTD = 0x02, 0x82, 0x90
_CHECKSUM_OCTETS = 16
_HEADER = struct.Struct("<BII")
_BLOCK_OCTETS = 1 << 20
_FRAME_OCTETS_MAX = 1 << 30  # the engine's own limit for one compressed block


def frame(octets: bytes) -> bytes:
    """Pack octets into LZ4 frames of at most 1 MiB each; no octets give no frame."""
    return b"".join(_frame(octets[at : at + _BLOCK_OCTETS]) for at in range(0, len(octets), _BLOCK_OCTETS))


def _frame(block: bytes) -> bytes:
    packed: bytes = lz4.block.compress(block, store_size=False)
    body = _HEADER.pack(_LZ4, _HEADER.size + len(packed), len(block)) + packed
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    value: int = CityHash128(body)
    return struct.pack("<QQ", value >> 64, value & (1 << 64) - 1)


class FrameDecoder:
    """Unpacks a stream of frames that arrives in pieces of any size."""

    def __init__(self) -> None:
        """Start at the beginning of a frame."""
        self._pending = bytearray()

    def feed(self, octets: bytes) -> bytes:
        """Take the next piece; return what the frames completed by it unpack to.

        Raises ClickHouseError (40 CHECKSUM_DOESNT_MATCH, 271 CANNOT_DECOMPRESS) for a damaged frame.
        """
        self._pending += octets
        unpacked = []
        while (size := self._complete_size()) is not None:
            unpacked.append(_unframe(bytes(self._pending[:size])))
            del self._pending[:size]
        return b"".join(unpacked)

    @property
    def finished(self) -> bool:
        """Whether everything fed so far was whole frames."""
        return not self._pending

    def _complete_size(self) -> int | None:
        if len(self._pending) < _CHECKSUM_OCTETS + _HEADER.size:
            return None
        _, packed_size, _ = _HEADER.unpack_from(self._pending, _CHECKSUM_OCTETS)
        if not _HEADER.size <= packed_size <= _FRAME_OCTETS_MAX:
            raise ClickHouseError(CANNOT_DECOMPRESS, f"Compressed block has an impossible size: {packed_size}.")
        size = _CHECKSUM_OCTETS + packed_size
        return size if len(self._pending) >= size else None


def _unframe(whole: bytes) -> bytes:
    body = whole[_CHECKSUM_OCTETS:]
    if _checksum(body) != whole[:_CHECKSUM_OCTETS]:
        raise ClickHouseError(CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data.")
    method, _, size = _HEADER.unpack_from(body)
    packed = body[_HEADER.size :]
    try:
        if method == _NONE:
            return packed
        if method == _LZ4:
            return bytes(lz4.block.decompress(packed, uncompressed_size=size))
        if method == _ZSTD:
            return bytes(zstd.decompress(packed))
    except (lz4.block.LZ4BlockError, zstd.ZstdError) as error:
        raise ClickHouseError(CANNOT_DECOMPRESS, f"Cannot decompress block: {error}.") from error
    raise ClickHouseError(CANNOT_DECOMPRESS, f"Unknown compression method 0x{method:02x}.")
