"""What ingress takes for sure is never refused: else the key of a rejected request would be taken."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from services.ingress.admission import Admitted, admit
from services.ingress.encodable import SURE_CHARACTERS, _encode_request, _surely_encodable
from services.ingress.outputs import Terms
from shared.sms.message import ConnectorProfile, Encoded
from shared.sms.national_tables import LANGUAGES
from shared.sms.segmentation import encode_message
from tests.unit.ingress.scene import AT_MS

CLUSTER = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
UNITS = ["a", "{", "Ж", "\U0001f600", "e\u0301", "\u0915\u094d", "\ufdfa", "\u200d", CLUSTER, CLUSTER * 2 + "\u0301"]
TEXTS = st.lists(st.sampled_from(UNITS), min_size=1, max_size=400).map("".join)
PROFILES = st.builds(
    ConnectorProfile,
    long_message=st.sampled_from(["udh8", "udh16", "sar", "payload"]),
    default_alphabet=st.sampled_from(["gsm7", "latin1", "ascii"]),
    gsm7_packed=st.booleans(),
    national_tables=st.sampled_from([(), tuple(LANGUAGES)]),
)


def request(text: str, **fields: Any) -> Admitted:
    body = {"account_id": "shop", "to": "447700900123", "text": text} | fields
    found = admit(json.dumps(body).encode(), AT_MS, "txn")
    assert isinstance(found, Admitted)
    return found


@given(TEXTS, PROFILES, st.integers(1, 12), st.sampled_from(["auto", "ucs2"]), st.booleans())
@example("\u200d" * 16 * 12, ConnectorProfile(long_message="udh16"), 12, "ucs2", False)
@example((CLUSTER * 2)[:16] * 12, ConnectorProfile(long_message="udh16"), 12, "auto", True)
def test_what_is_surely_encodable_is_encoded(
    text: str, profile: ConnectorProfile, max_segments: int, encoding: str, transliterate: bool
) -> None:
    text = text[: SURE_CHARACTERS * max_segments]
    terms = Terms("SHOP", transliterate, transliterate, max_segments, "acme-1", False)
    admitted = request(text, encoding=encoding)
    assert _surely_encodable(admitted, max_segments)
    assert isinstance(encode_message(_encode_request(admitted, terms), profile), Encoded)
