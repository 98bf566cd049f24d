"""Edge: what ingress writes by hand is what the models of the topics say."""

import itertools
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from schemas.ingress_keys import IdempotencyKey
from schemas.lifecycle_events import LifecycleEvent
from schemas.statuses import Status
from schemas.submissions import Submission
from schemas.topics import TOPICS
from schemas.wire import Wire
from shared.kafka.records import Out
from tests.unit.ingress.scene import AT_MS, Record, decider, request

CASES: list[dict[str, Any]] = [
    {},
    {"receipt": "all", "lane": "otp", "metadata": {"a": "ü"}, "flash": True, "transliterate": True, "encoding": "ucs2"},
    {"receipt": "none", "text": ..., "data": "AQID", "udh": "BgUEC4QAAA==", "data_coding": 0, "validity_s": 5},
    {"idempotency_key": "k" * 128, "connector_id": "gamma", "from_": "Ärger [1]"},
    {"text": "\U0001f600 \u0000 \" \\ end"},
    {"to": 5, "account_id": None, "metadata": {"a": "b"}},
    {"account_id": "nobody", "idempotency_key": "k"},
]  # fmt: skip

MODELS: dict[str, type[Wire]] = {topic.name: topic.model for topic in TOPICS}
KEYS = {topic.name: topic.key for topic in TOPICS}


def _outs() -> list[Out]:
    made = decider()
    records = [Record(request(**case), offset=n) for n, case in enumerate(CASES + CASES)]
    return list(itertools.chain.from_iterable(made.decide(record, AT_MS + 5) for record in records))


def _strictly(model: type[Wire], value: bytes) -> Wire:
    """No field that the model does not have, and no value that pydantic has to convert."""
    written = orjson.loads(value)
    names = {field.alias or name for name, field in model.model_fields.items()}
    assert set(written) <= names
    return model.model_validate_json(value, strict=True)


def test_every_record_is_one_of_its_topics_model() -> None:
    seen: set[type[Wire]] = set()
    for out in _outs():
        model = MODELS[out.topic]
        seen.add(model)
        assert out.value is not None
        _strictly(model, out.value)
    assert seen == {Submission, IdempotencyKey, Status, LifecycleEvent}


def test_what_is_left_out_of_a_submission_is_the_models_default() -> None:
    for out in _outs():
        if MODELS[out.topic] is Submission:
            parsed = Submission.from_json(out.value or b"")
            written = orjson.loads(out.value or b"")
            expected = orjson.loads(parsed.to_json())
            assert {name: expected[name] for name in written} == written


def test_the_model_would_notice_a_wrong_record() -> None:
    with pytest.raises(ValidationError):
        _strictly(Submission, b"{}")


def test_keys_are_those_of_the_registry() -> None:
    for out in _outs():
        record = orjson.loads(out.value or b"")
        match KEYS[out.topic]:
            case "message_id":
                assert out.key == record["message_id"].encode()
            case "to":
                assert out.key == Submission.from_json(out.value or b"").context.to.encode()
            case key:
                assert (key, MODELS[out.topic]) == ("hash(account, key)", IdempotencyKey)
