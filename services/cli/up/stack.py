"""Edge: all processes of one machine: Kafka, ClickHouse, the simulator and the services, in the order they need."""

import asyncio
import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from schemas.gateway.values import SECRET_DIR_VARIABLE, SECRET_ENV_VARIABLE
from schemas.topics import EVERY_PROCESS
from services.cli.errors import EXIT_INSTANCE_IN_USE, CliError, without_hint
from services.cli.gateway_file import read_gateway_file
from services.cli.runtime import CLICKHOUSE_VARIABLE, KAFKA_VARIABLE, REQUEST_TIMEOUT_MS
from services.cli.up.cluster_file import remember_cluster
from services.cli.up.data_folder import refuse_folder_of_others
from services.cli.up.instance import ALONE, instance_beside_others
from services.cli.up.run_file import RunFile, read_run_file, remove_run_file, write_run_file
from shared.kafka.cluster_id import cluster_id_of
from shared.local.child import ChildEvent, ChildSpec, ChildState
from shared.local.extra import missing_packages
from shared.local.kafka import EmbeddedKafka, EmbeddedKafkaError
from shared.local.kafka_jars import KAFKA_VERSION
from shared.local.platforms import embedded_problem
from shared.local.ports import LOOPBACK, port_problem
from shared.local.private import make_private_folder
from shared.local.supervisor import Supervisor
from shared.operations.clickhouse_access import clickhouse
from shared.operations.config.apply import apply_gateway, create_topics, read_applied
from shared.operations.config.compare_and_set import hash_of
from shared.operations.config.gateway_advice import advice
from shared.operations.config.gateway_yaml import parse_gateway
from shared.operations.errors import Invalid, ManyInvalid, Unreachable
from shared.operations.kafka_access import kafka_answers, kafka_errors
from shared.process.awaited import stop_patience_s
from shared.process.clock import monotonic_s, now_ms
from shared.process.settings import Settings, SettingsError, read_settings

KAFKA, CLICKHOUSE, SIMULATOR, RECORDER = "kafka", "clickhouse", "simulator", "recorder"
BINDER = "binder"
ALL: tuple[str, ...] = (KAFKA, CLICKHOUSE, SIMULATOR, *EVERY_PROCESS)
HTTP_API = "http-api"
KAFKA_PORT, CLICKHOUSE_PORT, SIMULATOR_PORT, HTTP_API_PORT = 9092, 8123, 2775, 8080
_VARIABLES = {KAFKA: KAFKA_VARIABLE, CLICKHOUSE: CLICKHOUSE_VARIABLE}
SIMULATOR_PASSWORD = "SMSGW_SECRET_SIMULATOR"  # noqa: S105  # the name of a variable
SIMULATOR_PASSWORD_BEFORE = "SMSGW_SIMULATOR_PASSWORD"  # noqa: S105
"""What it was called before secrets had a prefix: a configuration that was applied then still names it."""

SECRETS = "secrets"
"""The folder below the data folder for files that gateway.yaml names, unless SMSGW_SECRET_DIR names another."""

NOT_OURS = frozenset({errno.EPERM, errno.EACCES, errno.EROFS, errno.EEXIST})
"""What is said of a folder of somebody else's, one that may not be written, and of a file."""

NICE = {CLICKHOUSE: 10, RECORDER: 10, "correlator": 5}
"""Who gives way on a machine that all share: nobody waits for a receipt or a report as one does for a password."""

_Made = TypeVar("_Made")

DEMO_DIR = Path(__file__).parents[1] / "demo" / "data"
READY_S = 60.0
SERVICE_STOP_S = 20.0
"""For whoever waits for no SMSC."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What `smsgw up` was asked for. Ports of None: the default one; `only`: the names of all that is to run here;
    `http_port` 0: any that is free; `instance`: empty = one that nobody else has.
    """

    data_dir: Path
    kafka_port: int | None = None
    clickhouse_port: int | None = None
    simulator_port: int = SIMULATOR_PORT
    http_port: int = 0
    only: frozenset[str] = frozenset(ALL)
    config: Path | None = None
    scenario: Path = field(default_factory=lambda: DEMO_DIR / "scenario.yaml")
    instance: str = ALONE
    short_lived: bool = False
    surplus: bool = False


