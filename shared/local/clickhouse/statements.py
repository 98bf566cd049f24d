"""Pure: what a statement is, as far as HTTP must know: an INSERT with data, its output format, and what is refused.

A small lexer in the shape of ClickHouse's own (strings, quoted names, heredocs, comments, words) keeps words inside
literals from being taken for keywords, and keywords from being hidden in them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from shared.local.clickhouse.errors import READONLY, SUPPORT_IS_DISABLED, SYNTAX_ERROR, ClickHouseError

STATEMENT_OCTETS_MAX = 16 << 20
_INSERT_HEAD_OCTETS_MAX = 1 << 18  # the engine's max_query_size

_TOKEN = re.compile(
    rb"(?P<skip>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)"
    rb"|(?P<literal>'(?:\\.|''|[^'\\])*'|\xe2\x80\x98.*?\xe2\x80\x99|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    rb"|(?P<name>`(?:\\.|``|[^`\\])*`|\"(?:\\.|\"\"|[^\"\\])*\"|\xe2\x80\x9c.*?\xe2\x80\x9d)"
    rb"|(?P<word>\w+)"
    rb"|(?P<other>.)",
    re.DOTALL,
)
_AFTER_FORMAT = re.compile(rb"[ \t\f]*\r?\n?")
_ROWS_FIRST_WORDS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "FROM", "("})
_STREAMED_FIRST_WORDS = frozenset({"SELECT", "WITH"})
_NESTING = {"(": 1, ")": -1}
_UNFINISHED = frozenset({"'", "`", '"', "/"})  # a literal or comment whose end has not arrived yet


@dataclass(frozen=True, slots=True)
class SqlToken:
    """One lexical element: its kind (literal, name, word, other), text, and where it begins and ends."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in capitals, the character itself for punctuation, "" for literals and quoted names."""
        return self.text.upper() if self.kind in ("word", "other") else ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole statement without data: its text and its elements."""

    text: str
    elements: tuple[SqlToken, ...]

    @property
    def first_word(self) -> str:
        """The first word in capitals, or the first character where it is no word; "" for an empty statement."""
        return self.elements[0].keyword if self.elements else ""


@dataclass(frozen=True, slots=True)
class InsertHead:
    """``INSERT INTO ... FORMAT X`` or ``... VALUES``: the statement without them, the format, where the data begins."""

    statement: str
    input_format: str
    data_offset: int

    def reading_from(self, path: str) -> str:
        """Return the statement that reads its data from a file of this machine instead."""
        octets = self.statement.encode()
        clause = _settings_clause(octets)
        source = f" FROM INFILE {quoted(path)} COMPRESSION 'none' "
        return f"{octets[:clause].decode()}{source}{octets[clause:].decode()} FORMAT {self.input_format}"


class NotReadYet(Enum):
    """Why there is no INSERT head: the statement is none with data, or its head has not arrived whole."""

    QUERY = "query"
    INCOMPLETE = "incomplete"


def tokens(octets: bytes) -> Iterator[SqlToken]:
    """Yield the elements of a statement; white space and comments are left out."""
    for match in _TOKEN.finditer(octets):
        kind = match.lastgroup or "other"
        if kind != "skip":
            kind = "literal" if kind == "tag" else kind
            yield SqlToken(kind, match[0].decode("utf-8", "replace"), match.start(), match.end())


def find_insert(octets: bytes, *, complete: bool) -> InsertHead | NotReadYet:
    """Look for the head of an INSERT that carries its data behind it.

    ``octets`` is the body as far as it has arrived, ``complete`` whether that is all of it. INCOMPLETE is only answered
    while more may come and less than 256 KiB are there.
    """
    depth = 0
    previous: SqlToken | None = None
    for token in tokens(octets[:_INSERT_HEAD_OCTETS_MAX]):
        word = token.keyword
        if word in _UNFINISHED or (token.end == len(octets) and not complete):
            break
        if previous is None and word != "INSERT":
            return NotReadYet.QUERY
        depth += _NESTING.get(word, 0)
        if depth == 0 and token.kind == "word" and previous is not None:
            if previous.keyword == "FORMAT":
                gap = _AFTER_FORMAT.match(octets, token.end)
                return InsertHead(_decoded(octets[: previous.start]), token.text, gap.end() if gap else token.end)
            if word == "VALUES":
                return InsertHead(_decoded(octets[: token.start]), "Values", token.end)
            if word in ("SELECT", "WITH", "WATCH"):
                return NotReadYet.QUERY
        previous = token
    return NotReadYet.QUERY if complete or len(octets) >= _INSERT_HEAD_OCTETS_MAX else NotReadYet.INCOMPLETE


def _settings_clause(octets: bytes) -> int:
    """Return where an INSERT's own SETTINGS begin, its end where it has none."""
    depth = 0
    for token in tokens(octets):
        depth += _NESTING.get(token.keyword, 0)
        if depth == 0 and token.keyword == "SETTINGS":
            return token.start
    return len(octets)


