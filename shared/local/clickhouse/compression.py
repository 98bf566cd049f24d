"""Pure: HTTP content encodings of requests and answers: gzip, deflate, zstd, lz4.

Answers are packed block by block; the concatenation of whole gzip, zstd or lz4 streams is again a valid one.
"""

import gzip
import sys
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from shared.local.clickhouse.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, ClickHouseError

_GZIP_WINDOW_BITS = 31
_FAST = 1

_UNPACKERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP_WINDOW_BITS),
    "deflate": zlib.decompressobj,
    "zstd": zstd.ZstdDecompressor,
    "lz4": lz4.frame.LZ4FrameDecompressor,
}
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lambda octets: bytes(lz4.frame.compress(octets)),
    "zstd": lambda octets: bytes(zstd.compress(octets, _FAST)),
    "gzip": lambda octets: gzip.compress(octets, _FAST),
}


class StreamDecoder:
    """Unpacks one request body of a given content encoding, piece by piece."""

    def __init__(self, encoding: str) -> None:
        """Start a stream. Raises ClickHouseError (48 NOT_IMPLEMENTED) for an encoding that is not supported."""
        if encoding not in _UNPACKERS:
            known = ", ".join(_UNPACKERS)
            raise ClickHouseError(NOT_IMPLEMENTED, f"Unknown Content-Encoding '{encoding}'; supported: {known}.")
        self._encoding = encoding
        self._unpacker = _UNPACKERS[encoding]()
        self._fed = False

    def feed(self, octets: bytes) -> bytes:
        """Take the next piece, return what it unpacks to; several streams one after the other are one body.

        Raises ClickHouseError (271 CANNOT_DECOMPRESS) for damaged octets.
        """
        unpacked = []
        try:
            while octets:
                if self._unpacker.eof:
                    self._unpacker = _UNPACKERS[self._encoding]()
                self._fed = True
                unpacked.append(self._unpacker.decompress(octets))
                octets = (self._unpacker.unused_data or b"") if self._unpacker.eof else b""
        except (zlib.error, zstd.ZstdError, RuntimeError) as error:
            raise ClickHouseError(CANNOT_DECOMPRESS, f"Cannot decompress {self._encoding} body: {error}.") from error
        return b"".join(unpacked)

    @property
    def finished(self) -> bool:
        """Whether the body ended where a stream ends."""
        return not self._fed or bool(self._unpacker.eof)


def choose_encoding(accept_encoding: str) -> str:
    """Return the first of lz4, zstd, gzip that an Accept-Encoding header names, "" for none of them."""
    offered = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    return next((encoding for encoding in _PACKERS if encoding in offered), "")


def pack(encoding: str, octets: bytes) -> bytes:
    """Return octets as one whole stream of the encoding; "" leaves them as they are."""
    return _PACKERS[encoding](octets) if encoding else octets
