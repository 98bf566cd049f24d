"""Edge: ingress admits exactly what the published model of a request accepts."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.requests import GSM7_CHARACTERS, Request
from shared.messages.admission import CHECKS, Admitted, NotAnObject, Rejected, admit
from shared.sms.gsm7 import alphabet
from tests.unit.ingress.scene import AT_MS

TIME_REASONS = {"schedule_out_of_range"}
"""What the model cannot know: it depends on when the record was written."""

ODD: list[Any] = [None, True, False, 0, 1, -1, 1.0, 2**63, "", " ", "0", "x", [], {}, {"a": "b"}, {"a": 1}, ["x"]]
LIKELY: dict[str, list[Any]] = {
    "schema_version": [1, 1, 2, 0],
    "account_id": ["shop", "a" * 64, "a" * 65],
    "idempotency_key": ["k", "k" * 128, "k" * 129],
    "to": ["447700900123", "+4915112345678", "0123456789", "123456", "1234567\n", "１２３４５６７８"],
    "from": ["SHOP", "12345", "12", "+12", "+123", "+447700900123", "+1234567890123456", "+Shop", "++123",
             "twelveLetter", "Ärger [1]", "Łódź", "1" * 16, "a\n"],
    "text": ["Hello", "", "ü€", "x" * 65_536, "x" * 65_537],
    "data": ["AQID", "", "AQI", "AQ==", "A" * 65_536, "A" * 65_540, "AQ==\n", "ü"],
    "udh": ["BgUEC4QAAA==", "AA==", "AQ==", ""],
    "data_coding": [0, 4, 255, 256],
    "lane": ["otp", "txn", "bulk", "OTP"],
    "encoding": ["auto", "gsm7", "ucs2", "latin1", "utf8"],
    "transliterate": [True, False],
    "send_at": ["2026-09-21T14:13:20Z", "2026-09-21t14:13:20+02:00",
                "2026-02-29T00:00:00Z", "1", "9999-12-31 23:59:60Z"],
    "campaign_id": ["spring", "c" * 64, "c" * 65],
    "tlvs": [{}, {"0x1401": "int:7"}, {"5121": "x"}, {"0x1401": "a", "5121": "b"}, {"0x0424": "x"},
             {"0x020A": "int:65536"}, {"0x1401": "hex:0"}, {"0x1401": "text:€"}, {"1": "a"},
             {str(5120 + n): "" for n in range(17)}],
    "protocol_id": [0, 255, 256],
    "priority_flag": [0, 3, 4],
    "validity_s": [1, 60, 604_800, 604_801, 60.0],
    "receipt": ["final", "all", "none", "some"],
    "connector_id": ["acme", "?"],
    "flash": [True, False],
    "metadata": [{}, {"a": "b"}, {str(n): "" for n in range(16)}, {str(n): "" for n in range(17)}, {"é": "é" * 511}],
    "unknown": [1, {"a": None}],
}  # fmt: skip


def _values(name: str) -> st.SearchStrategy[Any]:
    likely = st.sampled_from(LIKELY[name])
    return st.one_of(likely, likely, likely, st.sampled_from(ODD))


BASE = st.fixed_dictionaries({"account_id": _values("account_id"), "to": _values("to")})
REST = {name: _values(name) for name in LIKELY if name not in {"account_id", "to"}}
BODIES = st.builds(
    lambda base, body, rest: base | body | rest,
    st.one_of(st.just({"account_id": "shop", "to": "447700900123"}), BASE),
    st.one_of(st.just({"text": "Hello"}), st.just({"data": "AQID"}), st.just({})),
    st.lists(st.sampled_from(sorted(REST)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: REST[name] for name in names})
    ),
)


def _model_accepts(value: bytes) -> bool:
    try:
        Request.from_json(value)
    except ValidationError:
        return False
    return True


@settings(max_examples=400)
@given(BODIES)
def test_admission_and_model_accept_the_same(body: dict[str, Any]) -> None:
    value = json.dumps(body).encode()
    found = admit(value, AT_MS, "txn")
    if isinstance(found, Rejected) and (found.reason in TIME_REASONS or found.field == "send_at"):
        rest = json.dumps(body | {"send_at": None}).encode()
        assert isinstance(admit(rest, AT_MS, "txn"), Admitted) == _model_accepts(rest)
    else:
        assert isinstance(found, Admitted) == _model_accepts(value)


@pytest.mark.parametrize("send_at", LIKELY["send_at"])
def test_they_agree_on_the_form_of_a_time(send_at: str) -> None:
    value = orjson.dumps({"account_id": "a", "to": "1234567", "text": "", "send_at": send_at})
    found = admit(value, AT_MS, "txn")
    wrong_form = isinstance(found, Rejected) and found.reason == "invalid_field"
    assert wrong_form == (not _model_accepts(value))


def test_both_know_the_same_fields() -> None:
    names = {field.alias or name for name, field in Request.model_fields.items()}
    assert set(CHECKS) == names


def test_defaults_are_the_models() -> None:
    value = orjson.dumps({"account_id": "shop", "to": "447700900123", "text": "x"})
    admitted, model = admit(value, AT_MS, "txn"), Request.from_json(value)
    assert isinstance(admitted, Admitted)
    names = "encoding validity_s receipt flash metadata transliterate idempotency_key udh campaign_id"
    for name in names.split():
        assert getattr(admitted, name) == getattr(model, name)


@pytest.mark.parametrize("value", [b"", b"[]", b"null", b"{", b'{"text":"\\ud800"}', b'{"a":' * 2000])
def test_neither_accepts_what_is_no_object_or_has_no_utf8_form(value: bytes) -> None:
    assert not _model_accepts(value)
    assert isinstance(admit(value, AT_MS, "txn"), NotAnObject | Rejected)


def test_the_characters_of_a_sender_are_those_of_the_alphabet_without_line_ends() -> None:
    held = {chr(n) for n in range(0x2100) if alphabet().encode(chr(n)) is not None}
    assert set(GSM7_CHARACTERS) == held - set("\n\r\f")
