"""Pure: many messages in one body: rows of a stream (CSV of RFC 4180, NDJSON), and what each of them says.

A row that is longer than a message may be is let go of as it comes: no more of a stream is held than one row and what
one read brought.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from services.http_api.problems import Problem, problem
from shared.messages.admission import CHECKS, CHECKS_OF_ANY_TEXT, Check, NotAnObject, read_object

ROW_OCTETS_MAX: Final = 65_536
METADATA: Final = "metadata."
BOM: Final = b"\xef\xbb\xbf"

_WHOLE: Final = frozenset({"schema_version", "data_coding", "protocol_id", "priority_flag", "validity_s"})
_FLAGS: Final = frozenset({"transliterate", "flash"})
_NO_COLUMNS: Final = frozenset({"metadata", "tlvs"})
TEXT_FIELDS: Final = tuple(name for name in CHECKS if name not in _NO_COLUMNS)
"""Fields that are written as one text, in a cell or in a query."""

BatchRow = tuple[dict[str, Any], dict[str, Check]]
"""What a row says, and the checks for it."""


class RowSplitter:
    """Cuts a stream into rows, at line ends; with `quoted` not at those within double quotes."""

    def __init__(self, *, quoted: bool) -> None:
        self._quoted: Final = quoted
        self._parts: list[bytes] = []
        self._length = 0
        self._within_quotes = False

    def feed(self, octets: bytes) -> list[bytes | None]:
        """The rows that are whole now, without their ends; None for one that is too long. Empty ones are none."""
        found: list[bytes | None] = []
        *lines, rest = octets.split(b"\n")
        for line in lines:
            self._append(line)
            if self._within_quotes:
                self._append(b"\n")
            else:
                self._end(found)
        self._append(rest)
        return found

    def finish(self) -> list[bytes | None]:
        """The last row, where the stream did not end with a line end."""
        found: list[bytes | None] = []
        self._end(found)
        return found

    def _append(self, piece: bytes) -> None:
        if self._quoted and piece.count(b'"') % 2:
            self._within_quotes = not self._within_quotes
        self._length += len(piece)
        if self._length <= ROW_OCTETS_MAX:
            self._parts.append(piece)
        else:
            self._parts.clear()

    def _end(self, found: list[bytes | None]) -> None:
        row = b"".join(self._parts).removesuffix(b"\r") if self._length <= ROW_OCTETS_MAX else None
        self._parts.clear()
        self._length = 0
        self._within_quotes = False
        if row is None or row.strip():
            found.append(row)


def said_by(texts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Fields that were written as texts, with the types of a request; `metadata.x` is the entry x of metadata. What is
    empty is absent; what is no number or no flag stays a text, which is then an `invalid_field`."""
    said: dict[str, Any] = {}
    for name, text in texts:
        if not text:
            continue
        if name.startswith(METADATA):
            said.setdefault("metadata", {})[name.removeprefix(METADATA)] = text
        elif name in _WHOLE and text.isascii() and text.isdecimal() and len(text) < 10:
            said[name] = int(text)
        elif name in _FLAGS and text.lower() in {"true", "false"}:
            said[name] = text.lower() == "true"
        else:
            said[name] = text
    return said


def is_text_field(name: str) -> bool:
    """Whether a column, or a parameter of a query, may be called so."""
    return name in TEXT_FIELDS or (name.startswith(METADATA) and len(name) > len(METADATA))


def read_json_row(row: bytes, defaults: Mapping[str, Any]) -> BatchRow | Problem:
    """A line of NDJSON."""
    read = read_object(row)
    if isinstance(read, NotAnObject):
        return problem("invalid_json", "", read.error)
    return {**defaults, **read[0]}, read[1]


def csv_columns(header: bytes | None) -> list[str] | Problem:
    """The names in the header row of a CSV."""
    if header is None:
        return problem("too_large", "", "the header row is too long")
    cells = _cells(header)
    if isinstance(cells, Problem):
        return cells
    columns = [cell.strip() for cell in cells]
    if not columns:
        return problem("invalid_field", "", "a CSV begins with a row of names of fields")
    for place, name in enumerate(columns):
        if not is_text_field(name):
            known = f"known: {', '.join(TEXT_FIELDS)}, metadata.x"
            return problem("invalid_field", name[:64], f"no column may be called so; {known}")
        if name in columns[:place]:
            return problem("invalid_field", name[:64], "the column is there twice")
    return columns


def csv_reader(columns: list[str]) -> Callable[[bytes, Mapping[str, Any]], BatchRow | Problem]:
    """What reads a row of a CSV with these columns."""

    def read_row(row: bytes, defaults: Mapping[str, Any]) -> BatchRow | Problem:
        cells = _cells(row)
        if isinstance(cells, Problem):
            return cells
        if len(cells) != len(columns):
            return problem("invalid_field", "", f"{len(cells)} cells, the header row has {len(columns)}")
        return {**defaults, **said_by(zip(columns, cells, strict=True))}, CHECKS_OF_ANY_TEXT

    return read_row


def _cells(row: bytes) -> list[str] | Problem:
    try:
        (cells,) = csv.reader([row.decode("utf-8")], strict=True)
    except (ValueError, csv.Error) as error:
        return problem("invalid_field", "", f"no row of a CSV in UTF-8: {error}")
    return cells
