"""Edge: `python -m services simulator`: arguments, files and sockets of the SMSC to try against.

Exit codes: 0 ended by SIGTERM or SIGINT; 1 the port is taken, or the log or the certificate cannot be used; 2 wrong
arguments or a wrong scenario.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from services.simulator.control import LOOPBACK, ControlServer
from services.simulator.rates import Totals, is_quiet, rate_line
from services.simulator.scenario import Scenario, ScenarioError, parse_scenario
from services.simulator.server import UNANSWERED_MAX, Simulator
from services.simulator.submit_log import SubmitLog
from shared.process.log_lines import LogLines
from shared.process.visible import visible
from shared.smpp.listener import serve
from shared.smpp.tls import server_context

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
RATE_LINE_S = 5.0


class CannotStart(Exception):
    """Why the simulator ends; the text is one sentence for the person who started it."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines("%(asctime)s %(levelname)s simulator: %(message)s"))
    logging.basicConfig(level="INFO", handlers=[handler])
    options = _options(arguments)
    try:
        scenario = read_scenario(options.scenario)
        passwords = read_passwords(scenario, os.environ)
        uvloop.run(_run(scenario, passwords, options))
    except CannotStart as error:
        sys.stderr.writelines(f"{visible(line)}\n" for line in str(error).split("\n"))
        return error.exit_code
    return EXIT_DONE


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services simulator", description=__doc__.partition("\n\n")[0][6:])
    parser.add_argument("--scenario", type=Path, required=True, help="YAML file: who may bind, and what happens then")
    parser.add_argument("--port", type=_port, required=True, help="where to listen for SMPP; 0 = any free port")
    parser.add_argument("--log", type=Path, required=True, help="append every accepted submit_sm to this file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--control-port", type=_port, help="HTTP on the loopback: POST /mo, /disconnect; GET /stats")
    return parser.parse_args(arguments)


def read_scenario(file: Path) -> Scenario:
    """The scenario of a file. Raises CannotStart with every mistake in it, one a line."""
    try:
        return parse_scenario(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotStart(f"{file} cannot be read: {error.strerror}", EXIT_USAGE) from None
    except UnicodeDecodeError:
        raise CannotStart(f"{file} is not UTF-8", EXIT_USAGE) from None
    except ScenarioError as error:
        raise CannotStart("\n".join(f"{file}: {visible(mistake)}" for mistake in error.mistakes), EXIT_USAGE) from None


def read_passwords(scenario: Scenario, environment: Mapping[str, str]) -> dict[str, str]:
    """The passwords by system_id of the scenario. Raises CannotStart for a variable that is not set."""
    passwords: dict[str, str] = {}
    for account in scenario.accounts:
        if account.password is None:
            continue
        secret = environment.get(account.password.env)
        if secret is None:
            sentence = f"the password of {account.system_id} is in {account.password.env}, which is not set"
            raise CannotStart(sentence, EXIT_USAGE)
        passwords.setdefault(account.system_id, secret)
    return passwords


async def _run(scenario: Scenario, passwords: Mapping[str, str], options: argparse.Namespace) -> None:
    """Raises CannotStart, also when the log was lost on the way."""
    log = _open_log(options.log)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()

    def end(sentence: str) -> None:
        if not ended.done():
            ended.set_result(sentence)

    rates = RateLines(loop)
    simulator = Simulator(scenario, log, passwords, end, rates.on_traffic)
    rates.simulator = simulator
    try:
        await _serve_until(ended, simulator, _tls(scenario, options.scenario.parent), options, end)
    finally:
        rates.stop()
        try:
            log.close()
        except OSError as error:
            end(f"{options.log} cannot be written: {error.strerror}")
    if ended.result():
        raise CannotStart(ended.result(), EXIT_FAILED)


async def _serve_until(
    ended: asyncio.Future[str],
    simulator: Simulator,
    tls: ssl.SSLContext | None,
    options: argparse.Namespace,
    end: Callable[[str], None],
) -> None:
    try:
        listener = await serve(
            simulator.make_session,
            options.host,
            options.port,
            simulator.on_events,
            tls=tls,
            unanswered_high=UNANSWERED_MAX,
        )
    except OSError as error:
        raise _cannot_listen(options.host, options.port, error) from None
    control = None
    try:
        if options.control_port is not None:
            control = ControlServer(simulator, options.control_port)
    except OSError as error:
        await listener.close()
        raise _cannot_listen(LOOPBACK, options.control_port, error) from None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, "")
    also = f", control on {LOOPBACK}:{control.port}" if control else ""
    _say(f"SMSC simulator: SMPP{' over TLS' if tls else ''} on {options.host}:{listener.port}{also}, log {options.log}")
    _spare_the_collector()
    await ended
    if control is not None:
        await control.stop()
    simulator.answer_everything()
    await listener.close(unbind=True)


def _spare_the_collector() -> None:
    """Messages live for seconds and never in circles: looking for garbage among them was a sixth of the CPU."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


def _open_log(file: Path) -> SubmitLog:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return SubmitLog(file)
    except OSError as error:
        raise CannotStart(f"{file} cannot be written: {error.strerror}", EXIT_FAILED) from None


def _cannot_listen(host: str, port: int, error: OSError) -> CannotStart:
    # asyncio puts the address into its own text; the system's words are enough.
    reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
    return CannotStart(f"cannot listen on {host}:{port}: {reason}", EXIT_FAILED)


def _tls(scenario: Scenario, folder: Path) -> ssl.SSLContext | None:
    if scenario.tls is None:
        return None
    try:
        return server_context(folder / scenario.tls.cert_file, folder / scenario.tls.key_file)
    except OSError as error:
        raise CannotStart(f"tls: the certificate or its key cannot be used: {error}", EXIT_FAILED) from None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class RateLines:
    """Prints a line every 5 s as long as something happens, and nothing while nothing does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator: Simulator | None = None
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self._before = Totals()
        self._since = 0.0

    def on_traffic(self) -> None:
        if self._handle is None:
            self._since = self._loop.time()
            self._handle = self._loop.call_later(RATE_LINE_S, self._print)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _print(self) -> None:
        self._handle = None
        if self.simulator is None:
            return
        now = self._loop.time()
        totals = self.simulator.totals()
        if not is_quiet(self._before, totals):
            _say(f"{time.strftime('%H:%M:%S')} {rate_line(self._before, totals, now - self._since)}")
            self._before = totals
            self.on_traffic()
