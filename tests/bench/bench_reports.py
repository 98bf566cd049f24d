"""Edge: `python -m tests.bench.bench_reports`: named reports on twelve million events in the embedded ClickHouse.

Prints milliseconds (the fastest and the middle one of several), rows read, octets on disk, and what recording costs.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import clickhouse_connect
import psutil
from clickhouse_connect.driver.client import Client

from services.recorder.app import apply_retention, migrate, roll_up
from services.recorder.clickhouse import ClickHouse
from services.recorder.rollup import DIRTY_HOURS, open_since_s
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from shared.operations.named_reports import DAY_S, REPORTS, Question, parameters, sql_of
from tests.bench.clickhouse_events import fill
from tests.fixtures_clickhouse import ClickHouseProcess

DAYS: Final = 14
REPORT_MS: Final = 500
ONE_MS: Final = 50
OCTETS_AN_EVENT: Final = 25
RECORDED: Final = 60_000
_SIZES: Final = """
SELECT table, sum(rows) AS n, sum(bytes_on_disk) AS octets FROM system.parts
WHERE active AND database = 'sms' GROUP BY table ORDER BY octets DESC
"""


def main() -> int:
    """0, or with --check 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000_000, help="six events each")
    parser.add_argument("--data-dir", type=Path, help="keep the data here, or use what is there [a temporary folder]")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 when an aim is missed")
    options = parser.parse_args()
    with _folder(options.data_dir) as folder, ClickHouseProcess(folder) as server:
        client = clickhouse_connect.get_client(dsn=server.url, autogenerate_session_id=False)
        asyncio.run(_prepare(server.url, client, options.messages))
        met = _print_sizes(client)
        met = _print_reports(client, options.repeats) and met
        asyncio.run(_print_recording(server))
        client.close()
        server.stop()
    return int(options.check and not met)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="smsgw-bench-", ignore_cleanup_errors=True) as made:
        yield Path(made)


async def _prepare(url: str, client: Client, messages: int) -> None:
    """The events of two weeks, and the roll-ups of all hours that are closed."""
    clickhouse = ClickHouse(url, "default", "")
    await migrate(clickhouse)
    await apply_retention(clickhouse, {})
    now_ms = int(time.time() * 1000)
    if not client.query("SELECT count() FROM sms.message_log").result_rows[0][0]:
        began = time.monotonic()
        fill(client, messages, now_ms - DAYS * DAY_S * 1000, now_ms)
        print(f"events of {messages} messages in {time.monotonic() - began:.0f} s")
    open_s = open_since_s(now_ms // 1000)
    began = time.monotonic()
    hours = [
        (int(row[0]), bool(row[1])) for row in await clickhouse.rows(DIRTY_HOURS, {"open_s": open_s, "oldest_s": 0})
    ]
    for hour_s, is_numbered in hours:
        await roll_up(clickhouse, hour_s, is_closed=hour_s < open_s, is_numbered=is_numbered)
    print(f"{len(hours)} hours rolled up in {time.monotonic() - began:.0f} s")
    await clickhouse.close()


def _print_sizes(client: Client) -> bool:
    rows = client.query(_SIZES).result_rows
    events = next(int(row[1]) for row in rows if row[0] == "event_log")
    print(f"\n{'table':20} {'rows':>12} {'octets a row':>13} {'octets an event':>16}")
    for table, n, octets in rows:
        print(f"{table:20} {n:12} {octets / n:13.1f} {octets / events:16.2f}")
    in_all = sum(int(row[2]) for row in rows) / events
    print(f"{'all':20} {'':12} {'':13} {in_all:16.2f}   aim: <= {OCTETS_AN_EVENT}")
    return in_all <= OCTETS_AN_EVENT


def _print_reports(client: Client, repeats: int) -> bool:
    one = client.query(
        "SELECT message_id, to FROM sms.message_log ORDER BY cityHash64(message_id) LIMIT 1"
    ).result_rows[0]
    what = {"message": str(one[0]), "number": str(one[1])}
    print(f"\n{'report':22} {'fastest ms':>10} {'middle ms':>10} {'rows read':>10}")
    met = True
    for name in REPORTS:
        aim = ONE_MS if name in what else REPORT_MS
        asked = [("", what.get(name, ""))]
        if name == "number":
            asked.append((" of 20 messages", "447700900123"))
        if name == "campaign":
            asked.append((" one", "campaign-3"))
        for label, thing in asked:
            question = Question(int(time.time()) - 2 * DAYS * DAY_S, what=thing, step_s=3600)
            fastest, middle, read = _timed(client, sql_of(name), parameters(question), repeats)
            missed = fastest > aim
            met = met and not missed
            print(f"{name + label:22} {fastest:10.0f} {middle:10.0f} {read:10} {'> ' + str(aim) if missed else ''}")
    return met


def _timed(client: Client, sql: str, given: dict[str, Any], repeats: int) -> tuple[float, float, int]:
    """Milliseconds of the fastest and of the middle one, rows read."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = client.query(sql, parameters=given)
        times.append((time.perf_counter() - began) * 1000)
    return min(times), sorted(times)[len(times) // 2], int(result.summary.get("read_rows", 0))


async def _print_recording(server: ClickHouseProcess) -> None:
    """CPU of an event, in the process that inserts as the recorder does, and in ClickHouse."""
    values = _events(RECORDED)
    clickhouse = ClickHouse(server.url, "default", "")
    await clickhouse.insert(values[:10])
    theirs = psutil.Process(server.process.pid)
    ours_before, theirs_before = time.process_time(), sum(theirs.cpu_times()[:2])
    for first in range(0, RECORDED, RECORDED // 2):
        await clickhouse.insert(values[first : first + RECORDED // 2])
    ours = (time.process_time() - ours_before) / RECORDED * 1e6
    server_us = (sum(theirs.cpu_times()[:2]) - theirs_before) / RECORDED * 1e6
    await clickhouse.close()
    print(f"\nan event recorded, two inserts of {RECORDED // 2}: {ours:.2f} us here, {server_us:.1f} us in ClickHouse")


def _events(count: int) -> list[bytes]:
    made, maker, now_ms = [], EventMaker("throttler", "0"), int(time.time() * 1000)
    for n in range(count):
        if n % 6 == 0:
            message_id = derived_id(now_ms, uuid4().hex)
        word: Any = ("accepted", "encoded", "queued", "submitted", "receipt", "status")[n % 6]
        out = maker.out(
            word, occurred_at_ms=now_ms + n % 6, message_id=message_id, accepted_at_ms=now_ms, account_id="bench",
            to=f"4477009{n // 6:05}", sender="BENCH", country="GB", lane="txn", connector_id="acme-1", segments=1,
        )  # fmt: skip
        made.append(out.value or b"")
    return made


if __name__ == "__main__":
    raise SystemExit(main())
