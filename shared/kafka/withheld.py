"""Pure: the value of a record that is not handed out whole, because it is too large or cannot be read."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from schemas.dead_letters import TOO_LARGE, UNREADABLE_BATCH
from schemas.record_limits import KEPT_HEADERS, KEPT_OCTETS


class Withheld(bytes):
    """Empty, so that whoever reads it as a value finds nothing; it says what it stands for.

    Every reader takes an empty value for a record that fits no schema, and makes a dead letter of it or passes it over.
    `dead_letter` writes what stands here.
    """

    reason: str
    error: str
    """A sentence for people."""
    start: bytes
    """The first `KEPT_OCTETS` of the value, or of the batch."""
    length: int
    """Octets of the whole value, or of the batch as it lies in the log."""
    sha256: str
    """Of the same, hexadecimal."""
    key_length: int
    """Octets of the whole key; the record has the first `KEPT_OCTETS` of it."""

    def __new__(
        cls, reason: str, error: str, start: bytes, length: int, digest: str, key_length: int = 0
    ) -> "Withheld":
        self = super().__new__(cls)
        self.reason, self.error = reason, error
        self.start, self.length, self.sha256, self.key_length = start, length, digest, key_length
        return self


def too_large(
    start: bytes, length: int, digest: str, *, key_length: int, headers: int, octets_max: int, headers_max: int
) -> Withheld:
    """Instead of a value that has `length` octets. `headers`: octets of the headers."""
    error = (
        f"too large: {key_length} octets of key, {length} of value and {headers} of headers; "
        f"at most {octets_max} octets and {headers_max} headers are read"
    )
    return Withheld(TOO_LARGE, error, start, length, digest, key_length)


def unreadable(batch: bytes | memoryview, first: int, last: int, why: str) -> Withheld:
    """Instead of the records from offset `first` to `last`, which `batch` is said to have."""
    error = f"offsets {first} to {last} cannot be read out of their batch: {why}"
    return Withheld(UNREADABLE_BATCH, error, bytes(batch[:KEPT_OCTETS]), len(batch), sha256(batch).hexdigest())


def kept_headers(headers: Iterable[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes | None], ...]:
    """The first of a record's headers: at most `KEPT_HEADERS`, with `KEPT_OCTETS` together."""
    kept: list[tuple[str, bytes | None]] = []
    octets = 0
    for name, value in headers:
        octets += len(name.encode("utf-8", "replace")) + len(value or b"")
        if octets > KEPT_OCTETS or len(kept) == KEPT_HEADERS:
            break
        kept.append((name, value))
    return tuple(kept)


def headers_octets(headers: Sequence[tuple[str, bytes | None]]) -> int:
    """Octets of the names and values of headers."""
    return sum(len(name.encode("utf-8", "replace")) + len(value or b"") for name, value in headers)
