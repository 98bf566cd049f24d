"""Bench of messages from handsets, without Kafka: records in, records out, the changelog included.

`python -m tests.bench.bench_inbound [--parts 20000]`

whole: messages of one part. joined: messages of three parts, the parts of 200 handsets in between each other, in
batches of 500. waiting: first parts only, which are all held. replies: keywords that are answered, each from another
handset. CPU by the operating system's accounting; the best of five. No assertion.
"""

import argparse
import gc
import time
from collections.abc import Callable, Sequence

from schemas.gateway.accounts import Account
from schemas.topics import SMSC_INBOUND
from services.correlator.inbound.claims import Claims
from services.correlator.inbound.cycle import InboundCycle
from shared.kafka.records import In
from shared.sms import udh
from tests.unit.correlator.making import EVENTS, T0, Record, raw_inbound

BATCH = 500
HANDSETS = 200
ACCOUNT = Account.model_validate(
    {"id": "shop", "numbers": ["60777"], "replies": [{"keyword": "HOURS", "text": "You wrote {text}"}]}
)


def _record(offset: int, octets: bytes, sender: int, esm_class: int) -> In:
    value = raw_inbound(octets, source_addr=f"4477{sender:08d}", esm_class=esm_class).to_json()
    return Record(SMSC_INBOUND, 0, offset, T0 + offset // 10, b"60777", value)


def _whole(count: int) -> list[In]:
    return [_record(n, b"A short text from a handset", n, 0) for n in range(count)]


def _answered(count: int) -> list[In]:
    return [_record(n, b"hours please", n, 0) for n in range(count)]


def _parts(count: int, numbers: Sequence[int]) -> list[In]:
    found: list[In] = []
    ref = 0
    while len(found) < count:
        for number in numbers:
            head = udh.header(udh.concatenation_16bit(ref % 65_536, 3, number))
            found += [_record(len(found) + n, head + b"x" * 134, n, 0x40) for n in range(HANDSETS)]
        ref += 1
    return found[:count]


def _run(records: Sequence[In]) -> None:
    cycle = InboundCycle(EVENTS)
    cycle.partitions[0] = cycle.make(0)
    cycle.teller.claims = Claims([ACCOUNT])
    for start in range(0, len(records), BATCH):
        cycle.take(records[start : start + BATCH], T0)
        cycle.expire()
        cycle.flush()


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


def main() -> None:
    parser = argparse.ArgumentParser(description="messages from handsets")
    parser.add_argument("--parts", type=int, default=20_000)
    count = parser.parse_args().parts
    for name, records in (
        ("whole", _whole(count)),
        ("joined", _parts(count, (2, 3, 1))),
        ("waiting", _parts(count, (1,))),
        ("replies", _answered(count)),
    ):
        each = _best(lambda records=records: _run(records)) / len(records)  # type: ignore[misc]  # bound now
        print(f"{name:8} {each * 1e6:6.1f} µs a part, {1 / each:8,.0f} parts/s a core")


if __name__ == "__main__":
    main()
