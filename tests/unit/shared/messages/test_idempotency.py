"""Pure: idempotency keys: who took which, for how long, with what body."""

import orjson

from shared.messages.admission import Admitted, admit
from shared.messages.idempotency import (
    KEEP_MS,
    KeyStore,
    Taken,
    body_hash,
    changelog_value,
    decide,
    key_hash,
    restore,
)
from shared.messages.ids import message_id_of
from tests.unit.ingress.scene import AT_MS, request

BODY, OTHER_BODY = b"b" * 16, b"o" * 16


def _id(at_ms: int, offset: int = 0) -> str:
    return message_id_of(at_ms, "mt.requests", 0, offset)


def _admitted(value: bytes) -> Admitted:
    found = admit(value, AT_MS, "txn")
    assert isinstance(found, Admitted)
    return found


def test_a_key_is_found_with_who_took_it_and_what_body() -> None:
    store, key = KeyStore(), key_hash("shop", "order-1")
    assert store.find(key, AT_MS) is None
    store.take(key, _id(AT_MS), BODY, AT_MS, 7)
    assert store.find(key, AT_MS + 1) == Taken(_id(AT_MS), BODY[:10], AT_MS, 7)
    assert len(store) == 1


def test_a_key_is_forgotten_after_a_day_of_record_time() -> None:
    store, key = KeyStore(), key_hash("shop", "order-1")
    store.take(key, _id(AT_MS), BODY, AT_MS, 7)
    assert store.find(key, AT_MS + KEEP_MS) is not None
    assert store.find(key, AT_MS + KEEP_MS + 1) is None


def test_taking_again_replaces_the_entry() -> None:
    store, key = KeyStore(), key_hash("shop", "order-1")
    store.take(key, _id(AT_MS), BODY, AT_MS, 7)
    later = AT_MS + KEEP_MS + 5
    store.take(key, _id(later), OTHER_BODY, later, 7)
    assert store.find(key, later) == Taken(_id(later), OTHER_BODY[:10], later, 7)
    assert len(store) == 1


def test_neighbours_push_out_what_has_expired() -> None:
    """Memory is bounded by the keys of a day: taking a key clears the expired front of its shard."""
    store = KeyStore()
    shard = [bytes((1, 2)) + n.to_bytes(14) for n in range(100)]
    for n, key in enumerate(shard):
        store.take(key, _id(AT_MS, n), BODY, AT_MS, 7)
    assert len(store) == 100
    store.take(bytes((1, 2)) + bytes(14 * (255,)), _id(AT_MS + KEEP_MS + 1), BODY, AT_MS + KEEP_MS + 1, 7)
    assert len(store) == 1


def test_a_hash_that_lies_across_two_entries_is_not_found() -> None:
    store = KeyStore()
    first, second = bytes(8) + b"\x01" * 8, bytes(2) + b"\x02" * 14
    store.take(first, _id(AT_MS), BODY, AT_MS, 7)
    store.take(second, _id(AT_MS, 1), BODY, AT_MS, 7)
    across = bytes(2) + b"\x07" * 14
    middle = (first + second)[2:18]
    assert store.find(across, AT_MS) is None
    assert store.find(middle, AT_MS) is None


def test_the_separator_between_account_and_key_cannot_be_forged() -> None:
    assert key_hash("a:b", "c") != key_hash("a", "b:c")
    assert key_hash("1:a", "b") != key_hash("1", "a:b")


def test_the_body_is_compared_before_the_identity() -> None:
    taken = Taken("first", BODY[:10], AT_MS, 7)
    assert decide(None, "x", BODY, 7) == "first"
    assert decide(taken, "first", BODY, 7) == "replay"
    assert decide(taken, "first", BODY, 8) == "copy"
    assert decide(taken, "second", BODY, 8) == "repeat"
    assert decide(taken, "second", OTHER_BODY, 8) == "conflict"
    assert decide(taken, "first", OTHER_BODY, 7) == "conflict"
    assert decide(Taken("first", BODY[:10], AT_MS), "first", BODY, 8) == "replay", "the offset is not known"


def test_form_does_not_matter_to_the_body_and_meaning_does() -> None:
    plain = body_hash(_admitted(b'{"account_id":"shop","to":"447700900123","text":"Hi","metadata":{"a":"1","b":"2"}}'))
    same = (
        b'{ "text": "H\\u0069", "metadata": {"b":"2", "a":"1"}, "to": "+447700900123", "account_id": "shop" }',
        b'{"account_id":"shop","to":"447700900123","text":"Hi","metadata":{"a":"1","b":"2"},"lane":"txn","flash":false}',
        b'{"account_id":"shop","to":"447700900123","text":"Hi","metadata":{"a":"1","b":"2"},"x":1,"validity_s":86400,'
        b'"idempotency_key":"k","receipt":"final","encoding":"auto","send_at":null}',
    )
    assert all(body_hash(_admitted(value)) == plain for value in same)
    others = [
        request(text="Hi", metadata={"a": "1"}),
        request(text="hi", metadata={"a": "1", "b": "2"}),
        request(text="Hi", metadata={"a": "1", "b": "2"}, to="447700900124"),
        request(text="Hi", metadata={"a": "1", "b": "2"}, flash=True),
        request(text="Hi", metadata={"a": "1", "b": "2"}, transliterate=False),
    ]
    hashes = {body_hash(_admitted(value)) for value in others}
    assert len(hashes) == len(others)
    assert plain not in hashes


def test_the_changelog_restores_the_store() -> None:
    store, key = KeyStore(), key_hash("shop", "order-1")
    assert restore(store, key.hex().encode(), changelog_value(_id(AT_MS), BODY, AT_MS, 7))
    assert store.find(key, AT_MS) == Taken(_id(AT_MS), BODY[:10], AT_MS, 7)


def test_a_key_of_an_earlier_version_says_not_which_record_took_it() -> None:
    store, key = KeyStore(), key_hash("shop", "order-1")
    earlier = orjson.loads(changelog_value(_id(AT_MS), BODY, AT_MS, 7))
    del earlier["offset"]
    assert restore(store, key.hex().encode(), orjson.dumps(earlier))
    assert store.find(key, AT_MS) == Taken(_id(AT_MS), BODY[:10], AT_MS)


def test_records_that_are_no_keys_are_left_out() -> None:
    store = KeyStore()
    good = changelog_value(_id(AT_MS), BODY, AT_MS, 7)
    assert not restore(store, b"not hex", good)
    assert not restore(store, b"ab", good)
    assert not restore(store, "ü".encode(), good)
    for value in (b"{}", b"[]", b"7", b'{"message_id":7,"body":"","accepted_at_ms":1}', b"nonsense"):
        assert not restore(store, bytes(16).hex().encode(), value)
    assert not restore(store, bytes(16).hex().encode(), good.replace(b"%d" % AT_MS, b'"%d"' % AT_MS))
    assert not restore(store, bytes(16).hex().encode(), changelog_value("x", BODY, AT_MS, 7))
    for offset in (b"-1", b'"7"', b"281474976710655", b"1.5"):
        assert not restore(store, bytes(16).hex().encode(), good.replace(b'"offset":7', b'"offset":' + offset))
    assert restore(store, bytes(16).hex().encode(), None)
    assert len(store) == 0
