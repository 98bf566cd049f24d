"""Unit tests of recording with a ClickHouse that refuses, fails and comes back."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import orjson
import pytest
from aiokafka import ConsumerRecord
from clickhouse_connect.driver.exceptions import DatabaseError

from services.recorder.clickhouse import ClickHouse, ClickHouseUnavailable, RowsRefused, judge
from services.recorder.recording import Patience, record
from shared.membership.handler import GivenUp

NOW = 1_800_000_000_000


class FakeHost:
    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.last_error = ""
        self.steps = 0

    def progress(self, part: str = "") -> None:
        self.steps += 1


class FakeClickHouse:
    """Refuses bodies with a value in `poison`, fails as often as `failures` says."""

    def __init__(self, poison: set[bytes], failures: int = 0, code: int | None = None) -> None:
        self.well = True
        self._code = code
        self.stored: list[bytes] = []
        self.inserts = 0
        self._poison = poison
        self._failures = failures

    async def insert(self, values: Sequence[bytes]) -> None:
        self.inserts += 1
        if self._failures:
            self._failures -= 1
            raise ClickHouseUnavailable("it is down")
        if self._poison.intersection(values):
            if self._code is not None:
                raise ClickHouseUnavailable("code: 4711", self._code)
            raise RowsRefused("cannot parse (at row 1)")
        self.stored += values

    async def takes_inserts(self) -> bool:
        return self.well


def event(number: int, **changes: Any) -> bytes:
    return orjson.dumps(
        {
            "event_id": f"01a20b71-4b69-75ab-8da3-{number:012}",
            "event": "accepted",
            "service": "x",
            "occurred_at_ms": NOW,
        }
        | changes
    )


def records(values: Sequence[bytes | None]) -> list[ConsumerRecord]:
    return [
        ConsumerRecord("lifecycle.events", 1, offset, NOW, 1, b"key", value, 0, 0, 0, ())
        for offset, value in enumerate(values)
    ]


async def run(clickhouse: FakeClickHouse, values: Sequence[bytes | None]) -> dict[int, tuple[str, str]]:
    """Record `values`; returns what became dead letters: offset to (reason, field)."""
    outs = await record(cast(ClickHouse, clickhouse), Patience(FakeHost()), records(values), NOW + 5)
    assert {out.topic for out in outs} <= {"lifecycle.events.dlq"}
    headers = [{name: value or b"" for name, value in out.headers} for out in outs]
    assert len(headers) == len({h["dlq_offset"] for h in headers})
    return {int(h["dlq_offset"]): (h["dlq_reason"].decode(), h["dlq_field"].decode()) for h in headers}


async def test_a_good_batch_is_one_insert() -> None:
    clickhouse = FakeClickHouse(set())
    values = [event(number) for number in range(5)]
    assert await run(clickhouse, values) == {}
    assert (clickhouse.stored, clickhouse.inserts) == (values, 1)


async def test_no_value_is_no_line_of_a_body() -> None:
    """ClickHouse would skip an empty line without a word."""
    clickhouse = FakeClickHouse(set())
    assert await run(clickhouse, [event(0), None, b"", event(1)]) == {
        1: ("invalid_record", ""),
        2: ("invalid_record", ""),
    }
    assert (clickhouse.stored, clickhouse.inserts) == ([event(0), event(1)], 1)


async def test_bad_rows_are_set_aside_together_and_the_rest_goes_in() -> None:
    bad, far = event(1, segments="x"), event(3, occurred_at_ms=5)
    clickhouse = FakeClickHouse({bad})
    values = [event(0), bad, event(2), far]
    assert await run(clickhouse, values) == {1: ("invalid_record", "segments"), 3: ("absurd_time", "occurred_at_ms")}
    assert (clickhouse.stored, clickhouse.inserts) == ([event(0), event(2)], 2)


async def test_a_row_that_only_clickhouse_dislikes_is_found_by_halves() -> None:
    values = [event(number) for number in range(100)]
    clickhouse = FakeClickHouse({values[37], values[38]})
    assert await run(clickhouse, values) == {37: ("invalid_record", ""), 38: ("invalid_record", "")}
    assert sorted(clickhouse.stored) == sorted(v for n, v in enumerate(values) if n not in (37, 38))


async def test_an_error_nobody_knows_is_the_rows_fault_when_it_comes_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.recorder.recording.FIRST_PAUSE_S", 0.001)
    values = [event(number) for number in range(100)]
    clickhouse = FakeClickHouse({values[37]}, code=4711)
    assert await run(clickhouse, values) == {37: ("invalid_record", "")}
    assert len(clickhouse.stored) == 99
    assert clickhouse.inserts < 20


async def test_no_row_is_to_blame_while_the_server_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.recorder.recording.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("services.recorder.recording.LONGEST_PAUSE_S", 0.001)
    clickhouse, host = FakeClickHouse({event(0)}, code=4711), FakeHost()
    clickhouse.well = False
    waiting = asyncio.ensure_future(
        record(cast(ClickHouse, clickhouse), Patience(host), records([event(0), event(1)]), NOW)
    )
    async with asyncio.timeout(10):
        while clickhouse.inserts < 20:
            await asyncio.sleep(0.001)
    clickhouse.well = True
    assert [dict(out.headers)["dlq_offset"] for out in await waiting] == [b"0"]
    assert (clickhouse.stored, host.last_error) == ([event(1)], "")


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("HTTPDriver error: Code: 306. DB::Exception: nested too deep (TOO_DEEP_RECURSION)", RowsRefused, None),
        ("Code: 25. DB::Exception: CANNOT_PARSE_ESCAPE_SEQUENCE", RowsRefused, None),
        ("Code: 4711. DB::Exception: (at row 7)", RowsRefused, None),
        ("Code: 4711. DB::Exception: something new", ClickHouseUnavailable, 4711),
        ("Code: 241. DB::Exception: MEMORY_LIMIT_EXCEEDED", ClickHouseUnavailable, None),
        ("no code at all", ClickHouseUnavailable, None),
    ],
)
def test_what_an_error_says(text: str, kind: type[Exception], code: int | None) -> None:
    judged = judge(DatabaseError(text))
    assert (type(judged), getattr(judged, "code", None)) == (kind, code)


async def test_nothing_but_bad_rows() -> None:
    assert await run(FakeClickHouse(set()), [None]) == {0: ("invalid_record", "")}
    assert await run(FakeClickHouse({event(0, final=1)}), [event(0, final=1)]) == {0: ("invalid_record", "final")}


async def test_it_waits_for_clickhouse_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.recorder.recording.FIRST_PAUSE_S", 0.001)
    host = FakeHost()
    clickhouse = FakeClickHouse(set(), failures=3)
    seen: list[str] = []
    patience = Patience(host)

    async def attempt() -> None:
        seen.append(host.last_error)
        await clickhouse.insert([b"{}"])

    await patience.until_done(attempt)
    assert seen == ["", *["ClickHouse: it is down"] * 3]
    assert (host.last_error, host.steps, clickhouse.stored) == ("", 4, [b"{}"])


async def test_a_stop_ends_the_waiting() -> None:
    host = FakeHost()
    host.stopping.set()
    with pytest.raises(GivenUp, match="Kafka keeps the events"):
        await record(cast(ClickHouse, FakeClickHouse(set(), failures=99)), Patience(host), records([event(0)]), NOW)
