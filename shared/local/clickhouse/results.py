"""Pure: what the engine hands back for one statement."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A whole result: octets in the format asked for, and what it took."""

    octets: bytes
    read_rows: int
    read_octets: int
    written_rows: int
    written_octets: int
    result_rows: int
    elapsed_ns: int
