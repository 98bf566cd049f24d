"""Edge: `smsgw dlq`: what could not be processed, why, and back again."""

from dataclasses import asdict
from pathlib import Path

from services.cli.errors import EXIT_FAILED
from services.cli.output import clock_time, console, print_json, print_json_lines, table
from services.cli.runtime import find_runtime
from shared.operations import dead_letters
from shared.operations.errors import Invalid


async def summary(data_dir: Path | None, *, as_json: bool) -> int:
    """One row a dead-letter topic that has records."""
    found = await dead_letters.dead_letter_topics(find_runtime(data_dir).settings)
    if as_json:
        print_json_lines(asdict(topic) for topic in found)
    elif not found:
        console.print("no dead letters")
    else:
        cells = [(t.dlq, t.records, clock_time(t.newest_at_ms), t.newest_reason, t.newest_error) for t in found]
        columns = ["topic", "records", "newest", "reason", "error"]
        console.print(table("Dead letters", columns, cells, right=["records"]))
    return 0


async def show(topic: str, data_dir: Path | None, *, limit: int, as_json: bool) -> int:
    """The newest `limit` of one topic, oldest of them first."""
    found = await dead_letters.newest_dead_letters(find_runtime(data_dir).settings, topic, limit)
    if as_json:
        print_json_lines(asdict(letter) for letter in found)
    elif not found:
        console.print("no dead letters")
    else:
        cells = [
            (d.offset, clock_time(d.at_ms), f"{d.topic}/{d.partition}/{d.topic_offset}", d.reason, d.field, d.error,
             d.value)
            for d in found
        ]  # fmt: skip
        columns = ["offset", "at", "topic/partition/offset", "reason", "field", "error", "value"]
        console.print(table("Dead letters", columns, cells, right=["offset"]))
    return 0


async def replay(topic: str, offsets: list[int], data_dir: Path | None, *, everything: bool, as_json: bool) -> int:
    """0 when all that was asked for is written back; 1 when some offsets were not there (then nothing is)."""
    if everything == bool(offsets):
        raise Invalid("say which: --offset N (may be repeated), or --all")
    settings = find_runtime(data_dir).settings
    try:
        count = await dead_letters.replay(settings, topic, None if everything else offsets)
    except dead_letters.OffsetsNotThere as error:
        print_json({"replayed": 0, "not_there": error.offsets}) if as_json else console.print(str(error))
        return EXIT_FAILED
    print_json({"replayed": count}) if as_json else console.print(f"replayed {count}")
    return 0
