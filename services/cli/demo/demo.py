"""Edge: `smsgw demo`: everything embedded, real traffic, live progress, a report and the four-source reconciliation."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from services.cli.commands.report import render
from services.cli.demo.reconcile import Reconciliation
from services.cli.demo.traffic import Publisher, StatusFollower, count_submits, read_sample, reconcile_all
from services.cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, CliError, without_hint
from services.cli.output import console, errors, print_json, table
from services.cli.runtime import forget_environment
from services.cli.up.stack import Stack, StackOptions
from services.cli.up.up import stop_signal
from shared.local.ports import free_port
from shared.operations.health import look
from shared.operations.kafka_access import kafka_errors
from shared.operations.report import read_report
from shared.process.clock import monotonic_s
from shared.process.settings import Settings

READY_S = 60.0
TRAFFIC_S = 120.0
PROGRESS_S = 0.5
PROGRESS_OF_FILES_S = 5.0
_SHOWN = 10


async def run(messages: int | None, data_dir: Path | None, *, as_json: bool) -> int:
    """0 when everything reconciles; 1 when not; 130 after Ctrl-C. Every process it started is ended."""
    forget_environment()
    stop = stop_signal()
    with _data_dir(data_dir) as place:
        simulator_port = free_port()
        kafka_port = free_port(simulator_port)
        options = StackOptions(
            data_dir=place,
            kafka_port=kafka_port,
            clickhouse_port=free_port(simulator_port, kafka_port),
            simulator_port=simulator_port,
        )
        say = errors.print if as_json else console.print
        async with Stack(options, say) as stack:
            job = asyncio.ensure_future(_guarded(stack, messages, say, as_json=as_json))
            waited: set[asyncio.Future[Any]] = {job, stop}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if job.done():
                return job.result()
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            say("Stopping everything (Ctrl-C again kills)")
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stack.kill_all)
            return stop.result() or EXIT_INTERRUPTED


@contextlib.contextmanager
def _data_dir(given: Path | None) -> Iterator[Path]:
    """The folder to work in: a new one each time, because the demo counts everything it finds."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix="smsgw-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    elif given.exists() and any(given.iterdir()):
        raise CliError(f"{given} is not empty", hint="the demo counts everything, so it wants a new folder")
    else:
        yield given.absolute()


async def _guarded(stack: Stack, messages: int | None, say: Callable[[str], None], *, as_json: bool) -> int:
    """Run it; a Kafka that stops answering in the middle becomes one sentence too."""
    with without_hint():
        async with kafka_errors(stack.settings):
            return await _demo(stack, messages, say, as_json=as_json)


async def _demo(stack: Stack, messages: int | None, say: Callable[[str], None], *, as_json: bool) -> int:
    began_s = monotonic_s()
    sample = read_sample()[:messages]
    say(
        f"{len(sample)} messages over three connectors, on parts of our own in {stack.options.data_dir}; Ctrl-C ends it"
    )
    await stack.start()
    settings = stack.settings
    say("Services: starting")
    await _wait_until_healthy(settings)
    say(f"Services: all healthy, {monotonic_s() - began_s:.0f} s after the start")
    publisher, follower = Publisher(settings), StatusFollower(settings)
    try:
        await publisher.start()
        await follower.start()
        sent_s = monotonic_s()
        await publisher.publish(sample)
        say("")
        say(f"Published {len(sample)} requests to Kafka in {monotonic_s() - sent_s:.1f} s")
        say("")
        missing = await _follow(publisher, follower, stack.submit_log, quiet=as_json)
        traffic_s = monotonic_s() - sent_s
        result = await reconcile_all(settings, publisher, follower, stack.submit_log)
    finally:
        await follower.stop()
        await publisher.stop()
    found = await asyncio.to_thread(read_report, settings, 86_400)
    if as_json:
        print_json({"reconciliation": result.as_dict(), "report": asdict(found), "traffic_s": traffic_s})
    else:
        console.print()
        console.print(render(found))
        _print(result, traffic_s, monotonic_s() - began_s)
    return 0 if result.ok and not missing else EXIT_FAILED


async def _wait_until_healthy(settings: Settings) -> None:
    deadline_s = monotonic_s() + READY_S
    while True:
        health = await look(settings)
        if not health.problems:
            return
        if monotonic_s() > deadline_s:
            raise CliError("not healthy within a minute: " + "; ".join(health.problems))
        await asyncio.sleep(0.3)


async def _follow(publisher: Publisher, follower: StatusFollower, submit_log: Path, *, quiet: bool) -> set[str]:
    """Wait for all finals, with a bar and two lines of progress for people; returns the messages that did not end."""
    wanted = [p.message_id for p in publisher.published]
    waiting = asyncio.ensure_future(follower.wait_for(wanted, TRAFFIC_S))
    columns = [TextColumn("final statuses", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    bar = Progress(*columns, console=console, auto_refresh=False)
    task = bar.add_task("", total=len(wanted))
    is_terminal = sys.stdout.isatty() and not quiet
    with Live(bar, console=console, auto_refresh=False) if is_terminal else contextlib.nullcontext() as live:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=PROGRESS_S if live else PROGRESS_OF_FILES_S)
            submits = await asyncio.to_thread(count_submits, submit_log)
            bar.update(task, completed=len(follower.ended))
            lines = f"accepted by the SMSC: {submits} segments\nso far: {words_of(_ends(follower))}"
            if live:
                live.update(Group(bar, Text(lines, style="dim", no_wrap=True, overflow="ellipsis")), refresh=True)
            elif not quiet:
                console.print(f"{len(follower.ended)} of {len(wanted)} final, {submits} segments accepted by the SMSC")
    return waiting.result()


def _ends(follower: StatusFollower) -> Counter[str]:
    return Counter(one.status for one in follower.told if one.final)


def _print(result: Reconciliation, traffic_s: float, all_s: float) -> None:
    rows = [
        (
            "published to mt.requests",
            result.published + result.dead_letters,
            f"{result.dead_letters} of them dead letters",
        ),
        ("accepted by the SMSC (its own log)", result.submits, "segments"),
        ("final in mt.statuses", sum(result.finals.values()), words_of(result.finals)),
        ("final in ClickHouse", result.stored, ""),
    ]
    console.print()
    console.print(table("Reconciliation", ["source", "count", ""], rows, right=["count"]))
    console.print()
    console.print(
        f"{len(result.lost)} lost, {len(result.duplicates)} duplicates, "
        f"{len(result.contradictions)} contradictions, {sum(result.unknown.values())} of unknown outcome",
        style="bold",
    )
    for sentence in [*result.lost, *result.duplicates, *result.contradictions][:_SHOWN]:
        console.print(f"  {sentence}")
    console.print(f"Traffic {traffic_s:.1f} s, everything {all_s:.1f} s")


def words_of(counts: Mapping[str, int]) -> str:
    """`5300 delivered, 345 undeliverable, …`, the most frequent first."""
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
