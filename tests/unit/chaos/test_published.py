"""Pure: messages are told from records by their keys and first places."""

from typing import Any

from services.cli.demo.reconcile import Published, Submit
from tests.chaos.published import Requests, Written


def record(message_id: str, to: str, key: str | None = None, **fields: Any) -> Written:
    value = {"account_id": "shop", "to": to} | ({"idempotency_key": key} if key else {}) | fields
    return Written(message_id, value)


def test_records_with_one_key_are_one_message() -> None:
    requests = Requests()
    for written in (
        record("a", "+441", receipt="none"),
        record("b", "+442", "k1"),
        record("c", "+441"),
        record("d", "+442", "k1"),
        record("b", "+442", "k1"),
    ):
        requests.add(written)
    expected = [Published("a", "441", "none"), Published("b", "442", "final", ("d",)), Published("c", "441")]
    assert requests.published() == expected
    assert requests.published(2) == expected[2:]
    assert (len(requests), requests.ids) == (3, {"a", "b", "c", "d"})


def test_a_key_is_an_accounts_own() -> None:
    requests = Requests()
    requests.add(record("a", "+441", "k1"))
    requests.add(record("b", "+442", "k1", account_id="kiosk"))
    assert len(requests) == 2


def test_what_was_submitted_before_its_time_is_early() -> None:
    requests = Requests()
    requests.add(record("a", "+441", send_at="2026-09-21T14:13:20Z"))
    requests.add(record("b", "+442"))
    at_ms = 1_790_000_000_000
    in_time = [Submit("441", 1, 1, at_ms), Submit("442", 1, 1, 5)]
    assert requests.early(in_time) == []
    assert requests.early([*in_time, Submit("441", 2, 2, at_ms - 1)]) == ["441"]
