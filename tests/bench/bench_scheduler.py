"""Bench of the scheduler without Kafka: taking in, finding what is due, and the memory while a million waits.

`python -m tests.bench.bench_scheduler [--messages 1000000] [--folder DIR]`
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from services.scheduler.cycle import SchedulerCycle
from services.scheduler.partition import WaitingPartition
from services.scheduler.store import SqliteStore
from tests.unit.scheduler.making import EVENTS, HOUR_MS, Record, scheduled
from tests.unit.submissions import AT_MS

BATCH = 2_000
TEXT = "Your parcel 4711 is on its way. You can follow it in the app, or move the delivery to another day." * 2


def main() -> None:
    """Prints one line a figure."""
    parser = argparse.ArgumentParser(description="the scheduler's decisions and its store")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk that is to be measured")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        _measure(folder, arguments.messages)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, messages: int) -> None:
    process = psutil.Process()
    before_mb = process.memory_info().rss / 1e6
    cycle, store = _taken_over(folder)
    sample = scheduled(0, metadata={"order": "4711"}).model_copy(update={"content": f'{{"text":"{TEXT}"}}'})
    values = _values(sample.to_json().decode(), messages)
    started_s, cpu_s = time.perf_counter(), time.process_time()
    for start in range(0, messages, BATCH):
        records = [Record(next(values), offset) for offset in range(start, min(start + BATCH, messages))]
        cycle.run(records, (), AT_MS, AT_MS)
    took_s = time.perf_counter() - started_s
    each_us = (time.process_time() - cpu_s) / messages * 1e6
    print(f"taken in            {messages / took_s:10,.0f} /s, {each_us:.0f} us CPU each")
    print(f"resident            {process.memory_info().rss / 1e6:10,.0f} MB ({before_mb:,.0f} before)")
    cycle.run((), (), AT_MS, AT_MS)
    store.close()
    started_s = time.perf_counter()
    cycle, store = _taken_over(folder)
    print(f"opened again        {time.perf_counter() - started_s:10.2f} s, {cycle.waiting:,} wait")
    started_s, gone = time.perf_counter(), min(messages, 50_000)
    while cycle.waiting > messages - gone:
        cycle.run((), (), AT_MS + HOUR_MS, AT_MS + HOUR_MS)
    print(f"given back          {gone / (time.perf_counter() - started_s):10,.0f} /s")
    print(f"on disk             {sum(file.stat().st_size for file in folder.iterdir()) / 1e6:10,.0f} MB")
    store.close()


def _taken_over(folder: Path) -> tuple[SchedulerCycle, SqliteStore]:
    store = SqliteStore(folder / "0.sqlite", "bench")
    cycle = SchedulerCycle(1)
    cycle.partitions[0] = WaitingPartition(0, store, EVENTS)
    return cycle, store


def _values(sample: str, messages: int) -> Iterator[bytes]:
    name = "019f0000-0000-7000-8000-000000000000"
    for number in range(messages):
        yield sample.replace(name, f"{name[:24]}{number:012x}", 1).encode()


if __name__ == "__main__":
    main()
