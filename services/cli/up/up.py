"""Edge: `smsgw up`: all of it in one terminal."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rich.live import Live
from rich.table import Table

from schemas.topics import EVERY_PROCESS
from services.cli.errors import EXIT_INSTANCE_IN_USE, EXIT_INTERRUPTED
from services.cli.output import console, table, tell, tell_json
from services.cli.runtime import KAFKA_VARIABLE, data_dir_of
from services.cli.up.instance import ALONE
from services.cli.up.stack import (
    ALL,
    DEMO_DIR,
    HTTP_API_PORT,
    KAFKA,
    SIMULATOR,
    SIMULATOR_PORT,
    Stack,
    StackOptions,
)
from services.cli.up.stopping import Stopping
from services.cli.up.watchdog import Watchdog
from shared.local.ports import LOOPBACK
from shared.operations.errors import Invalid
from shared.operations.hanging.watch import keep_ended
from shared.process.clock import now_ms

REFRESH_S = 1.0
LOOK_S = 5.0


class UpPorts(NamedTuple):
    """What was given on the command line; None = not given."""

    kafka: int | None = None
    clickhouse: int | None = None
    http: int | None = None


def options_of(
    config: Path | None,
    data_dir: Path | None,
    ports: UpPorts,
    *,
    simulator: bool,
    only: str | None,
) -> StackOptions:
    """The options of `smsgw up`, checked. Raises `Invalid`."""
    names = frozenset(ALL if only is None else (name.strip() for name in only.split(",") if name.strip()))
    if unknown := names - set(ALL):
        raise Invalid(f"--only: unknown {', '.join(sorted(unknown))}", f"allowed: {', '.join(ALL)}")
    if not names:
        raise Invalid("--only: nothing to run", f"allowed: {', '.join(ALL)}")
    if not simulator:
        names -= {SIMULATOR}
    simulator_port = os.environ.get("SMSGW_SIMULATOR_PORT", str(SIMULATOR_PORT))
    if not simulator_port.isdecimal() or not 0 < int(simulator_port) < 65_536:
        raise Invalid(f"SMSGW_SIMULATOR_PORT: {simulator_port!r} is no port")
    return StackOptions(
        simulator_port=int(simulator_port),
        scenario=Path(os.environ.get("SMSGW_SIMULATOR_SCENARIO") or DEMO_DIR / "scenario.yaml"),
        data_dir=data_dir_of(data_dir),
        kafka_port=ports.kafka,
        clickhouse_port=ports.clickhouse,
        http_port=_http_port(ports.http),
        only=names,
        config=config,
        instance=os.environ.get("SMSGW_INSTANCE") or _instance_of_its_own(names),
        surplus=only is not None and bool(os.environ.get("SMSGW_INSTANCE")),
    )


def _http_port(given: int | None) -> int:
    """Of the HTTP door; 0 = any that is free, which only the variable can say."""
    from_environment = os.environ.get("SMSGW_API_PORT", "")
    if not from_environment:
        return given or HTTP_API_PORT
    if given is not None:
        raise Invalid(f"SMSGW_API_PORT={from_environment} and --http-port contradict each other: give one of them")
    if not from_environment.isdecimal() or int(from_environment) > 65_535:
        raise Invalid(f"SMSGW_API_PORT: {from_environment!r} is no port")
    return int(from_environment)


def _instance_of_its_own(names: frozenset[str]) -> str:
    """Of an `up` that runs the Kafka it works on; empty = it is one of several, and will see who is there."""
    return ALONE if KAFKA in names and not os.environ.get(KAFKA_VARIABLE) else ""


async def run(options: StackOptions, *, as_json: bool) -> int:
    """Until Ctrl-C, SIGTERM or the end of the terminal, or until there is nothing to run; returns the exit code.

    For programs every sentence is an object with `at_ms` and `message`, and one object with `ready` has the addresses.
    """
    say = _say_json if as_json else tell
    stop = stop_signal()
    async with Stack(options, say) as stack:
        starting = asyncio.ensure_future(stack.start())
        waited: set[asyncio.Future[Any]] = {starting, stop}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            tell_json(_addresses(stack)) if as_json else _introduce(stack)
            await _keep(stack, stop, say, live=not as_json and sys.stdout.isatty())
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        say("Stopping: draining the services, then ClickHouse and Kafka (Ctrl-C or SIGTERM again ends at once)")
        telling = asyncio.create_task(Stopping(stack, say).follow(), name="stopping")
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    say("Stopped.")
    return stop.result() if stop.done() else EXIT_INSTANCE_IN_USE


def _say_json(sentence: str) -> None:
    tell_json({"at_ms": now_ms(), "message": sentence})


def _addresses(stack: Stack) -> dict[str, Any]:
    return {
        "ready": True,
        "kafka_bootstrap_servers": stack.bootstrap_servers,
        "clickhouse_url": stack.clickhouse_url,
        "http_api": stack.http_api_url,
        "simulator": f"{LOOPBACK}:{stack.options.simulator_port}" if SIMULATOR in stack.states() else "",
        "data_dir": str(stack.options.data_dir),
        "processes": {name: state.pid for name, state in stack.states().items()},
    }


def stop_signal() -> "asyncio.Future[int]":
    """Done on Ctrl-C, SIGTERM or the end of the terminal, with the exit code that follows."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not stop.done():
            stop.set_result(code)

    loop.add_signal_handler(signal.SIGINT, end, EXIT_INTERRUPTED)
    loop.add_signal_handler(signal.SIGTERM, end, 0)
    loop.add_signal_handler(signal.SIGHUP, end, 0)
    return stop


