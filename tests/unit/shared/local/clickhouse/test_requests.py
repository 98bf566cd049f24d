"""Unit tests of reading request heads."""

import base64

import pytest

from shared.local.clickhouse.errors import ClickHouseError
from shared.local.clickhouse.requests import HttpAccount, SessionChoice, authenticate, parse_request


def test_settings_parameters_and_reserved_names_are_told_apart() -> None:
    request = parse_request(
        "POST",
        "query=SELECT+1&database=sms&max_threads=1&param_a=x%26y&session_id=s&session_timeout=5&session_check=1"
        "&query_id=q&no-setting=1&wait_end_of_query=1",
        {"x-clickhouse-format": "JSON", "content-encoding": " GZIP"},
        "other",
    )
    assert request.statement == b"SELECT 1\n"
    assert request.settings == {"max_threads": "1"}
    assert request.parameters == {"a": "x&y"}
    assert request.session == SessionChoice("s", 5.0, must_exist=True)
    assert (request.database, request.query_id, request.default_format) == ("sms", "q", "JSON")
    assert (request.body_encoding, request.wait_end_of_query, request.read_only) == ("gzip", True, 0)


def test_defaults() -> None:
    request = parse_request("POST", "", {}, "made")
    assert (request.statement, request.session, request.query_id) == (b"", None, "made")
    assert (request.default_format, request.answer_encoding) == ("TabSeparated", "")


@pytest.mark.parametrize(
    ("method", "asked", "level"),
    [("GET", "", 2), ("HEAD", "", 2), ("GET", "1", 1), ("POST", "2", 2), ("GET", "0", 2)],
)
def test_get_only_reads(method: str, asked: str, level: int) -> None:
    assert parse_request(method, f"readonly={asked}", {}, "q").read_only == level


def test_answers_are_packed_only_where_both_the_setting_and_the_header_ask() -> None:
    headers = {"accept-encoding": "br, gzip;q=0.5, zstd"}
    assert parse_request("GET", "", headers, "q").answer_encoding == ""
    assert parse_request("GET", "enable_http_compression=1", headers, "q").answer_encoding == "zstd"
    assert parse_request("GET", "enable_http_compression=1", {}, "q").answer_encoding == ""


@pytest.mark.parametrize("query", ["readonly=3", "session_id=a&session_timeout=soon"])
def test_values_that_cannot_be_read_are_bad_arguments(query: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        parse_request("GET", query, {}, "q")
    assert caught.value.code == 36


OWNER = HttpAccount("owner", "s:é")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"authorization": "Basic " + base64.b64encode("owner:s:é".encode()).decode()}),
        ("", {"x-clickhouse-user": "owner", "x-clickhouse-key": "s:é"}),
        ("user=owner&password=s%3A%C3%A9", {}),
    ],
)
def test_the_account_is_let_in(query: str, headers: dict[str, str]) -> None:
    authenticate(OWNER, query, headers)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("user=owner", {}),
        ("user=default&password=s%3A%C3%A9", {}),
        ("", {"authorization": "Basic ***"}),
        ("", {"authorization": "Basic " + base64.b64encode(b"owner:wrong").decode()}),
    ],
)
def test_everybody_else_is_not(query: str, headers: dict[str, str]) -> None:
    with pytest.raises(ClickHouseError) as caught:
        authenticate(OWNER, query, headers)
    assert caught.value.code == 516


def test_without_an_account_default_needs_no_password() -> None:
    authenticate(HttpAccount(), "", {})
    with pytest.raises(ClickHouseError):
        authenticate(HttpAccount(), "password=x", {})
