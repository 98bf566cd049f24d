"""References: the same each time, and apart for one destination."""

import pytest

from shared.sms.concat_ref import RecentRefs, concat_ref


def test_the_same_message_has_the_same_reference() -> None:
    assert concat_ref("018f2c3e", 16) == concat_ref("018f2c3e", 16)
    assert concat_ref("018f2c3e", 8) == concat_ref("018f2c3e", 16) & 0xFF


def test_references_are_spread() -> None:
    refs = {concat_ref(f"018f2c3e-{number:04x}", 8) for number in range(2_000)}
    assert len(refs) == 256


def test_recent_messages_to_one_number_differ() -> None:
    refs = RecentRefs(refs_per_destination_max=128)
    chosen = [refs.choose("4915", f"m{number}", 8) for number in range(129)]
    assert len(set(chosen)) == 129


def test_asked_again_the_answer_is_the_same() -> None:
    refs = RecentRefs()
    first = refs.choose("4915", "m1", 8)
    refs.choose("4915", "m2", 8)
    assert refs.choose("4915", "m1", 8) == first
    assert refs.choose("4915", "m1", 16) & 0xFF == first


def test_memory_is_bounded() -> None:
    refs = RecentRefs(destinations_max=10)
    for number in range(100):
        refs.choose(str(number), "m", 8)
    assert len(refs) == 10
    with pytest.raises(ValueError, match="1 to 128"):
        RecentRefs(refs_per_destination_max=256)
    with pytest.raises(ValueError, match="1 to 64"):
        RecentRefs(refs_per_destination_max=65, odd=True)


def test_half_of_the_references_still_keep_64_messages_apart() -> None:
    for odd in (False, True):
        refs = RecentRefs(refs_per_destination_max=64, odd=odd)
        chosen = [refs.choose("4915", f"m{number}", 8) for number in range(65)]
        assert len(set(chosen)) == 65
        assert {ref % 2 for ref in chosen} == {odd}
