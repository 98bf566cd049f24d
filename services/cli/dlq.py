"""Edge: `smsgw dlq`: what could not be processed, why, and back again."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord

from schemas.dead_letters import (
    DLQ_ERROR,
    DLQ_FIELD,
    DLQ_HEADERS,
    DLQ_OFFSET,
    DLQ_PARTITION,
    DLQ_REASON,
    DLQ_TIMESTAMP_MS,
    DLQ_TOPIC,
    ORIGIN_TIMESTAMP_MS,
    REPLAYED_FROM,
)
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, dlq_of
from services.cli.errors import EXIT_FAILED, CliError, Invalid
from services.cli.output import clock_time, console, print_json, print_json_lines, table
from services.cli.runtime import find_runtime, kafka_errors, no_topics, producing
from services.cli.topic_admin import partition_counts
from shared.kafka.records import Out
from shared.kafka.replay import read_range
from shared.process.settings import Settings

_SHOWN_VALUE = 200
_TELLING = {*DLQ_HEADERS, ORIGIN_TIMESTAMP_MS}


async def _records(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """All dead letters of a topic, oldest first. Raises `Invalid` when there is no such topic."""
    name = topic if topic.endswith(".dlq") else dlq_of(topic)
    counts = await partition_counts(settings)
    if name not in counts:
        known = ", ".join(sorted(t for t in counts if t.endswith(".dlq")))
        if not known:
            raise no_topics(settings)
        raise Invalid(f"there is no dead-letter topic {name}", f"there are: {known}")
    found: list[ConsumerRecord] = []
    for partition in range(counts[name]):
        async with aclosing(read_range(settings, name, partition)) as batches:
            async for batch in batches:
                found += batch
    return found


def as_row(record: ConsumerRecord) -> dict[str, Any]:
    """A dead letter for people and programs. The value is cut: it may be anything."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    return {
        "dlq": record.topic,
        "offset": record.offset,
        "at_ms": record.timestamp,
        "topic": headers.get(DLQ_TOPIC, ""),
        "partition": _whole(headers.get(DLQ_PARTITION)),
        "topic_offset": _whole(headers.get(DLQ_OFFSET)),
        "reason": headers.get(DLQ_REASON, ""),
        "field": headers.get(DLQ_FIELD, ""),
        "error": headers.get(DLQ_ERROR, ""),
        "value": (record.value or b"")[:_SHOWN_VALUE].decode("utf-8", "replace"),
    }


def _whole(text: str | bytes | None) -> int:
    """A decimal number; -1 for anything else: the headers may be another program's."""
    return int(text) if text and text.isdigit() and len(text) <= 18 else -1


async def summary(data_dir: Path | None, *, as_json: bool) -> int:
    """One row a dead-letter topic that has records."""
    settings = find_runtime(data_dir).settings
    rows = []
    async with kafka_errors(settings):
        names = sorted(name for name in await partition_counts(settings) if name.endswith(".dlq"))
        if not names:
            raise no_topics(settings)
        for name in names:
            if records := await _records(settings, name):
                newest = as_row(records[-1])
                rows.append({"dlq": name, "records": len(records), "newest_at_ms": records[-1].timestamp,
                             "newest_reason": newest["reason"], "newest_error": newest["error"]})  # fmt: skip
    if as_json:
        print_json_lines(rows)
    elif not rows:
        console.print("no dead letters")
    else:
        cells = [
            (r["dlq"], r["records"], clock_time(r["newest_at_ms"]), r["newest_reason"], r["newest_error"]) for r in rows
        ]
        columns = ["topic", "records", "newest", "reason", "error"]
        console.print(table("Dead letters", columns, cells, right=["records"]))
    return 0


async def show(topic: str, data_dir: Path | None, *, limit: int, as_json: bool) -> int:
    """The newest `limit` of one topic, oldest of them first."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        rows = [as_row(record) for record in (await _records(settings, topic))[-limit:]]
    if as_json:
        print_json_lines(rows)
    elif not rows:
        console.print("no dead letters")
    else:
        cells = [
            (r["offset"], clock_time(r["at_ms"]), f"{r['topic']}/{r['partition']}/{r['topic_offset']}", r["reason"],
             r["field"], r["error"], r["value"])
            for r in rows
        ]  # fmt: skip
        columns = ["offset", "at", "topic/partition/offset", "reason", "field", "error", "value"]
        console.print(table("Dead letters", columns, cells, right=["offset"]))
    return 0


async def replay(topic: str, offsets: list[int], data_dir: Path | None, *, everything: bool, as_json: bool) -> int:
    """0 when all that was asked for is written back; 1 when some offsets were not there (then nothing is)."""
    if everything == bool(offsets):
        raise Invalid("say which: --offset N (may be repeated), or --all")
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        records = await _records(settings, topic)
        chosen = records if everything else [r for r in records if r.offset in offsets]
        missing = sorted(set(offsets) - {r.offset for r in chosen})
        if missing:
            if as_json:
                print_json({"replayed": 0, "not_there": missing})
            else:
                console.print(f"not there: {', '.join(map(str, missing))}; nothing was replayed")
            return EXIT_FAILED
        outs = [replayed(record) for record in chosen]
        counts = await partition_counts(settings)
        for out in outs:
            if counts.get(out.topic, 0) <= (out.partition or 0):
                raise CliError(f"{out.topic} partition {out.partition} is not there any more; nothing was replayed")
        async with producing(settings) as producer:
            await producer.send_all(outs)
    print_json({"replayed": len(chosen)}) if as_json else console.print(f"replayed {len(chosen)}")
    return 0


def replayed(record: ConsumerRecord) -> Out:
    """The record as it was, for the very partition it was in, marked as replayed; raises `Invalid` without its place.

    Partitions of some topics are leases or decide what is joined, so the key alone does not tell where it belongs. A
    request also says when it was first accepted, because it gets a place, and so an identity, of its own.
    """
    headers = {name: value or b"" for name, value in record.headers if name in _TELLING}
    topic, partition = headers.get(DLQ_TOPIC, b"").decode("utf-8", "replace"), _whole(headers.get(DLQ_PARTITION))
    if not topic or partition < 0:
        raise Invalid(f"{record.topic} offset {record.offset} does not say where it came from")
    kept = [(n, v) for n, v in record.headers if n not in DLQ_HEADERS and n != REPLAYED_FROM]
    if topic in {MT_REQUESTS, MT_REQUESTS_OTP} and ORIGIN_TIMESTAMP_MS not in headers:
        kept.append((ORIGIN_TIMESTAMP_MS, headers.get(DLQ_TIMESTAMP_MS, b"")))
    mark = (REPLAYED_FROM, f"{record.topic}/{record.partition}/{record.offset}".encode())
    return Out(topic, record.key, record.value, (*kept, mark), partition)
