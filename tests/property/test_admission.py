"""Edge: admission never raises, whatever the bytes, and says of everything what it is."""

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.reasons import REASONS
from shared.messages.admission import CHECKS, Admitted, NotAnObject, Rejected, admit
from shared.messages.idempotency import body_hash
from tests.unit.ingress.scene import AT_MS, Record, decider, request

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
"""Lone surrogates included."""
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(sorted(CHECKS)), ANY_JSON, max_size=6)


@given(st.binary(max_size=300))
def test_any_bytes_are_something(value: bytes) -> None:
    assert isinstance(admit(value, AT_MS, "txn"), Admitted | Rejected | NotAnObject)


@given(FIELDS)
def test_any_object_is_admitted_or_rejected_with_a_known_reason_and_field(fields: dict[str, Any]) -> None:
    """`json` writes lone surrogates, NaN and huge numbers, which `orjson` does not."""
    value = json.dumps({"account_id": "shop", "to": "447700900123", "text": "x"} | fields).encode()
    found = admit(value, AT_MS, "txn")
    if isinstance(found, Rejected):
        assert found.reason in REASONS
        assert found.field in CHECKS
        orjson.dumps(tuple(found))  # what could be read can be written


@given(FIELDS, ANY_TEXT)
def test_whatever_comes_in_every_record_leads_to_something_that_can_be_written(
    fields: dict[str, Any], key: str
) -> None:
    body = {"account_id": "shop", "to": "447700900123", "text": "x", "idempotency_key": key} | fields
    outs = decider().decide(Record(json.dumps(body).encode()), AT_MS)
    assert outs
    for out in outs:
        assert isinstance(out.value, bytes)


@given(st.text(max_size=200), st.permutations(["account_id", "to", "text", "lane", "validity_s"]), st.integers(0, 3))
def test_the_text_is_kept_and_form_does_not_matter(text: str, order: list[str], indent: int) -> None:
    body = {"account_id": "shop", "to": "+447700900123", "text": text, "lane": "txn", "validity_s": 60}
    spaced = json.dumps({name: body[name] for name in order}, indent=indent).encode()
    plain, other = admit(request(**body), AT_MS, "txn"), admit(spaced, AT_MS, "txn")
    assert isinstance(plain, Admitted)
    assert plain == other
    assert plain.text == text
    assert body_hash(plain) == body_hash(other)
