"""Unit tests of recording: who is at fault, a row or the server."""

import asyncio
from collections.abc import Callable, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recorder.clickhouse import ClickHouseUnavailable
from services.recorder.recording import PERIOD, TRIES, Recording
from shared.membership.handler import GivenUp
from tests.unit.recorder.clickhouse_double import (
    NOW,
    FakeHost,
    NoPauses,
    ScriptedClickHouse,
    event,
    in_kafka,
    is_probe,
    letters_of,
    said,
)

REFUSED = ("invalid_record", "")


async def run(
    clickhouse: ScriptedClickHouse, values: Sequence[bytes | None], *, limit: int = 20
) -> dict[int, tuple[str, str]]:
    return await letters_of(Recording(clickhouse, NoPauses(FakeHost()), limit), values)


async def test_a_good_batch_is_one_insert() -> None:
    clickhouse = ScriptedClickHouse()
    values = [event(number) for number in range(5)]
    assert await run(clickhouse, values) == {}
    assert clickhouse.calls == [values]


async def test_no_value_is_no_line_of_a_body() -> None:
    """ClickHouse would skip an empty line without a word."""
    clickhouse = ScriptedClickHouse()
    assert await run(clickhouse, [event(0), None, b"", event(1)]) == {1: REFUSED, 2: REFUSED}
    assert clickhouse.calls == [[event(0), event(1)]]
    assert await run(clickhouse, [None]) == {0: REFUSED}
    assert len(clickhouse.calls) == 1


async def test_bad_rows_are_set_aside_together_and_the_rest_goes_in() -> None:
    bad, far = event(1, segments="x"), event(3, occurred_at_ms=5)
    clickhouse = ScriptedClickHouse({bad})
    values = [event(0), bad, event(2), far]
    assert await run(clickhouse, values) == {1: ("invalid_record", "segments"), 3: ("absurd_time", "occurred_at_ms")}
    assert [call for call in clickhouse.calls if not is_probe(call[0])] == [values, [values[0], values[2]], [bad, far]]
    assert clickhouse.probes == 2
    assert await run(ScriptedClickHouse({bad}), [bad]) == {0: ("invalid_record", "segments")}


async def test_a_row_that_only_clickhouse_dislikes_is_found_by_halves() -> None:
    values = [event(number) for number in range(100)]
    clickhouse = ScriptedClickHouse({values[38], values[37]})
    assert list((await run(clickhouse, values)).items()) == [(37, REFUSED), (38, REFUSED)]
    assert sorted(clickhouse.stored) == sorted(v for n, v in enumerate(values) if n not in (37, 38))


async def test_before_a_row_is_at_fault_it_fails_alone_between_more_and_more_probes() -> None:
    clickhouse = ScriptedClickHouse({event(0)})
    assert await run(clickhouse, [event(0)]) == {0: REFUSED}
    assert "".join("p" if is_probe(call[0]) else "r" for call in clickhouse.calls) == "rprpprppprpppp"


SERVER_AT_FAULT = [
    ClickHouseUnavailable("http://127.0.0.1:1 does not answer: Connection refused"),
    ClickHouseUnavailable("HTTP driver received HTTP status 502"),
    *(said(f"Code: {code}. DB::Exception: something")
      for code in (285, 286, 244, 745, 1001, 1002, 198, 74, 76, 290, 307, 60, 81, 241, 243, 252, 164, 516, 27, 4711)),
]  # fmt: skip


@pytest.mark.parametrize("trouble", SERVER_AT_FAULT, ids=str)
async def test_whatever_a_sick_server_says_nothing_is_a_dead_letter(trouble: ClickHouseUnavailable) -> None:
    clickhouse, host = ScriptedClickHouse(), FakeHost()
    told: list[str] = []

    def sick(call: int, values: Sequence[bytes]) -> ClickHouseUnavailable | None:
        told.append(host.last_error)
        return trouble if call < 50 else None

    clickhouse.trouble = sick
    values = [event(number) for number in range(100)]
    assert await letters_of(Recording(clickhouse, NoPauses(host), 1), values) == {}
    assert clickhouse.stored == values
    assert [len(call) for call in clickhouse.calls if not is_probe(call[0])] == [100, 100]
    since = "; events since 2027-01-15 08:00 UTC wait, Kafka keeps them for 7 days"
    assert set(told[2:50]) == {f"ClickHouse: {trouble}{since}"}
    assert host.last_error == ""


async def test_a_block_that_is_too_large_goes_in_by_parts() -> None:
    clickhouse = ScriptedClickHouse()
    clickhouse.largest = 10
    values = [event(number) for number in range(100)]
    assert await run(clickhouse, values) == {}
    assert clickhouse.stored == values


