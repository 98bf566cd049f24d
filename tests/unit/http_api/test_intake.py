"""A request at the door: what is published, and what is told to be wrong."""

import json
from typing import Any

import orjson
import pytest

from schemas.gateway.accounts import Account, Limits
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from services.http_api.intake import Prepared, Rules, prepare
from services.http_api.problems import Problem
from shared.messages.admission import Admitted, admit
from shared.messages.country import CountryTable
from shared.messages.routing import GatewayView

SHOP = Account(id="shop", default_sender="SHOP", max_segments=2)
RULES = Rules(GatewayView(None), CountryTable({"44": "GB"}))
AT_MS = 1_780_000_000_000


def _prepared(body: dict[str, Any], key: str | None = None, account: Account = SHOP) -> Prepared:
    found = prepare(orjson.dumps(body), account, RULES, AT_MS, key)
    assert isinstance(found, Prepared)
    return found


def _problem(body: bytes | dict[str, Any], key: str | None = None, account: Account = SHOP) -> Problem:
    found = prepare(body if isinstance(body, bytes) else json.dumps(body).encode(), account, RULES, AT_MS, key)
    assert isinstance(found, Problem)
    return found


def test_the_record_is_what_ingress_admits() -> None:
    made = _prepared({"to": "+447700900123", "text": "Hello", "unknown": 1, "flash": None})
    assert made[1:] == ("+447700900123", "SHOP", "txn", "gsm7", 1, None)
    assert made.out.topic == MT_REQUESTS and made.out.key is None
    assert orjson.loads(made.out.value or b"") == {"to": "+447700900123", "text": "Hello", "account_id": "shop"}
    assert isinstance(admit(made.out.value, AT_MS, "txn"), Admitted)


def test_a_password_goes_its_own_way_and_a_key_to_its_partition() -> None:
    made = _prepared({"to": "447700900123", "text": "1234", "lane": "otp"}, "k1")
    assert (made.out.topic, made.out.key) == (MT_REQUESTS_OTP, b"shop:k1")
    assert orjson.loads(made.out.value or b"")["idempotency_key"] == "k1"


def test_segments_and_alphabet_are_those_of_the_text() -> None:
    made = _prepared({"to": "447700900123", "text": "ж" * 71, "from": "+4477009001"})
    assert (made.encoding, made.segments, made.sender) == ("ucs2", 2, "+4477009001")


@pytest.mark.parametrize(
    ("body", "reason", "field", "status"),
    [
        (b"", "invalid_json", "", 400),
        (b"[1]", "invalid_json", "", 400),
        (b'{"to": NaN}', "invalid_json", "", 400),
        ({"text": "x"}, "missing_field", "to", 400),
        ({"to": "447700900123"}, "body_conflict", "text", 400),
        ({"to": "4477", "text": "x"}, "invalid_destination", "to", 400),
        ({"to": "447700900123", "text": "x", "from": "!" * 12}, "invalid_sender", "from", 400),
        ({"to": "447700900123", "text": "x" * 400}, "text_too_long", "text", 400),
        ({"to": "447700900123", "text": "ж", "encoding": "gsm7"}, "not_encodable", "text", 400),
        ({"to": "447700900123", "text": "x", "send_at": "2020-01-01T00:00:00Z"},
         "schedule_out_of_range", "send_at", 400),
        ({"to": "447700900123", "text": "x", "account_id": "bank"}, "account_mismatch", "account_id", 403),
        ({"to": "447700900123", "text": "\ud800"}, "invalid_field", "text", 400),
        ({"to": "447700900123", "text": "x", "idempotency_key": "b"}, "invalid_field", "idempotency_key", 400),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(body: bytes | dict[str, Any], reason: str, field: str, status: int) -> None:
    told = _problem(body, "a")
    assert (told.errors[0].reason, told.errors[0].field, told.status) == (reason, field, status)
    document = orjson.loads(told.body())
    assert (document["type"], document["reason"]) == (f"/problems/{reason}", reason)


def test_every_wrong_field_is_told_the_first_of_the_contract_first() -> None:
    told = orjson.loads(_problem({"lane": "x", "to": 7, "text": "x"}).body())
    assert [(one["reason"], one["field"]) for one in told["errors"]] == [
        ("invalid_field", "to"),
        ("invalid_field", "lane"),
    ]


def test_an_account_without_a_sender_needs_one() -> None:
    assert _problem({"to": "447700900123", "text": "x"}, account=Account(id="a")).errors[0].reason == "invalid_sender"


def test_a_lane_that_the_account_may_not_use_is_forbidden() -> None:
    account = SHOP.model_copy(update={"limits": Limits(lanes=("txn",))})
    told = _problem({"to": "447700900123", "text": "x", "lane": "bulk"}, account=account)
    assert (told.errors[0].reason, told.errors[0].field, told.status) == ("lane_not_allowed", "lane", 403)
