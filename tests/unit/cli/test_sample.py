"""Pure: the demo's sample is in the repository as generated, and is the mixture that it is meant to be."""

import base64
import json
from collections import Counter
from functools import cache
from typing import Any

import pytest

from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from services.cli.demo.sample import sample
from services.cli.demo.traffic import as_record, read_sample
from services.cli.up.stack import DEMO_DIR
from shared.operations.config.gateway_yaml import parse_gateway
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.segmentation import encode_message


@cache
def messages() -> list[dict[str, Any]]:
    return sample()


def right() -> list[dict[str, Any]]:
    return [message for message in messages() if not message.get("wrong")]


@cache
def encodings() -> list[Encoded]:
    found = [
        encode_message(
            EncodeRequest(
                message_id=f"019f0000-0000-7000-8000-{place:012x}",
                to=value["to"],
                text=value.get("text"),
                data=base64.b64decode(value["data"]) if "data" in value else None,
                udh=base64.b64decode(value.get("udh", "")),
            ),
            ConnectorProfile(),
        )
        for place, value in enumerate(message["value"] for message in right())
    ]
    assert all(isinstance(one, Encoded) for one in found)
    return [one for one in found if isinstance(one, Encoded)]


def test_the_file_is_what_the_generator_makes() -> None:
    assert read_sample() == messages()
    lines = (DEMO_DIR / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == [json.dumps(message, ensure_ascii=False) for message in messages()]


def test_there_are_enough_and_each_has_its_own_destination() -> None:
    assert len(messages()) >= 5000
    destinations = [message["value"]["to"] for message in right()]
    assert len(set(destinations)) == len(destinations)


def test_lanes_accounts_and_countries_are_mixed() -> None:
    values = [message["value"] for message in right()]
    lanes = Counter("otp" if m.get("otp") else m["value"].get("lane", "txn") for m in right())
    accounts = Counter(value["account_id"] for value in values)
    prefixes = Counter(value["to"][1:3] for value in values)
    assert set(lanes) == {"otp", "txn", "bulk"}
    assert min(lanes.values()) > 300
    assert set(accounts) == {"shop", "bank"}
    assert min(accounts.values()) > 1000
    assert len(prefixes) >= 8


def test_alphabets_and_lengths_are_mixed() -> None:
    alphabets = Counter(one.alphabet for one in encodings())
    segments = Counter(len(one.segments) for one in encodings())
    assert min(alphabets[name] for name in ("gsm7", "ucs2", "binary")) > 100
    assert set(segments) == set(range(1, 7))
    assert min(segments.values()) > 30
    assert any("\U0001f389" in str(m["value"].get("text")) for m in right())


def test_every_receipt_is_asked_for_and_some_binaries_bring_their_own_header() -> None:
    receipts = Counter(message["value"].get("receipt", "final") for message in right())
    assert set(receipts) == {"none", "final", "all"}
    assert min(receipts.values()) > 100
    binaries = [message["value"] for message in right() if "data" in message["value"]]
    assert len(binaries) / 4 < sum("udh" in value for value in binaries) < len(binaries)


def test_nothing_right_is_too_long_for_its_account() -> None:
    gateway = parse_gateway((DEMO_DIR / "gateway.yaml").read_text(encoding="utf-8"))
    most = {account.id: account.max_segments for account in gateway.accounts}
    for message, encoded in zip(right(), encodings(), strict=True):
        assert len(encoded.segments) <= most[message["value"]["account_id"]]


def test_some_are_wrong_in_different_ways() -> None:
    wrong = [message for message in messages() if message.get("wrong")]
    assert 20 <= len(wrong) < 0.05 * len(messages())
    assert 0 < sum("raw" in message for message in wrong) < len(wrong)
    shapes = Counter(frozenset(m["value"]) if "value" in m else frozenset({"raw"}) for m in wrong)
    assert len(shapes) >= 5


@pytest.mark.parametrize(
    ("message", "record"),
    [
        ({"raw": "no JSON"}, (MT_REQUESTS, b"no JSON", None)),
        ({"otp": True, "value": {"account_id": "a"}}, (MT_REQUESTS_OTP, b'{"account_id": "a"}', None)),
        (
            {"value": {"account_id": "a", "idempotency_key": "k"}},
            (MT_REQUESTS, b'{"account_id": "a", "idempotency_key": "k"}', b"a:k"),
        ),
    ],
)
def test_a_message_of_the_sample_as_a_record(message: dict[str, Any], record: tuple[str, bytes, bytes | None]) -> None:
    assert as_record(message) == record