def parse(octets: bytes) -> Statement:
    """Return a statement's text and elements; raises ClickHouseError (62 SYNTAX_ERROR) when it is no UTF-8."""
    return Statement(_decoded(octets), tuple(tokens(octets)))


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError(SYNTAX_ERROR, f"The statement is not valid UTF-8 at octet {error.start}.") from error


def refuse_forbidden(statement: Statement, *, read_only: bool) -> None:
    """Raise ClickHouseError for what neither grants nor ``readonly`` of the embedded engine prevent.

    INTO OUTFILE and FROM INFILE read and write files as this process, the table function ``Python`` reads this
    process's objects (344 SUPPORT_IS_DISABLED); several statements in one request are refused as a server does (62
    SYNTAX_ERROR); a read-only connection may not KILL (164 READONLY).
    """
    elements = statement.elements
    if read_only and statement.first_word == "KILL":
        raise ClickHouseError(READONLY, "Cannot execute query in readonly mode.")
    for token, following in pairwise(elements):
        if token.keyword == ";" and following.keyword != ";":
            raise ClickHouseError(SYNTAX_ERROR, "Syntax error: Multi-statements are not allowed.")
        if token.text.strip('`"“”').lower() == "python" and following.keyword == "(":
            raise ClickHouseError(SUPPORT_IS_DISABLED, "The table function Python is not available over HTTP.")
        if (token.keyword, following.keyword) in (("INTO", "OUTFILE"), ("FROM", "INFILE")):
            raise ClickHouseError(SUPPORT_IS_DISABLED, "INTO OUTFILE and INFILE are not available over HTTP.")


def output_format(statement: Statement) -> str | None:
    """Return the format that the statement names itself, at its end or before SETTINGS; None without one."""
    clause = _format_clause(statement)
    return clause[1].text if clause else None


def without_format(statement: Statement) -> str:
    """Return the statement's text without its FORMAT clause."""
    clause = _format_clause(statement)
    if clause is None:
        return statement.text
    octets = statement.text.encode()
    return (octets[: clause[0].start] + octets[clause[1].end :]).decode()


def _format_clause(statement: Statement) -> tuple[SqlToken, SqlToken] | None:
    depth = 0
    found = None
    elements = statement.elements
    for index, (token, following) in enumerate(pairwise(elements)):
        depth += _NESTING.get(token.keyword, 0)
        if depth == 0 and token.keyword == "FORMAT" and following.kind == "word":
            after = elements[index + 2].keyword if index + 2 < len(elements) else ""
            found = (token, following) if after in ("", ";", "SETTINGS") else found
    return found


def returns_rows(statement: Statement) -> bool:
    """Whether a statement has a result set, which has column names even when it is empty."""
    return statement.first_word in _ROWS_FIRST_WORDS


def may_be_streamed(statement: Statement) -> bool:
    """Whether the engine can hand out the result block by block."""
    return statement.first_word in _STREAMED_FIRST_WORDS


def quoted(text: str) -> str:
    """Return text as a string literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    """Return a database or table name in backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
