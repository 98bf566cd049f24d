"""State as packed bytes, and the changelog that keeps it."""

from typing import Any, ClassVar

import orjson
import pytest
from pydantic import Field

from schemas.wire import Wire
from services.correlator.state.table import ColdForm, StateTable
from shared.kafka.records import Out


class _Values(Wire):
    """Version 1 had each value as a text."""

    CURRENT_VERSION: ClassVar[int] = 2
    entries: list[int] = Field(default_factory=list)

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        return record | {"entries": [int(value) for value in record["entries"]]}


def _table() -> StateTable[list[int]]:
    """Values that begin with 0 and have one more are held as that one octet."""

    def shrink(value: list[int]) -> bytes | None:
        return bytes(value[1:]) if len(value) == 2 else None

    cold: ColdForm[list[int]] = ColdForm(b"[0,", shrink, lambda octets: [0, *octets])
    return StateTable(
        "log",
        3,
        model=_Values,
        field="entries",
        positions_key=b"p",
        pack=orjson.dumps,
        unpack=orjson.loads,
        cold=cold,
    )


def _restored(outs: list[Out]) -> StateTable[list[int]]:
    table = _table()
    for out in outs:
        table.restore(out.key or b"", out.value)
    return table


def test_a_change_is_written_once_a_cycle_with_its_last_value_to_the_partition_of_the_input() -> None:
    table = _table()
    table.put(b"a", [1])
    table.put(b"a", [1, 2])
    assert table.get(b"a") == [1, 2]
    assert table.flush() == [Out("log", b"a", b'{"schema_version":2,"entries":[1,2]}', (), 3)]
    assert table.flush() == []


def test_what_came_and_went_in_one_cycle_is_never_written() -> None:
    table = _table()
    table.put(b"a", [1])
    table.put(b"a", None)
    assert table.get(b"a") is None
    assert table.packed(b"a") == b""
    assert table.flush() == []


def test_a_removed_key_becomes_a_tombstone() -> None:
    table = _table()
    table.put(b"a", [1])
    table.flush()
    table.put(b"a", None)
    assert table.flush() == [Out("log", b"a", None, (), 3)]
    assert len(table) == 0


def test_a_table_restored_from_its_log_is_the_same() -> None:
    table, log = _table(), []
    table.put(b"a", [1])
    table.put(b"b", [2])
    assert table.read_to("in", 41)
    log += table.flush()
    table.put(b"a", [3])
    table.put(b"b", None)
    log += table.flush()
    again = _restored(log)
    assert list(again.items()) == list(table.items()) == [(b"a", [3])]
    assert again.positions == {"in": 42}
    assert not again.read_to("in", 41)
    assert again.read_to("in", 42)
    assert again.read_to("other", 0)


def test_a_record_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="not a record of this version"):
        _table().restore(b"a", b'{"schema_version":3,"entries":[]}')


def test_a_record_of_an_earlier_version_is_held_as_one_of_today() -> None:
    table = _table()
    table.restore(b"a", b'{"schema_version":1,"entries":["1","2","3"]}')
    table.restore(b"b", b'{"schema_version":1,"entries":["0","7"]}')
    table.restore(b"p", b'{"schema_version":1,"positions":{"in":4}}')
    assert [table.get(b"a"), table.get(b"b"), table.positions] == [[1, 2, 3], [0, 7], {"in": 4}]


@pytest.mark.parametrize(
    "values", [([0, 7], [1]), ([1], [0, 7]), ([0, 7], [0, 8]), ([0, 7, 7], [0, 7]), ([0, 7], [0, 7, 7])]
)
def test_a_value_is_the_same_in_whatever_form_it_is_held(values: tuple[list[int], list[int]]) -> None:
    table, log = _table(), []
    for value in values:
        table.put(b"a", value)
        log += table.flush()
        for held in (table, _restored(log)):
            assert held.get(b"a") == value
            assert held.packed(b"a") == orjson.dumps(value)
            assert list(held.items()) == [(b"a", value)]
            assert len(held) == 1
    table.put(b"a", None)
    log += table.flush()
    assert log[-1].value is None
    for held in (table, _restored(log)):
        assert (held.get(b"a"), held.packed(b"a"), len(held)) == (None, b"", 0)
    table.put(b"a", None)
    assert table.flush() == []


def test_a_key_that_is_too_long_to_be_held_in_few_octets_is_held_all_the_same() -> None:
    table, key = _table(), b"k" * 300
    table.put(key, [0, 7])
    table.flush()
    assert (table.get(key), len(table)) == ([0, 7], 1)
