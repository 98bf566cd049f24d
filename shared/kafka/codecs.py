"""Pure: what the compressed records of a batch unpack to, never more of it at a time than was asked for.

The length that compressed octets claim to unpack to is believed nowhere: a few of them may stand for gigabytes.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import cramjam
import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
"""Codecs as the attributes of a batch name them."""

PIECE_OCTETS: Final = 256 << 10
WINDOW_LOG_MAX: Final = 23
"""What zstd may look back in what is unpacked piece by piece: 8 MiB. Its levels up to 19 do not need more."""
SNAPPY_BLOCK_MAX: Final = 32 << 20
"""A snappy block can be unpacked in one go only. A megabyte of them cannot stand for more."""

_STREAMS_MAX: Final = 100
"""Compressed streams one after the other. Clients write one; each costs a copy of those behind it."""
_GZIP_WINDOW_BITS: Final = 31
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEADER: Final = 16


class Undecodable(Exception):
    """The octets are damaged, or stand for more than this module unpacks."""


_WHOLE: Final[dict[int, Callable[[bytes, memoryview], int]]] = {
    GZIP: cramjam.gzip.decompress_into,
    LZ4: cramjam.lz4.decompress_into,
    ZSTD: cramjam.zstd.decompress_into,
}
_UNPACKERS: Final[dict[int, Callable[[], Any]]] = {
    GZIP: lambda: zlib.decompressobj(_GZIP_WINDOW_BITS),
    LZ4: lz4.frame.LZ4FrameDecompressor,
    ZSTD: lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}),
}


def unpack_whole(codec: int, packed: bytes, head: bytes, scratch: memoryview) -> bytes | None:
    """`head` and, behind it, all that `packed` unpacks to. `scratch`: where it is unpacked to, of any contents.

    None for more than fits there, and for anything that is wrong: piece by piece, more can be read of it, or said
    about it.
    """
    begin = len(head)
    space = scratch[begin:]
    try:
        length = _unpack_snappy(packed, space) if codec == SNAPPY else _WHOLE[codec](packed, space)
    except (cramjam.DecompressionError, Undecodable, KeyError):
        return None
    scratch[:begin] = head
    return bytes(scratch[: begin + length])


def unpack_pieces(codec: int, packed: bytes) -> Iterator[bytes]:
    """All that `packed` unpacks to, in pieces of about `PIECE_OCTETS`; a snappy block stays in one.

    What lies behind the end of the compressed octets is left alone as long as nobody asks for it: Kafka does so too.
    Raises `Undecodable` where the octets are damaged, behind what came before.
    """
    parts: list[bytes] = []
    octets = 0
    damage: Undecodable | None = None
    try:
        for part in _parts(codec, packed):
            parts.append(part)
            octets += len(part)
            if octets >= PIECE_OCTETS:
                yield b"".join(parts)
                parts.clear()
                octets = 0
    except Undecodable as error:
        damage = error
    if parts:
        yield b"".join(parts)
    if damage is not None:
        raise damage


def _parts(codec: int, packed: bytes) -> Iterator[bytes]:
    if codec == SNAPPY:
        yield from _snappy_parts(packed)
        return
    make = _UNPACKERS.get(codec)
    if make is None:
        raise Undecodable(f"unknown codec {codec}")
    for _ in range(_STREAMS_MAX):
        unpacker = make()
        yield from (_gzip_parts if codec == GZIP else _framed_parts)(unpacker, packed)
        packed = unpacker.unused_data or b""
        if not packed:
            return
    raise Undecodable(f"more than {_STREAMS_MAX} compressed streams")


def _snappy_parts(packed: bytes) -> Iterator[bytes]:
    for block in _snappy_blocks(packed):
        if _snappy_length(block) > SNAPPY_BLOCK_MAX:
            raise Undecodable(f"snappy: a block unpacks to more than {SNAPPY_BLOCK_MAX} octets")
        try:
            yield bytes(cramjam.snappy.decompress_raw(block))
        except cramjam.DecompressionError as error:
            raise Undecodable(f"snappy: {error}") from error


def _framed_parts(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """Of one lz4 or zstd frame."""
    try:
        while True:
            if piece := unpacker.decompress(packed, PIECE_OCTETS):
                yield piece
            if unpacker.eof:
                return
            packed = b""
            if unpacker.needs_input and not piece:
                raise Undecodable("the compressed octets end too early")
    except (zstd.ZstdError, RuntimeError) as error:
        raise Undecodable(str(error)) from error


def _gzip_parts(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """Of one gzip member."""
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(packed, PIECE_OCTETS)
            packed = unpacker.unconsumed_tail
            if piece:
                yield piece
            elif not packed and not unpacker.eof:
                raise Undecodable("the compressed octets end too early")
    except zlib.error as error:
        raise Undecodable(str(error)) from error


def _unpack_snappy(packed: bytes, space: memoryview) -> int:
    """Raises Undecodable also where `space` does not suffice."""
    length = 0
    for block in _snappy_blocks(packed):
        end = length + _snappy_length(block)
        if end > len(space):
            raise Undecodable("snappy: too long")
        cramjam.snappy.decompress_raw_into(block, space[length:end])
        length = end
    return length


def _snappy_blocks(packed: bytes) -> Iterator[bytes]:
    """The one block, or those of xerial's framing, which Java's clients use."""
    if not packed.startswith(_XERIAL):
        yield packed
        return
    at = _XERIAL_HEADER
    while at < len(packed):
        begin = at + 4
        at = begin + int.from_bytes(packed[at:begin])
        if at > len(packed):
            raise Undecodable("the compressed octets end too early")
        yield packed[begin:at]


def _snappy_length(block: bytes) -> int:
    try:
        return int(cramjam.snappy.decompress_raw_len(block))
    except cramjam.DecompressionError as error:
        raise Undecodable(f"snappy: {error}") from error