class Stack:
    """Starts, watches and stops. `say` gets one sentence for each step and event, and must not raise.

    Use as an async context manager. `in_use` is set when every service of this stack was given up because another
    process has its instance id.
    """

    def __init__(self, options: StackOptions, say: Callable[[str], None]) -> None:
        self.options = options
        self.in_use = asyncio.Event()
        self.instance = options.instance
        self.stop_patience_s = stop_patience_s(None)
        self._config_hash = ""
        self._cluster_id = ""
        self._say = say
        self._run = read_run_file(options.data_dir)
        self._kafka_address = self._address(KAFKA, KAFKA_VARIABLE, options.kafka_port)
        self._clickhouse_url = self._address(CLICKHOUSE, CLICKHOUSE_VARIABLE, options.clickhouse_port)
        self._supervisor = Supervisor(self._on_event)
        self._kafka: EmbeddedKafka | None = None
        self._settled = False
        self._started_at_ms = 0
        self._written: RunFile | None = None
        self._unwritten = ""

    def _address(self, name: str, variable: str, port: int | None) -> str:
        """The address that is given from outside for `name`; empty when this stack starts it, or nothing of it asks for
        ClickHouse (only the recorder does) and nobody says where it is.
        """
        given = os.environ.get(variable, "")
        if given and port is not None:
            raise Invalid(f"{variable}={given} and a port for {name} contradict each other: give one of them")
        if given:
            return given
        if name in self.options.only:
            return ""
        known = ""
        if self._run is not None and self._run.alive:
            known = self._run.kafka_bootstrap_servers if name == KAFKA else self._run.clickhouse_url
        if not known and (name == KAFKA or RECORDER in self.options.only):
            raise Invalid(
                f"nothing says where {name} is: {variable} is not set, and no `smsgw up` that runs on "
                f"{self.options.data_dir} knows it"
            )
        return known

    @property
    def settings(self) -> Settings:
        """How to reach what this stack runs on. Raises `Invalid` for a wrong environment."""
        known = {"clickhouse_url": self.clickhouse_url} if self.clickhouse_url else {}
        try:
            return read_settings(
                kafka_bootstrap_servers=self.bootstrap_servers, data_dir=self.options.data_dir, **known
            )
        except SettingsError as error:
            raise ManyInvalid(str(error).splitlines()) from None

    @property
    def bootstrap_servers(self) -> str:
        return self._kafka_address or f"{LOOPBACK}:{self.options.kafka_port or KAFKA_PORT}"

    @property
    def clickhouse_url(self) -> str:
        """Empty when it is unknown: see `_address`."""
        if not self._clickhouse_url and CLICKHOUSE not in self.options.only:
            return ""
        return self._clickhouse_url or f"http://{LOOPBACK}:{self.options.clickhouse_port or CLICKHOUSE_PORT}"

    @property
    def http_api_url(self) -> str:
        """Empty where the HTTP door does not run here, or on a port that nobody named."""
        if HTTP_API not in self.options.only or not self.options.http_port:
            return ""
        scheme = "https" if os.environ.get("SMSGW_API_TLS_CERT") else "http"
        return f"{scheme}://{os.environ.get('SMSGW_API_HOST') or LOOPBACK}:{self.options.http_port}"

    @property
    def runs_kafka(self) -> bool:
        """Whether Kafka is ours."""
        return self._kafka is not None

    @property
    def given_clickhouse(self) -> bool:
        """Whether ClickHouse is somebody else's."""
        return bool(self._clickhouse_url)

    @property
    def submit_log(self) -> Path:
        """The simulator's log of every submit_sm it accepted."""
        return self.options.data_dir / "simulator" / "submits.jsonl"

    def states(self) -> dict[str, ChildState]:
        return self._supervisor.states()

    async def restart(self, name: str, grace_s: float | None = None) -> None:
        await self._supervisor.restart(name, grace_s)

    async def __aenter__(self) -> "Stack":
        refuse_folder_of_others(self.options.data_dir)
        try:
            if make_private_folder(self.options.data_dir):
                self._say(f"{self.options.data_dir}: could be read by others; now only its owner may")
            for name in ("logs", SECRETS):
                make_private_folder(self.options.data_dir / name)
        except OSError as error:
            if error.errno in NOT_OURS:
                hint = "name a folder of this gateway with --data-dir or SMSGW_DATA_DIR"
                raise Invalid(f"cannot use {self.options.data_dir}: {error.strerror}", hint) from error
            raise CliError(f"cannot use {self.options.data_dir}: {error.strerror}") from error
        await self._supervisor.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._settled = False
        await self._supervisor.__aexit__(None, None, None)
        run = read_run_file(self.options.data_dir)
        if run is not None and run.pid == os.getpid():
            remove_run_file(self.options.data_dir)

    def kill_all(self) -> None:
        self._supervisor.kill_all()

    async def start(self) -> None:
        """Everything in order; returns when all processes run (see `smsgw status` for healthy). Raises `CliError`."""
        self.settings  # noqa: B018  # a broken environment or file is told before anything is started
        gateway_text = self._gateway_text()
        self._check_platform()
        self._check_ports()
        if not self.instance:
            await self._find_instance()
        if KAFKA in self.options.only and not self._kafka_address:
            await self._start_kafka()
        if CLICKHOUSE in self.options.only and not self._clickhouse_url:
            await self._start_clickhouse()
        elif self._clickhouse_url and RECORDER in self.options.only:
            (await asyncio.to_thread(clickhouse, self.settings)).close()
        await self._know_cluster()
        await self._configure(gateway_text)
        if SIMULATOR in self.options.only:
            await self._start_simulator()
        for name in EVERY_PROCESS:
            if name in self.options.only:
                await self._supervisor.start(self._service_spec(name))
        self._settled = True
        self._started_at_ms = now_ms()
        self._write_run_file()

    async def _know_cluster(self) -> None:
        """Raises `Refused` where another cluster answers than the one that this data directory has worked with."""
        settings = self.settings.model_copy(update={"kafka_request_timeout_ms": REQUEST_TIMEOUT_MS})
        with without_hint():
            async with kafka_errors(settings):
                self._cluster_id = await cluster_id_of(settings)
        remember_cluster(self.options.data_dir, settings.kafka_bootstrap_servers, self._cluster_id)

    async def _find_instance(self) -> None:
        services = self.options.only & set(EVERY_PROCESS)
        settings = self.settings.model_copy(update={"kafka_request_timeout_ms": REQUEST_TIMEOUT_MS})
        with without_hint():
            self.instance = await instance_beside_others(settings, self.options.data_dir, services)
        self._say(f"Instance: {self.instance}, for others may run on that Kafka (SMSGW_INSTANCE gives another id)")

    def on_config(self, config_hash: str) -> None:
        """What is applied now, for run.json; see `refresh_run_file`."""
        self._config_hash = config_hash

    def be_patient(self, stop_s: float) -> None:
        """How long the binder may need to stop, from now on: as long as answers may take."""
        self.stop_patience_s = stop_s
        if BINDER in self.states():
            self._supervisor.set_stop_timeout(BINDER, stop_s)

    def refresh_run_file(self) -> None:
        """Write run.json again where it would say something else. A full disk is said once, and tried again."""
        if not self._settled:
            return
        try:
            self._write_run_file()
            self._unwritten = ""
        except CliError as error:
            if str(error) != self._unwritten:
                self._say(f"{error}: other commands are told old addresses and processes")
            self._unwritten = str(error)

    def _write_run_file(self) -> None:
        """Only the stack that runs Kafka or ClickHouse, or all there is, tells others; a second one leaves the file."""
        if self._run is not None and self._run.alive and self._run.pid != os.getpid():
            return
        states = self.states()
        run = RunFile(
            pid=os.getpid(),
            instance=self.instance,
            kafka_bootstrap_servers=self.bootstrap_servers,
            clickhouse_url=self.clickhouse_url,
            simulator=f"{LOOPBACK}:{self.options.simulator_port}" if SIMULATOR in states else "",
            config_hash=self._config_hash,
            started_at_ms=self._started_at_ms,
            processes={name: state.pid for name, state in states.items()},
        )
        if run == self._written:
            return
        try:
            write_run_file(self.options.data_dir, run)
            self._written = run
        except OSError as error:
            raise CliError(f"cannot write to {self.options.data_dir}: {error.strerror}") from error

    def _check_platform(self) -> None:
        """Raises `CliError` where something is to be embedded that cannot be."""
        given = {KAFKA: self._kafka_address, CLICKHOUSE: self._clickhouse_url}
        wanted = {name: _VARIABLES[name] for name in _VARIABLES if name in self.options.only and not given[name]}
        instead = f"set {' and '.join(wanted.values())}"
        if wanted and (problem := embedded_problem()):
            raise CliError(f"Kafka and ClickHouse cannot be embedded on {problem}", hint=instead)
        if missing := missing_packages(wanted):
            raise CliError(
                f"what is embedded needs packages that are not installed: {', '.join(missing)}",
                hint=f"pip install 'smsgw[local]', or {instead}",
            )

    def _check_ports(self) -> None:
        wanted = []
        if KAFKA in self.options.only and not self._kafka_address:
            wanted.append(("Kafka", self.options.kafka_port or KAFKA_PORT, "--kafka-port"))
        if CLICKHOUSE in self.options.only and not self._clickhouse_url:
            wanted.append(("ClickHouse", self.options.clickhouse_port or CLICKHOUSE_PORT, "--clickhouse-port"))
        if SIMULATOR in self.options.only:
            wanted.append(
                (
                    "the simulator",
                    self.options.simulator_port,
                    "SMSGW_SIMULATOR_PORT, or leave it out with --no-simulator",
                )
            )
        if HTTP_API in self.options.only and self.options.http_port:
            wanted.append(("the HTTP API", self.options.http_port, "--http-port"))
        for what, port, option in wanted:
            if problem := port_problem(port):
                raise CliError(f"port {port} for {what} {problem}", hint=f"choose another with {option}")

    async def _start_kafka(self) -> None:
        place = self.options.data_dir / KAFKA
        kafka = EmbeddedKafka(
            place,
            self.options.kafka_port or KAFKA_PORT,
            log_file=self._log(KAFKA),
            short_lived=self.options.short_lived,
        )
        fetching = f"fetching Apache Kafka {KAFKA_VERSION}, 44 MB, once"
        self._say(f"Kafka: {fetching if kafka.needs_download() else 'starting'}")
        try:
            await _in_thread(kafka.prepare)
            spec = self._spec(KAFKA, kafka.command(), order=3, stop_s=30.0, cwd=place)
            await self._supervisor.start(spec)
            exit_code = self._exit_code_of(KAFKA)
            await asyncio.to_thread(kafka.wait_ready, exit_code, READY_S)
        except EmbeddedKafkaError as error:
            raise CliError(str(error)) from error
        self._kafka = kafka
        self._say(f"Kafka: listens on {self.bootstrap_servers}")

    def _exit_code_of(self, name: str) -> Callable[[float], int | None]:
        """A function for a waiting thread: it lets `seconds` pass, then says how the child ended, or None while it
        runs.

        Raises `CliError` for one that could not even be started.
        """
        pause = threading.Event()

        def exit_code(seconds: float) -> int | None:
            pause.wait(seconds)
            state = self._supervisor.states()[name]
            if state.start_error:
                raise CliError(f"{name} cannot be started: {state.start_error}")
            return None if state.phase in {"starting", "running"} else state.last_exit_code or 0

        return exit_code

    async def _start_clickhouse(self) -> None:
        port = self.options.clickhouse_port or CLICKHOUSE_PORT
        place = self.options.data_dir / CLICKHOUSE
        self._say("ClickHouse: starting")
        argv = [sys.executable, "-m", "shared.local.clickhouse", "--data-dir", str(place), "--port", str(port)]
        await self._supervisor.start(self._spec(CLICKHOUSE, argv, order=2, stop_s=30.0))
        await self._wait_for_clickhouse()
        self._say(f"ClickHouse: listens on {self.clickhouse_url}")

    async def _wait_for_clickhouse(self) -> None:
        exit_code = self._exit_code_of(CLICKHOUSE)
        deadline_s = monotonic_s() + READY_S
        while monotonic_s() < deadline_s:
            if (code := await asyncio.to_thread(exit_code, 0.1)) is not None:
                raise CliError(f"ClickHouse ended with code {code}: {last_line(self._log(CLICKHOUSE))}")
            with contextlib.suppress(Unreachable):
                (await asyncio.to_thread(clickhouse, self.settings)).close()
                return
        raise Unreachable(f"ClickHouse does not answer on {self.clickhouse_url} (log: {self._log(CLICKHOUSE)})")

    def _gateway_text(self) -> str | None:
        """The file to apply: the one that was named; None = the one applied last, else the demo's."""
        if self.options.config is None:
            return None
        return read_gateway_file(self.options.config)

    async def _configure(self, text: str | None) -> None:
        settings = self.settings.model_copy(update={"kafka_request_timeout_ms": REQUEST_TIMEOUT_MS})
        with without_hint():
            await create_topics(settings)
            running = await read_applied(settings)
            if text is None and running is not None:
                await create_topics(settings, running.gateway.connectors)
                self._config_hash = running.hash
                self.be_patient(stop_patience_s(running))
                return
            text = text if text is not None else self.demo_gateway_text()
            applied = await apply_gateway(settings, parse_gateway(text), text, expected=hash_of(running))
        self._config_hash = applied.hash
        self.be_patient(stop_patience_s(applied))
        self._say(f"Configuration {applied.hash}: applied")
        for sentence in advice(applied.gateway):
            self._say(f"warning: {sentence}")

    def demo_gateway_text(self) -> str:
        """The built-in configuration: three connectors, all of them the simulator's."""
        text = (DEMO_DIR / "gateway.yaml").read_text(encoding="utf-8")
        return text.replace(f"port: {SIMULATOR_PORT}", f"port: {self.options.simulator_port}")

    async def _start_simulator(self) -> None:
        try:
            make_private_folder(self.submit_log.parent)
        except OSError as error:
            raise CliError(f"cannot use {self.submit_log.parent}: {error.strerror}") from error
        argv = [sys.executable, "-m", "services", SIMULATOR, "--scenario", str(self.options.scenario)]
        argv += ["--port", str(self.options.simulator_port), "--log", str(self.submit_log)]
        await self._supervisor.start(self._spec(SIMULATOR, argv, order=1))
        self._say(f"Simulator: SMPP on {LOOPBACK}:{self.options.simulator_port}")

    def _service_spec(self, name: str) -> ChildSpec:
        argv = [sys.executable, "-m", "services", name]
        stop_s = self.stop_patience_s if name == BINDER else SERVICE_STOP_S
        return self._spec(name, argv, order=1 if name == RECORDER else 0, stop_s=stop_s)

    def _spec(
        self, name: str, argv: Sequence[str], *, order: int, stop_s: float = SERVICE_STOP_S, cwd: Path | None = None
    ) -> ChildSpec:
        environment = dict(os.environ) | {
            KAFKA_VARIABLE: self.bootstrap_servers,
            **({CLICKHOUSE_VARIABLE: self.clickhouse_url} if self.clickhouse_url else {}),
            "SMSGW_DATA_DIR": str(self.options.data_dir),
            "SMSGW_INSTANCE": self.instance,
            "SMSGW_KAFKA_CLUSTER_ID": self._cluster_id,
            "SMSGW_HTTP_HOST": LOOPBACK,
            "SMSGW_HTTP_PORT": "0",
            "SMSGW_API_PORT": str(self.options.http_port),
            "PYTHONUNBUFFERED": "1",
        }
        environment.setdefault(SECRET_DIR_VARIABLE, str(self.options.data_dir / SECRETS))
        password = environment.get(SIMULATOR_PASSWORD_BEFORE) or "simulate"  # 8 octets: all that SMPP allows
        environment.setdefault(SIMULATOR_PASSWORD, password)
        environment.setdefault(SIMULATOR_PASSWORD_BEFORE, password)
        listed = [environment.get(SECRET_ENV_VARIABLE, ""), SIMULATOR_PASSWORD_BEFORE]
        environment[SECRET_ENV_VARIABLE] = ",".join(filter(None, listed))
        if self.options.surplus or not self.options.instance:
            environment["SMSGW_LEAVE_GROUPS"] = "true"
        return ChildSpec(
            name,
            tuple(argv),
            environment,
            self._log(name),
            cwd=cwd,
            stop_order=order,
            stop_timeout_s=stop_s,
            nice=NICE.get(name, 0),
        )

    def _log(self, name: str) -> Path:
        suffix = "" if self.instance == ALONE else f"-{self.instance}"
        return self.options.data_dir / "logs" / f"{name}{suffix}.log"

    def _on_event(self, event: ChildEvent) -> None:
        if event.kind == "exited" and self._settled:
            reason = event.error or f"exit code {event.exit_code}"
            self._say(f"{event.name}: ended ({reason}); {last_line(self._log(event.name))}")
        elif event.kind == "restarting":
            self._say(f"{event.name}: starts again in {event.delay_s or 0:.1f} s")
        elif event.kind == "gave_up":
            self._say(f"{event.name}: not started again (exit code {event.exit_code}, log: {self._log(event.name)})")
            if self._all_in_use():
                self.in_use.set()
        if event.kind == "started":
            self.refresh_run_file()

    def _all_in_use(self) -> bool:
        wanted = self.options.only & set(EVERY_PROCESS)
        states = [state for name, state in self.states().items() if name in wanted]
        given_up = [s for s in states if s.phase == "gave_up" and s.last_exit_code == EXIT_INSTANCE_IN_USE]
        return bool(wanted) and len(given_up) == len(wanted)

    async def kafka_answers(self) -> bool:
        """The supervisor's own probe, of this very broker where it is ours, else of whatever the address leads to."""
        if self._kafka is not None:
            return await asyncio.to_thread(self._kafka.answers)
        return await kafka_answers(self.settings)


async def _in_thread(work: Callable[[threading.Event], _Made]) -> _Made:
    """Run `work` in a thread; when this task is cancelled, its event is set, and it should end at once."""
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(work, cancelled)
    except asyncio.CancelledError:
        cancelled.set()
        raise


def last_line(log: Path) -> str:
    """What a process said last, for a sentence about its end."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        if lines:
            return f"it said: {lines[-1][:300]}"
    return f"see {log}"
