"""Record batches as clients write them, and as nobody should."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cramjam
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from shared.kafka.bounded_fetch import BoundedRecords, KeptRecords
from shared.kafka.codecs import GZIP, LZ4, SNAPPY, ZSTD

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NONE = 0
CODECS = (NONE, GZIP, SNAPPY, LZ4, ZSTD)
PLACE = TopicPartition("mt.requests", 3)
HEAD = 61

Headers = Sequence[tuple[str, bytes | None]]


class Written(NamedTuple):
    """What a client wrote."""

    value: bytes | None = b"v"
    key: bytes | None = b"k"
    headers: Headers = ()


def batch(first: int, *records: Written, codec: int = NONE, producer: int = -1) -> bytes:
    """As aiokafka's producer writes it."""
    builder = DefaultRecordBatchBuilder(2, codec, int(producer >= 0), producer, 0, 0, 1 << 40)
    for delta, record in enumerate(records):
        builder.append(delta, 1_000 + delta, record.key, record.value, list(record.headers))
    octets = bytearray(builder.build())
    octets[:8] = first.to_bytes(8)
    return bytes(octets)


def packed_as(plain: bytes, codec: int, packed: bytes, count: int | None = None) -> bytes:
    """A batch that was written without compression, with `packed` for its records, whatever that is."""
    head = bytearray(plain[:HEAD])
    head[8:12] = (HEAD - 12 + len(packed)).to_bytes(4)
    head[22] |= codec
    if count is not None:
        head[23:27] = (count - 1).to_bytes(4)
        head[57:61] = count.to_bytes(4)
    octets = bytes(head) + packed
    crc = int(calc_crc32c(octets[21:]))
    return octets[:17] + crc.to_bytes(4) + octets[21:]


def raw_snappy(plain: bytes) -> bytes:
    """Without xerial's framing, as librdkafka writes it."""
    return packed_as(plain, SNAPPY, bytes(cramjam.snappy.compress_raw(plain[HEAD:])))


def looking_far_back(plain: bytes) -> bytes:
    """By zstd, with a window of 128 MiB, as its highest levels want it."""
    packer = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): 27})
    return packed_as(plain, ZSTD, packer.compress(plain[HEAD:], zstd.ZstdCompressor.FLUSH_FRAME))


def in_two_streams(plain: bytes, codec: int) -> bytes:
    """The records cut anywhere, each part compressed by itself."""
    module: Any = {GZIP: cramjam.gzip, LZ4: cramjam.lz4, ZSTD: cramjam.zstd}[codec]
    middle = HEAD + (len(plain) - HEAD) // 2
    parts = (plain[HEAD:middle], plain[middle:])
    return packed_as(plain, codec, b"".join(bytes(module.compress(part)) for part in parts))


def fetched(octets: bytes, start: int = 0, aborted: Iterable[tuple[int, int]] = ()) -> BoundedRecords:
    """As our consumers read what was fetched."""
    return BoundedRecords(
        PLACE,
        KeptRecords(octets),
        list(aborted),
        start,
        None,
        None,
        check_crcs=True,
        isolation_level=fetcher.READ_COMMITTED,
    )
