"""Pure: the load has a bit of everything, and the partitioner is librdkafka's."""

from collections import Counter
from typing import Any

import pytest

from shared.kafka.records import murmur2_partition
from tests.chaos.changes import ACCOUNT, binds_allowed, changed
from tests.chaos.messages import librdkafka_partition, number_of, request

LOAD = [request(1, index) for index in range(1_000)]


def test_the_load_is_a_function_of_the_seed() -> None:
    assert [request(1, index) for index in range(1_000)] == LOAD
    assert request(2, 5) != LOAD[5]


def test_a_bit_of_everything() -> None:
    values = [one.value for one in LOAD]
    assert len({one.to for one in LOAD}) == 1_000
    assert {value["account_id"] for value in values} == {"shop", ACCOUNT}
    assert {value.get("receipt") for value in values} == {None, "all", "none"}
    assert {one.otp for one in LOAD} == {True, False}
    assert Counter(one.times for one in LOAD if one.record_key)[2] > 50
    assert all(one.times == 1 for one in LOAD if not one.record_key)
    assert any(len(value["text"]) > 160 for value in values)
    assert sum(one.ahead_s > 0 for one in LOAD) > 100
    assert {one.to[:2] for one in LOAD} == {"44", "45", "46", "49"}
    assert number_of(1, 5) == LOAD[5].value["to"]


@pytest.mark.parametrize(("key", "partition"), [(b"", 0), (b"123456789", 0xCBF43926 % 7)])
def test_librdkafkas_partitioner_is_a_crc(key: bytes, partition: int) -> None:
    assert librdkafka_partition(key, 7) == partition


def test_most_keys_have_to_be_moved() -> None:
    keys = [one.record_key for one in LOAD if one.record_key]
    moved = sum(librdkafka_partition(key, 4) != murmur2_partition(key, 4) for key in keys)
    assert 0.65 < moved / len(keys) < 0.85


GATEWAY: dict[str, Any] = {
    "connectors": [{"id": "quick-1", "system_id": "quick", "max_binds": 2, "host": "127.0.0.1"}],
    "accounts": [{"id": "shop"}, {"id": ACCOUNT}],
    "routes": [{"to": [{"connector": "quick-1"}]}],
}


def test_a_change_takes_away_or_adds_and_leaves_the_file_as_it_was() -> None:
    assert changed(GATEWAY, "account")["accounts"] == [{"id": "shop"}]
    assert len(changed(GATEWAY, "route")["routes"]) == 2
    assert [one["system_id"] for one in changed(GATEWAY, "connector")["connectors"]] == ["quick", "extra"]
    assert binds_allowed(GATEWAY) == {"quick": 2, "extra": 1}
    assert len(GATEWAY["accounts"]) == 2
    with pytest.raises(ValueError, match="weather"):
        changed(GATEWAY, "weather")