def _introduce(stack: Stack) -> None:
    """What to type next."""
    tell(f"\nKafka       {stack.bootstrap_servers}")
    if stack.clickhouse_url:
        no_password = "" if stack.given_clickhouse else "  (user default, no password)"
        tell(f"ClickHouse  {stack.clickhouse_url}{no_password}")
    if stack.http_api_url:
        tell(f"HTTP API    {stack.http_api_url}  (/openapi.json; keys: smsgw keys create ACCOUNT)")
    if SIMULATOR in stack.states():
        tell(f"Simulator   {LOOPBACK}:{stack.options.simulator_port}")
    tell(f"Data, logs  {stack.options.data_dir}")
    tell("In another terminal: smsgw status --wait 60; smsgw send +447700900123 'Hello'; smsgw report\n")


async def _keep(stack: Stack, stop: "asyncio.Future[int]", say: Callable[[str], None], *, live: bool) -> None:
    """Watch until asked to stop, or until another process has the instance id of everything here."""
    watchdog = Watchdog(
        stack.settings,
        lambda: {name: state.pid for name, state in stack.states().items() if name in EVERY_PROCESS},
        stack.kafka_answers,
        lambda name: stack.restart(name, 0),
        say,
        stack.on_config,
        stack.be_patient,
    )
    watching = [asyncio.create_task(watchdog.run(), name="watchdog")]
    if stack.runs_kafka:
        watching.append(asyncio.create_task(keep_ended(stack.settings, say), name="hanging transactions"))
    in_use = asyncio.create_task(stack.in_use.wait(), name="in-use")
    ends: set[asyncio.Future[Any]] = {stop, in_use}
    try:
        with _live(stack) if live else nullcontext(lambda: None) as show:
            while not any(end.done() for end in ends):
                await asyncio.wait(ends, timeout=REFRESH_S if live else LOOK_S)
                stack.refresh_run_file()
                show()
    finally:
        for task in (*watching, in_use):
            task.cancel()
        await asyncio.gather(*watching, in_use, return_exceptions=True)


@contextmanager
def _live(stack: Stack) -> Iterator[Callable[[], None]]:
    """A table of the processes at the end of a terminal, drawn anew by each call; it may be gone."""
    live = Live(_processes(stack), console=console, auto_refresh=False, transient=True)

    def show() -> None:
        with suppress(OSError):
            live.update(_processes(stack), refresh=True)

    with suppress(OSError):
        live.start()
    try:
        yield show
    finally:
        with suppress(OSError):
            live.stop()


def _processes(stack: Stack) -> Table:
    rows = [(s.name, s.phase, s.pid or "", s.restarts) for s in stack.states().values()]
    return table("Processes", ["name", "state", "pid", "restarts"], rows, right=["pid", "restarts"])
