"""Pure: the records of a batch out of the pieces that it unpacks to: in runs, and one that is too large by itself.

Kafka's record format 2 (`Record` in its protocol guide): a length, attributes, time, offset, key, value, headers; all
numbers are zigzag varints.
"""

from collections.abc import Generator, Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from schemas.record_limits import KEPT_OCTETS
from shared.kafka.codecs import Undecodable
from shared.kafka.withheld import kept_headers

SLACK: Final = 64 << 10
"""Octets of a record in its batch that are no key, value or header: numbers. A record within the limit needs less."""

_VARINT_MAX: Final = 10


class Run(NamedTuple):
    """Whole records, one after the other as in the batch."""

    octets: bytes
    records: int


class LargeRecord(NamedTuple):
    """A record that was passed over: what is kept of it, and how long its parts are."""

    offset_delta: int
    timestamp_delta: int
    key: bytes | None
    key_length: int
    start: bytes
    length: int
    sha256: str
    headers: tuple[tuple[str, bytes | None], ...]
    headers_length: int
    """As they lie in the batch, numbers and all."""


class Passed(NamedTuple):
    """So many octets of a record that is too large were passed over just now; there is more to come."""

    octets: int


def read_runs(pieces: Iterator[bytes], count: int, octets_max: int) -> Iterator[Run | LargeRecord | Passed]:
    """The `count` records in `pieces`. One of more than `octets_max` + `SLACK` octets is never held in whole.

    Raises `Undecodable` where they are no records, or fewer; what lies behind them is not looked at.
    """
    reader = _Reader(pieces)
    while count:
        run = reader.run(count, octets_max + SLACK)
        if run.records:
            count -= run.records
            yield run
            continue
        length = reader.varint()
        if length < 0:
            raise Undecodable(f"a record of {length} octets")
        if length > octets_max + SLACK:
            yield (yield from _pass_over(reader, length))
            count -= 1
        else:
            yield Run(reader.rest_of_record(length), 1)
            count -= 1


def _pass_over(reader: "_Reader", length: int) -> Generator[Passed, None, LargeRecord]:
    end = reader.position + length
    reader.take(1)
    timestamp_delta, offset_delta = reader.varint(), reader.varint()
    key_length = reader.varint()
    key, _ = yield from reader.pass_over(key_length, end)
    value_length = reader.varint()
    start, digest = yield from reader.pass_over(value_length, end)
    headers_length = end - reader.position
    if headers_length < 0:
        raise Undecodable("a field is longer than its record")
    headers, _ = yield from reader.pass_over(headers_length, end)
    return LargeRecord(
        offset_delta,
        timestamp_delta,
        key if key_length >= 0 else None,
        max(0, key_length),
        start,
        max(0, value_length),
        digest,
        kept_headers(_headers_in(headers)),
        headers_length,
    )


def _headers_in(octets: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Those that `octets`, the begin of a record's headers, have whole."""
    reader = _Reader(iter((octets,)))
    try:
        for _ in range(reader.varint()):
            name = reader.take(reader.varint()).decode("utf-8", "backslashreplace")
            length = reader.varint()
            yield name, reader.take(length) if length >= 0 else None
    except Undecodable:
        return


class _Reader:
    """Takes octets in order out of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._at = 0
        self._before = 0
        """How many octets lay before those held."""

    @property
    def position(self) -> int:
        return self._before + self._at

    def _pull(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            raise Undecodable("there are fewer records than the batch says")
        self._before += self._at
        self._held = self._held[self._at :] + piece
        self._at = 0

    def take(self, length: int) -> bytes:
        if length < 0:
            raise Undecodable(f"a field of {length} octets")
        while len(self._held) - self._at < length:
            self._pull()
        begin, self._at = self._at, self._at + length
        return self._held[begin : self._at]

    def varint(self) -> int:
        while (found := _varint(self._held, self._at)) is None:
            self._pull()
        value, self._at = found
        return value

    def run(self, most: int, record_max: int) -> Run:
        """The whole records among the octets held, at most `most`; up to one that is not whole, or too large."""
        held = self._held
        begin = at = self._at
        count = 0
        while count < most and (found := _varint(held, at)) is not None:
            length, body = found
            if not 0 <= length <= record_max or body + length > len(held):
                break
            at = body + length
            count += 1
        self._at = at
        return Run(held[begin:at], count)

    def rest_of_record(self, length: int) -> bytes:
        """A record whose length was read, with its length."""
        return _varint_octets(length) + self.take(length)

    def pass_over(self, length: int, end: int) -> Generator[Passed, None, tuple[bytes, str]]:
        """The first `KEPT_OCTETS` of a field of `length` octets (-1: null), and the SHA-256 of all of it.

        `end`: where the record ends.
        """
        if self.position + length > end:
            raise Undecodable("a field is longer than its record")
        digest = sha256()
        kept = b""
        left = length
        while left > 0:
            if self._at == len(self._held):
                self._pull()
                yield Passed(len(self._held))
            part = memoryview(self._held)[self._at : self._at + left]
            digest.update(part)
            if len(kept) < KEPT_OCTETS:
                kept += bytes(part[: KEPT_OCTETS - len(kept)])
            self._at += len(part)
            left -= len(part)
        return kept, digest.hexdigest()


def _varint(octets: bytes, at: int) -> tuple[int, int] | None:
    """A number and where it ends; None where the octets do not suffice."""
    value = shift = 0
    for end, octet in enumerate(octets[at : at + _VARINT_MAX], at + 1):
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return (value >> 1) ^ -(value & 1), end
        shift += 7
    if shift == 7 * _VARINT_MAX:
        raise Undecodable("a number without an end")
    return None


def _varint_octets(value: int) -> bytes:
    """A number that is not negative."""
    value <<= 1
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
