"""What ingress takes for sure is never refused: else the key of a rejected request would be taken."""

import json
from base64 import b64encode
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.smpp import SmppOptions
from schemas.statuses import Status
from schemas.submissions import Submission
from schemas.topics import MT_STATUSES
from services.encoder.encode import Encoder
from services.encoder.plan import plan_of
from shared.messages.admission import Admitted, admit
from shared.messages.encodable import SURE_CHARACTERS, _surely_encodable, encode_request
from shared.messages.terms import Terms
from shared.sms.message import ConnectorProfile, Encoded
from shared.sms.national_tables import LANGUAGES
from shared.sms.segmentation import encode_message
from tests.unit.ingress.scene import AT_MS, EVENTS, Record, applied, connector, decider
from tests.unit.ingress.scene import request as request_value

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
    assert isinstance(encode_message(encode_request(admitted, terms), profile), Encoded)


BODIES = st.one_of(
    st.fixed_dictionaries(
        {"text": TEXTS},
        optional={
            "encoding": st.sampled_from(["auto", "ucs2", "gsm7", "latin1"]),
            "transliterate": st.booleans(),
            "flash": st.booleans(),
        },
    ),
    st.fixed_dictionaries(
        {"data": st.integers(0, 900).map(lambda count: b64encode(b"\x01" * count).decode())},
        optional={"data_coding": st.integers(0, 255), "flash": st.booleans(), "udh": st.sampled_from(["AgEA", "AA=="])},
    ),
)
SENDERS = st.sampled_from(["SHOP", "12345", "+447700900999", "Ψ" * 11, "@_", "a{}b"])
OPTIONS = st.sampled_from(
    [{}, {"default_alphabet": "latin1"}, {"long_message": "sar"}, {"flash_variant": "dest_addr_subunit"}]
)


@given(BODIES, SENDERS, OPTIONS, st.integers(1, 4))
def test_with_a_key_ingress_refuses_just_what_the_encoder_refuses_without(
    body: dict[str, Any], sender: str, options: dict[str, Any], max_segments: int
) -> None:
    acme = connector("acme").model_copy(update={"options": SmppOptions.model_validate(options)})
    account = Account(id="shop", default_sender="SHOP", max_segments=max_segments)
    config = applied(accounts=[account], connectors=["acme"])
    gateway = config.gateway.model_copy(update={"connectors": (acme,)})
    config = config.model_copy(update={"gateway": gateway})
    fields = {"account_id": "shop", "to": "447700900123", "from": sender} | body
    plain = {"text": ...} | fields
    outs = decider(config).decide(Record(request_value(**plain)), AT_MS)
    keyed = decider(config).decide(Record(request_value(**plain, idempotency_key="k")), AT_MS)
    if outs[0].topic == MT_STATUSES:  # wrong for any connector
        assert keyed[0].topic == MT_STATUSES
        return
    submission = Submission.from_json(outs[0].value or b"")
    made = Encoder(EVENTS).encode(submission, plan_of(acme), AT_MS)
    assert (made[0].topic == MT_STATUSES) == (keyed[0].topic == MT_STATUSES)
    if made[0].topic == MT_STATUSES:
        theirs, ours = (Status.from_json(out.value or b"") for out in (made[0], keyed[0]))
        assert (ours.reason, ours.field) == (theirs.reason, theirs.field)