async def test_what_clickhouse_did_not_say_itself_never_costs_a_row() -> None:
    """A proxy that refuses one row again and again, while probes pass."""
    clickhouse, host = ScriptedClickHouse(), FakeHost()
    clickhouse.trouble = lambda call, values: (
        ClickHouseUnavailable("HTTP status 403") if call < 300 and event(1) in values else None
    )
    values = [event(number) for number in range(4)]
    assert await letters_of(Recording(clickhouse, NoPauses(host), 20), values) == {}
    assert (sorted(clickhouse.stored), host.last_error) == (values, "")


def turns(pattern: Sequence[bool]) -> Callable[[int, Sequence[bytes]], ClickHouseUnavailable | None]:
    return lambda call, values: said("Code: 242. DB::Exception: (TABLE_IS_READ_ONLY)") if pattern[
        call % len(pattern)
    ] else None  # fmt: skip


@given(st.lists(st.booleans(), min_size=1, max_size=PERIOD).filter(lambda pattern: not all(pattern)))
def test_no_replica_that_is_sick_behind_a_load_balancer_costs_a_row(pattern: list[bool]) -> None:
    clickhouse = ScriptedClickHouse()
    clickhouse.trouble = turns(pattern)
    values = [event(number) for number in range(7)]
    assert asyncio.run(run(clickhouse, values, limit=1)) == {}
    assert sorted(clickhouse.stored) == values


class TestManyInARow:
    """A mistake in our tables: the probe goes in, events do not."""

    values = tuple(event(number) for number in range(30))

    @pytest.mark.parametrize("batches", [[30], [1] * 30])
    async def test_it_waits_and_says_so_until_somebody_mends_it(self, batches: list[int]) -> None:
        clickhouse, host = ScriptedClickHouse(set(self.values)), FakeHost()
        recording = Recording(clickhouse, NoPauses(host), 5)
        told: list[str] = []

        def mended(call: int, values: Sequence[bytes]) -> None:
            if host.last_error:
                told.append(host.last_error)
            if len(told) > 20:
                clickhouse.poison.clear()

        clickhouse.trouble = mended
        left, letters = list(self.values), 0
        for size in batches:
            letters += len(await letters_of(recording, left[:size]))
            left = left[size:]
        assert letters == (0 if batches == [30] else 4)
        assert sorted(clickhouse.stored) == sorted(self.values[letters:])
        assert "takes the recorder's own row, but 5 events in a row that look good are refused" in told[0]
        assert told[0].endswith("UTC wait, Kafka keeps them for 7 days")

    async def test_good_ones_in_a_batch_end_the_row(self) -> None:
        clickhouse = ScriptedClickHouse({event(number) for number in range(0, 30, 3)})
        recording = Recording(clickhouse, NoPauses(FakeHost()), 4)
        for start in range(0, 30, 6):
            assert len(await letters_of(recording, self.values[start : start + 6])) == 2

    async def test_what_we_see_ourselves_does_not_count(self) -> None:
        bad = [event(number, final=1) for number in range(30)]
        assert len(await run(ScriptedClickHouse(set(bad)), bad, limit=2)) == 30


async def test_the_probe_goes_where_the_rows_go_and_weighs_more() -> None:
    far, large = event(1, accepted_at_ms=NOW - 86_400_000), event(0, detail="x" * 5000)
    clickhouse = ScriptedClickHouse({far, large})
    assert list(await run(clickhouse, [far])) == [0]
    assert list(await run(clickhouse, [large])) == [0]
    probes = [orjson.loads(call[0]) for call in clickhouse.calls if is_probe(call[0])]
    assert {probe["accepted_at_ms"] for probe in probes} == {NOW - 86_400_000, NOW}
    assert {len(probe["detail"]) > 5000 for probe in probes if probe["accepted_at_ms"] == NOW} == {True}


async def test_a_stop_ends_the_waiting() -> None:
    host, clickhouse = FakeHost(), ScriptedClickHouse()
    clickhouse.trouble = turns([True])
    host.stopping.set()
    with pytest.raises(GivenUp, match="Kafka keeps them"):
        await Recording(clickhouse, NoPauses(host), 20).record(in_kafka([event(0)]), NOW)


def test_how_sure_it_is() -> None:
    """What TRIES and PERIOD promise: whatever fails at the tries of a row only has no period of PERIOD or less."""
    rows = [n * (n + 3) // 2 for n in range(TRIES)]
    probes = set(range(rows[-1] + TRIES + 1)) - set(rows)
    for period in range(1, PERIOD + 1):
        assert {row % period for row in rows} & {probe % period for probe in probes}, period
