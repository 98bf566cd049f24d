"""What the door remembers of idempotency keys."""

from schemas.topics import INGRESS_KEYS, MT_REQUESTS
from services.http_api.known_keys import Claim, KnownKeys
from shared.messages.idempotency import KEEP_MS, changelog_value, key_hash

AT_MS = 1_780_000_000_000
BODY = b"b" * 16


def _claim(name: str, body: bytes = BODY) -> Claim:
    return Claim(MT_REQUESTS, key_hash("shop", name), body)


def _saw(known: KnownKeys, name: str) -> None:
    message_id = f"{AT_MS:012x}"
    value = changelog_value(f"{message_id[:8]}-{message_id[8:]}-7000-8000-{int(name):012x}", BODY, AT_MS, 1)
    known.saw(INGRESS_KEYS, key_hash("shop", name).hex().encode(), value)


def test_the_newest_are_kept_and_older_ones_forgotten() -> None:
    known = KnownKeys(generation=4, keys_max=8)
    for number in range(20):
        _saw(known, str(number))
    found = [number for number in range(20) if known.find(_claim(str(number)), AT_MS)]
    assert found == list(range(8, 20))


def test_after_a_day_a_key_is_free() -> None:
    known = KnownKeys()
    _saw(known, "1")
    assert (found := known.find(_claim("1"), AT_MS + KEEP_MS)) is not None and found.meaning == "repeat"
    assert known.find(_claim("1"), AT_MS + KEEP_MS + 1) is None


def test_what_cannot_be_read_is_left_out() -> None:
    known = KnownKeys()
    known.saw(INGRESS_KEYS, b"xyz", b"{")
    known.saw(INGRESS_KEYS, None, None)
    assert known.find(_claim("1"), AT_MS) is None
