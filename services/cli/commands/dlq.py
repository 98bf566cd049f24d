"""Edge: `smsgw dlq`: what could not be processed, why, and back again."""

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.cli.errors import EXIT_FAILED
from services.cli.output import clock_time, console, print_json, print_json_lines, styled, table
from services.cli.runtime import find_runtime
from shared.operations import dead_letter_replay, dead_letters
from shared.operations.dead_letter_replay import ReplayPlan, ReplayStep
from shared.operations.errors import Invalid

SHOWN_MAX = 20
"""Refusals that a person is shown without asking for a dry run."""


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


async def replay(
    topic: str,
    offsets: list[int],
    data_dir: Path | None,
    *,
    everything: bool,
    as_json: bool,
    dry_run: bool = False,
    again: bool = False,
    yes: bool = False,
) -> int:
    """0 when all that was asked for is written back (of everything: what was not before); 1 when some is refused, was
    not there (then nothing is), or the person says no. Of a dry run: what it would be.
    """
    if everything == bool(offsets):
        raise Invalid("say which: --offset N (may be repeated), or --all")
    runtime = find_runtime(data_dir)
    try:
        plan = await dead_letter_replay.plan_replay(
            runtime.settings,
            topic,
            None if everything else offsets,
            again=again,
            ask_clickhouse=runtime.knows_clickhouse,
        )
    except dead_letters.OffsetsNotThere as error:
        print_json({"replayed": 0, "not_there": error.offsets}) if as_json else console.print(str(error))
        return EXIT_FAILED
    if dry_run:
        print_json_lines(map(_as_dict, plan.steps)) if as_json else _print_steps(plan.steps)
        return _exit_code(plan, everything=everything)
    if not as_json:
        _print_summary(plan)
        if plan.wanted and not yes and not await _confirmed():
            console.print("nothing was replayed")
            return EXIT_FAILED
    if plan.wanted:
        plan = await dead_letter_replay.carry_out(runtime.settings, plan, _who())
    if as_json:
        refused = [_as_dict(step) for step in plan.refused]
        print_json({"replayed": len(plan.wanted)} | ({"refused": refused} if refused else {}))
    else:
        console.print(f"replayed {len(plan.wanted)}")
    return _exit_code(plan, everything=everything)


def _exit_code(plan: ReplayPlan, *, everything: bool) -> int:
    return EXIT_FAILED if any(not (everything and step.already) for step in plan.refused) else 0


def _as_dict(step: ReplayStep) -> dict[str, Any]:
    letter = step.letter
    return {
        "dlq": letter.record.topic,
        "offset": letter.record.offset,
        "topic": letter.topic,
        "partition": letter.partition,
        "reason": letter.reason,
        "message_ids": list(step.message_ids),
        "replay": not step.why_not,
        "why_not": step.why_not,
    }


def _print_steps(steps: Iterable[ReplayStep]) -> None:
    """A line each: what, where to, and why, or why not."""
    for step in steps:
        letter = step.letter
        what = f"{letter.record.topic} offset {letter.record.offset}"
        if step.why_not:
            console.print(styled(f"{what}: ", ("stays: ", "yellow"), step.why_not), soft_wrap=True)
        else:
            where = f"to {letter.topic} partition {letter.partition}"
            console.print(f"{what}: {where}; it was {letter.reason or 'given no reason'}", soft_wrap=True)


def _print_summary(plan: ReplayPlan) -> None:
    """What is going to be done, before it is."""
    to = ", ".join(f"{count} to {topic}" for topic, count in sorted(plan.destinations().items()))
    console.print(f"{len(plan.wanted)} to replay{': ' if to else ''}{to}; {len(plan.refused)} stay")
    _print_steps(plan.refused[:SHOWN_MAX])
    if len(plan.refused) > SHOWN_MAX:
        console.print(f"and {len(plan.refused) - SHOWN_MAX} more; --dry-run shows all")


def _who() -> str:
    """user@host, for the next operator."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


async def _confirmed() -> bool:
    """Where nobody is at a terminal, nobody is asked."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    console.print("replay them? [y/N] ", end="")
    return (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in {"y", "yes"}
