"""Bench of the correlator's decisions, without Kafka, and of the memory of its state.

`python -m tests.bench.bench_correlator [--pairs 20000] [--entries 1000000]`

pairs: a submit result and its receipt, bytes in and records out, in batches of 500, in three orders: both in one
batch, the result first, the receipt first (it waits as an early one). fold: the outcomes of a message of two segments.
entries: resident memory per open entry and per closed mark, keys and calendars included, and the time to restore them.
CPU by the operating system's accounting; the best of five. No assertion.
"""

import argparse
import gc
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from schemas.topics import JOINS
from services.correlator.fold.cycle import FoldCycle
from services.correlator.fold.partition import FoldPartition
from services.correlator.join.cycle import JoinCycle
from services.correlator.join.partition import JoinPartition
from shared.kafka.records import In
from tests.unit.correlator.making import (
    DEADLINE_MS,
    EVENTS,
    T0,
    Record,
    outcome,
    outcome_record,
    raw_receipt,
    receipt_record,
    result_record,
    submit_result,
)

BATCH = 500
SPREAD_MS = 48 * 3_600_000


def _results(count: int) -> list[In]:
    return [result_record(submit_result(n, smsc_message_id=f"{n:010d}"), f"acme|{n}", n) for n in range(count)]


def _receipts(count: int) -> list[In]:
    return [receipt_record(raw_receipt(f"{n:010d}"), f"acme|{n}", n) for n in range(count)]


def _batches(records: Sequence[In]) -> Iterator[Sequence[In]]:
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]


def _best(run: Callable[[], None]) -> float:
    """Seconds of CPU, the least of five, with what was made before out of the garbage collector's sight."""
    times = []
    gc.collect()
    gc.freeze()
    for _ in range(5):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def _join(*steps: Sequence[In]) -> None:
    cycle = JoinCycle()
    cycle.rules.learned["acme"] = "raw"
    cycle.partitions[0] = JoinPartition(0, EVENTS, cycle.rules)
    for step in steps:
        for batch in _batches(step):
            cycle.take(batch, T0)
            cycle.expire()
            cycle.flush()


def _fold(records: Sequence[In]) -> None:
    cycle = FoldCycle()
    cycle.partitions[0] = FoldPartition(0, EVENTS)
    for batch in _batches(records):
        cycle.take(batch, T0)
        cycle.flush(T0)


def bench_pairs(count: int) -> None:
    """CPU per pair, decoding and encoding included."""
    results, receipts = _results(count), _receipts(count)
    together = [record for pair in zip(results, receipts, strict=True) for record in pair]
    for name, steps in (
        ("both in one batch", [together]),
        ("result first", [results, receipts]),
        ("receipt first", [receipts, results]),
    ):
        print(f"pair, {name:18} {_best(lambda steps=steps: _join(*steps)) / count * 1e6:6.1f} µs")  # type: ignore[misc]
    folded: list[In] = [outcome_record(outcome(n // 2, n % 2 + 1), offset=n) for n in range(2 * (count // 2))]
    print(f"fold, message of 2 segments {_best(lambda: _fold(folded)) / (count // 2) * 1e6:6.1f} µs")


def _log(count: int, *, closed: bool) -> Iterator[tuple[bytes, bytes]]:
    """The changelog of so many open entries, or closed marks, made a slice at a time."""
    cycle = JoinCycle()
    for start in range(0, count, 10_000):
        cycle.rules.learned["acme"] = "raw"
        cycle.partitions[0] = JoinPartition(0, EVENTS, cycle.rules)
        numbers = range(start, min(start + 10_000, count))
        batch: list[Record] = [
            result_record(submit_result(n, deadline_at_ms=DEADLINE_MS + n * SPREAD_MS // count), f"acme|{n}", n)
            for n in numbers
        ]
        if closed:
            batch += [receipt_record(raw_receipt(str(n)), f"acme|{n}", n) for n in numbers]
        cycle.take(batch, T0)
        for out in cycle.flush():
            if out.topic == JOINS and out.key and out.value:
                yield out.key, out.value


def _restore(log: Path, kind: str) -> None:
    """In a process of its own, where nothing else was allocated before."""
    process = psutil.Process()
    join = JoinPartition(0, EVENTS)
    before, cpu, size = process.memory_info().rss, 0.0, 0
    with log.open("rb") as lines:
        for line in lines:
            key, value = line.rstrip(b"\n").split(b"\t")
            size += len(key) + len(value)
            started = time.process_time()
            join.table.restore(key, value)
            cpu += time.process_time() - started
    started = time.process_time()
    for _ in join.restored():
        pass
    cpu += time.process_time() - started
    gc.collect()
    keys = len(join.table)
    grown = process.memory_info().rss - before
    print(
        f"{kind:12} {grown / keys:6.0f} B in memory, {size / keys:6.0f} B in the changelog, "
        f"{cpu / keys * 1e6:5.1f} µs to restore ({keys} keys)"
    )


def bench_state(count: int) -> None:
    """Memory and restore time of `count` keys."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for closed, kind in ((False, "open entry"), (True, "closed mark")):
            path = Path(folder) / kind
            with path.open("wb") as log:
                for key, value in _log(count, closed=closed):
                    log.write(key + b"\t" + value + b"\n")
            child = spawn.Process(target=_restore, args=(path, kind))
            child.start()
            child.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="decisions and state of the correlator")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args()
    bench_pairs(options.pairs)
    bench_state(options.entries)


if __name__ == "__main__":
    main()
