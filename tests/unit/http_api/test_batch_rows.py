"""Rows of a stream, and what they say."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http_api.batch_rows import (
    ROW_OCTETS_MAX,
    RowSplitter,
    csv_columns,
    csv_reader,
    read_json_row,
    said_by,
)
from services.http_api.problems import Problem


def _split(octets: bytes, size: int, *, quoted: bool) -> list[bytes | None]:
    splitter = RowSplitter(quoted=quoted)
    rows: list[bytes | None] = []
    for start in range(0, len(octets), size):
        rows += splitter.feed(octets[start : start + size])
    return rows + splitter.finish()


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,"\n\r é'), max_size=6), min_size=1, max_size=3), max_size=6),
    st.integers(1, 9),
)
def test_however_a_csv_comes_in_its_rows_are_those_of_the_csv_module(table: list[list[str]], size: int) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(table)
    rows = _split(written.getvalue().encode(), size, quoted=True)
    assert [next(csv.reader([row.decode()])) for row in rows if row is not None] == table


def test_lines_blank_lines_and_a_last_line_without_an_end() -> None:
    assert _split(b'{"a":1}\r\n\n  \n{"b":2}', 3, quoted=False) == [b'{"a":1}', b'{"b":2}']


def test_a_row_that_is_too_long_is_one_row_and_what_follows_is_read() -> None:
    assert _split(b"a" * (ROW_OCTETS_MAX + 1) + b"\nb\n", 4096, quoted=False) == [None, b"b"]
    quoted = b'"' + b"a\n" * ROW_OCTETS_MAX + b'"\nb\n'
    assert _split(quoted, 65_536, quoted=True) == [None, b"b"]
    assert _split(b"a" * ROW_OCTETS_MAX, 4096, quoted=False) == [b"a" * ROW_OCTETS_MAX]


def test_cells_have_the_types_of_a_request() -> None:
    cells = {
        "to": "447700900123",
        "flash": "TRUE",
        "validity_s": "60",
        "text": "",
        "metadata.a": "1",
        "data_coding": "x",
    }
    assert said_by(cells.items()) == {
        "to": "447700900123", "flash": True, "validity_s": 60, "metadata": {"a": "1"}, "data_coding": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "field"), [(b"to,txt", "txt"), (b"to,to", "to"), (b"metadata", "metadata"), (b"", ""), (b"tlvs", "tlvs")]
)
def test_a_header_row_with_unknown_names_is_refused(header: bytes, field: str) -> None:
    told = csv_columns(header)
    assert isinstance(told, Problem) and (told.errors[0].reason, told.errors[0].field) == ("invalid_field", field)


def test_rows_go_over_the_defaults() -> None:
    columns = csv_columns(b"to, text")
    assert columns == ["to", "text"]
    read = csv_reader(["to", "text"])
    told = read(b'1,"a ""b"""', {"lane": "bulk", "text": "c"})
    assert not isinstance(told, Problem) and told[0] == {"lane": "bulk", "to": "1", "text": 'a "b"'}
    assert isinstance(read(b"1", {}), Problem) and isinstance(read(b"\xff,1", {}), Problem)
    json_row = read_json_row(b'{"lane": "txn"}', {"lane": "bulk", "to": "1"})
    assert not isinstance(json_row, Problem) and json_row[0] == {"lane": "txn", "to": "1"}
    assert isinstance(read_json_row(b"[]", {}), Problem)
