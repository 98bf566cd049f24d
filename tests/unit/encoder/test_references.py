"""Pure: references of long messages to one handset, over restarts, replays, two owners and two ways (quirk Q37)."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest

from schemas.submissions import Content, Submission
from services.encoder.encode import Encoder, may_be_long
from services.encoder.plan import plan_of
from shared.kafka.records import Out
from shared.sms.concat_ref import RecentRefs, concat_ref
from tests.unit.encoder.scene import AT_MS, EVENTS, connector, encoded, submission

PLAN = plan_of(connector())


def colliding(count: int) -> list[Submission]:
    """Long messages to one handset whose ids have the same 8-bit hash."""
    ids = (f"019f0000-0000-7000-8000-{number:012x}" for number in range(100_000))
    same = [message_id for message_id in ids if concat_ref(message_id, 8) == 7][:count]
    return [submission(message_id=message_id, text="x" * 400) for message_id in same]


def sent(encoder: Encoder, given: Iterable[Submission]) -> list[Out]:
    return [encoder.encode(one, PLAN, AT_MS)[0] for one in given]


def refs(outs: Sequence[Out]) -> list[int]:
    segments = [orjson.loads(out.value or b"")["segments"][0]["octets"] for out in outs]
    return [base64.b64decode(octets)[3] for octets in segments]


def encoder(*, odd: bool = False) -> Encoder:
    return Encoder(EVENTS, RecentRefs(odd=odd))


def successor(seen: Iterable[Submission]) -> Encoder:
    made = encoder()
    for one in seen:
        made.remember(one, PLAN)
    return made


def test_messages_of_one_hash_to_one_handset_differ() -> None:
    assert len(set(refs(sent(encoder(), colliding(16))))) == 16


@pytest.mark.parametrize("committed", range(0, 12, 3))
def test_a_successor_repeats_what_was_not_committed_octet_by_octet(committed: int) -> None:
    log = colliding(12)
    first = sent(encoder(), log)
    assert sent(successor(log[:committed]), log[committed:]) == first[committed:]


def test_two_owners_one_after_the_other_give_no_reference_twice() -> None:
    log = colliding(16)
    first = sent(encoder(), log[:8])
    assert len(set(refs([*first, *sent(successor(log[:8]), log[8:])]))) == 16


def test_passwords_and_other_messages_need_not_know_of_each_other() -> None:
    log = colliding(16)
    ways = [refs(sent(encoder(odd=odd), log)) for odd in (False, True)]
    assert {ref % 2 for ref in ways[0]} == {0}
    assert {ref % 2 for ref in ways[1]} == {1}
    assert [len(set(way)) for way in ways] == [16, 16]


def test_what_cannot_be_read_or_encoded_takes_no_reference() -> None:
    log = colliding(2)
    made = encoder()
    made.remember(submission(data="A" * 500), PLAN)
    made.remember(submission(text="x" * 60_000), PLAN)
    assert sent(made, log) == sent(encoder(), log)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"text": "㎯" * 17, "encoding": "gsm7", "transliterate": True}, {}),
        ({"text": "👨" * 17}, {"long_message": "udh16"}),
        ({"text": "\u200d" * 17, "encoding": "ucs2"}, {}),
        ({"data": base64.b64encode(bytes(100)).decode()}, {}),
    ],
)
def test_what_is_surely_short_is_one_segment(changes: dict[str, Any], options: dict[str, Any]) -> None:
    given = submission(**changes)
    assert not may_be_long(Content.from_json(given.content))
    assert len(orjson.loads(encoded(given, **options)[0].value or b"")["segments"]) == 1


def test_what_may_be_long_is_remembered() -> None:
    assert may_be_long(Content(text="x" * 161))
    assert may_be_long(Content(data=base64.b64encode(bytes(141)).decode()))
    assert may_be_long(Content(data=base64.b64encode(bytes(100)).decode(), udh=base64.b64encode(bytes(41)).decode()))
