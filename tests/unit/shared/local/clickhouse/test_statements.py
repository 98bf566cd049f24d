"""Unit tests of how statements are read."""

import pytest

from shared.local.clickhouse.errors import ClickHouseError
from shared.local.clickhouse.statements import (
    InsertHead,
    NotReadYet,
    find_insert,
    may_be_streamed,
    output_format,
    parse,
    quoted,
    quoted_name,
    refuse_forbidden,
    returns_rows,
    without_format,
)

INSERTS = [
    (b"INSERT INTO t FORMAT JSONEachRow\n{}", "INSERT INTO t ", "JSONEachRow", b"{}"),
    (b"insert into a.t settings z=1 format Native\n\n\x09", "insert into a.t settings z=1 ", "Native", b"\n\x09"),
    (b"/*FORMAT x*/--(\nINSERT INTO `VALUES` VALUES (1)", "/*FORMAT x*/--(\nINSERT INTO `VALUES` ", "Values", b" (1)"),
    (b"INSERT INTO t (format, values) FORMAT CSV \r\n1,2", "INSERT INTO t (format, values) ", "CSV", b"1,2"),
    (b"INSERT INTO t (`a ) FORMAT b`) FORMAT TSV\n1", "INSERT INTO t (`a ) FORMAT b`) ", "TSV", b"1"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "statement", "input_format", "data"), INSERTS)
def test_insert_head_is_cut_from_its_data(body: bytes, statement: str, input_format: str, data: bytes) -> None:
    found = find_insert(body, complete=True)
    assert isinstance(found, InsertHead)
    assert (found.statement, found.input_format, body[found.data_offset :]) == (statement, input_format, data)


@pytest.mark.parametrize("body", [insert[0] for insert in INSERTS])
def test_insert_head_is_the_same_wherever_the_body_is_cut(body: bytes) -> None:
    whole = find_insert(body, complete=True)
    assert isinstance(whole, InsertHead)
    for size in range(1, len(body)):
        found = find_insert(body[:size], complete=False)
        assert found is NotReadYet.INCOMPLETE or (
            isinstance(found, InsertHead)
            and (found.statement, found.input_format) == (whole.statement, whole.input_format)
        )


@pytest.mark.parametrize(
    "body",
    [
        b"SELECT 1",
        b"INSERT INTO t SELECT 1 FORMAT Null",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t",
        b"",
        b"INSERT INTO t (a) VALUE",
    ],
)
def test_statements_without_data_are_queries(body: bytes) -> None:
    assert find_insert(body, complete=True) is NotReadYet.QUERY


@pytest.mark.parametrize(
    ("body", "statement"),
    [
        (b"INSERT INTO t (a) VALUES (1)", "INSERT INTO t (a)  FROM INFILE 'f' COMPRESSION 'none'  FORMAT Values"),
        (
            b"INSERT INTO t (settings) SETTINGS x = 1 FORMAT CSV\n1",
            "INSERT INTO t (settings)  FROM INFILE 'f' COMPRESSION 'none' SETTINGS x = 1  FORMAT CSV",
        ),
    ],
)
def test_an_insert_can_read_from_a_file(body: bytes, statement: str) -> None:
    found = find_insert(body, complete=True)
    assert isinstance(found, InsertHead)
    assert found.reading_from("f") == statement


def test_select_is_decided_by_its_first_word() -> None:
    assert find_insert(b"SELECT", complete=False) is NotReadYet.INCOMPLETE
    assert find_insert(b"SELECT ", complete=False) is NotReadYet.QUERY


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 format Native;", "Native"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        ("SELECT 1", None),
        ("SELECT ' FORMAT JSON'", None),
        ("SELECT 1 -- FORMAT JSON", None),
        ("SELECT format('{}', 'FORMAT') FROM (SELECT 1)", None),
        ("SELECT `FORMAT` FROM t FORMAT TSV -- FORMAT JSON", "TSV"),
    ],
)
def test_output_format_is_the_last_clause(sql: str, name: str | None) -> None:
    assert output_format(parse(sql.encode())) == name


def test_without_format_keeps_the_rest() -> None:
    sql = "SELECT 'é' FORMAT Native SETTINGS max_threads = 1"
    assert without_format(parse(sql.encode())) == "SELECT 'é'  SETTINGS max_threads = 1"
    assert without_format(parse(b"SELECT 1")) == "SELECT 1"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "select 1 into/**/outfile '/tmp/x'",
        "SELECT $$'$$ INTO OUTFILE '/tmp/x'",
        "SELECT ‘'‘’ INTO OUTFILE '/tmp/x'",
        "SELECT '\\'' INTO OUTFILE '/tmp/x'",
        "SELECT '''' INTO OUTFILE '/tmp/x'",
        "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
        "SELECT * FROM Python(os)",
        "SELECT * FROM `python` (os)",
    ],
)
def test_files_and_objects_of_the_process_are_out_of_reach(sql: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        refuse_forbidden(parse(sql.encode()), read_only=False)
    assert caught.value.code == 344


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'INTO OUTFILE'",
        "SELECT 1 -- INTO OUTFILE 'x'",
        "SELECT python FROM t",
        "SELECT 1;",
        "SELECT ';' ; ;",
        "KILL QUERY WHERE 0",
    ],
)
def test_what_only_looks_forbidden_is_allowed(sql: str) -> None:
    refuse_forbidden(parse(sql.encode()), read_only=False)


def test_several_statements_are_a_syntax_error() -> None:
    with pytest.raises(ClickHouseError, match="Multi-statements are not allowed") as caught:
        refuse_forbidden(parse(b"SELECT 1; DROP TABLE t"), read_only=False)
    assert caught.value.code == 62


def test_read_only_connections_kill_nothing() -> None:
    with pytest.raises(ClickHouseError) as caught:
        refuse_forbidden(parse(b"KILL QUERY WHERE 1"), read_only=True)
    assert caught.value.code == 164


def test_text_that_is_no_utf8_is_a_syntax_error() -> None:
    with pytest.raises(ClickHouseError, match="at octet 8") as caught:
        parse(b"SELECT '\xff'")
    assert caught.value.code == 62


def test_which_statements_have_rows() -> None:
    assert returns_rows(parse(b"(SELECT 1)"))
    assert returns_rows(parse(b"/* x */ SHOW TABLES"))
    assert not returns_rows(parse(b"CREATE TABLE t (a Int8) ENGINE = Log"))
    assert not returns_rows(parse(b""))
    assert may_be_streamed(parse(b"WITH 1 AS x SELECT x"))
    assert not may_be_streamed(parse(b"SHOW TABLES"))


def test_quoting() -> None:
    assert quoted("a'b\\") == "'a\\'b\\\\'"
    assert quoted_name("a`b") == "`a\\`b`"
