"""Edge: a real Apache Kafka on this machine: one node, one JVM, started and stopped by us; or one of a few nodes.

Use it whole (`start`, `stop`), or let a supervisor run the JVM: `prepare`, then `command` in a process of its own,
then `wait_ready`. Both may be done again and again on the same data directory; what was produced is still there.
"""

import base64
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from shared.local.cache import cache_folder
from shared.local.jars import JarsUnavailableError
from shared.local.java import JavaMissingError, find_java
from shared.local.kafka_jars import KAFKA_JARS
from shared.local.kafka_probe import probe
from shared.local.kafka_properties import BrokerPlace, Quorum, render_properties, server_properties
from shared.local.log_files import open_log
from shared.local.orphans import OrphanGuard
from shared.local.ports import LOOPBACK, free_port, port_problem
from shared.local.private import UMASK, make_private_folder, open_private

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

_LOG_TAIL_BYTES = 20_000
_PROBE_TIMEOUT_S = 1.0
_PROBE_PERIOD_S = 0.05
_HEAP = ("-Xms256m", "-Xmx512m")
_HEAP_OF_SEVERAL = ("-Xms96m", "-Xmx192m")
_MEMORY = (
    # nothing is answered while it collects: 5-10 ms every two seconds at 1,250 messages/s, the serial collector 20-25
    "-XX:+UseParallelGC",
    "-XX:ParallelGCThreads=2",
    "-XX:+ExitOnOutOfMemoryError",
)
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class EmbeddedKafkaError(Exception):
    """The broker cannot run. The text is one sentence for a person: what, where, and what to do."""


def new_cluster_id() -> str:
    """A UUID as Kafka writes it; without a leading dash, which its tool would take for an option."""
    return base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()


class EmbeddedKafka:
    """One broker on loopback, with its data in `data_dir`.

    `controller_port` is KRaft's own port, which nobody else talks to; None takes a free one. `cache_dir` keeps the jars
    (None: the user's cache folder). `log_file` is `<data_dir>/kafka.log` unless given. `short_lived` is for tests: the
    JVM compiles quickly rather than well, which takes a third less CPU in the first 20 s, and a fifth more after 40 s.

    With `quorum` it is one node of several: which, its `controller_port` tells; none answers before most of
    them run, so `launch` them all and `wait_for` each.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        controller_port: int | None = None,
        cache_dir: Path | None = None,
        log_file: Path | None = None,
        short_lived: bool = False,
        quorum: Quorum | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.log_file = log_file.absolute() if log_file else self.data_dir / "kafka.log"
        self._controller_port = controller_port
        self._quorum = quorum
        self._cache = cache_dir or cache_folder()
        self._log_dir = self.data_dir / "log"
        self._properties_file = self.data_dir / "server.properties"
        self._jit = ("-XX:TieredStopAtLevel=1",) if short_lived else ()
        self._java_command: list[str] = []
        self._log_mark = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: OrphanGuard | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process number of the JVM that `start` started, or None when it was not started or has ended."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def is_alive(self) -> bool:
        """Whether the JVM that `start` started is running. A broker that hangs is alive; ask `answers` for that."""
        return self.pid is not None

    def answers(self, timeout_s: float = _PROBE_TIMEOUT_S) -> bool:
        """Whether this very broker (not another one on its port) answers and serves. Blocks up to `timeout_s`."""
        answer = probe(LOOPBACK, self.port, timeout_s)
        return answer is not None and answer.brokers > 0 and answer.cluster_id == self._cluster_id()

    def needs_download(self) -> bool:
        """Whether `prepare` will fetch the jars first, so that a person can be told what the wait is for."""
        return not KAFKA_JARS.are_fetched(self._cache)

    def prepare(self, cancelled: threading.Event | None = None) -> None:
        """Everything that must be in place before the JVM can run: jars, a formatted data directory, configuration.

        The first time on a machine it fetches the jars (10 to 30 s); later it takes 0.1 s, or 2 s for a new directory.
        Raises EmbeddedKafkaError: taken port, no Java, no jars, a directory that is in use or cannot be written; or
        that it was `cancelled`, which ends a fetch at once.
        """
        for port in (self.port, self._controller_port):
            if port is not None and (problem := port_problem(port)):
                raise EmbeddedKafkaError(
                    f"Port {port} on {LOOPBACK} {problem}, so Kafka cannot listen there:"
                    " stop what uses it, or choose another port."
                )
        try:
            self._make_directories()
            classpath = os.pathsep.join(map(str, KAFKA_JARS.ensure(self._cache, cancelled)))
            options = [
                *(_HEAP_OF_SEVERAL if self._quorum else _HEAP),
                *_MEMORY,
                *self._jit,
                *_LOGGING,
                f"-Djava.io.tmpdir={self._tmp_dir}",
                f"-XX:ErrorFile={self._crash_file}",
            ]
            self._java_command = [str(find_java()), *options, "-cp", classpath]
            controller_port = self._controller_port or free_port(self.port)
            place = BrokerPlace(LOOPBACK, self.port, controller_port, self._log_dir, self._quorum)
            with open(self._properties_file, "w", encoding="ascii", opener=open_private) as file:
                file.write(render_properties(server_properties(place)))
            if self._cluster_id() is None:
                self._format()
        except (JavaMissingError, JarsUnavailableError, ValueError) as error:
            raise EmbeddedKafkaError(str(error)) from error
        except OSError as error:
            raise EmbeddedKafkaError(f"Kafka cannot use {self.data_dir}: {error}.") from error

    def command(self) -> list[str]:
        """The program and arguments of the broker's process, once `prepare` has run. It logs to stderr."""
        if not self._java_command:
            raise RuntimeError("prepare() comes before command()")
        return [*self._java_command, "kafka.Kafka", str(self._properties_file)]

    def wait_ready(self, exit_code: Callable[[float], int | None], timeout_s: float = START_TIMEOUT_S) -> None:
        """Block until the broker answers. Raises EmbeddedKafkaError when it ended, or did not answer for `timeout_s`.

        `exit_code(seconds)` waits up to `seconds` for the broker's process, and returns its exit code or None.
        """
        waited_s = 0.0
        while not self.answers():
            if (code := exit_code(_PROBE_PERIOD_S)) is not None:
                raise EmbeddedKafkaError(f"Kafka ended with code {code} while starting: {self.last_error()}")
            waited_s += _PROBE_PERIOD_S
            if waited_s >= timeout_s:
                raise EmbeddedKafkaError(f"Kafka does not answer on {self.bootstrap_servers}: {self.last_error()}")

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Prepare, start the JVM, and block until it answers. Raises EmbeddedKafkaError; nothing runs then."""
        self.launch()
        self.wait_for(timeout_s)

    def launch(self) -> None:
        """Prepare, and start the JVM. Raises EmbeddedKafkaError."""
        if self.is_alive():
            raise RuntimeError("this broker is running already")
        self.prepare()
        with open_log(self.log_file) as log:
            process = subprocess.Popen(  # noqa: S603 - the Java and the jars that prepare() has checked
                self.command(),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=UMASK,
            )
        self._process = process
        self._guard = OrphanGuard()
        self._guard.watch(process.pid)

    def wait_for(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Block until what was launched answers. Raises EmbeddedKafkaError; nothing runs then."""
        process = self._process
        if process is None:
            raise RuntimeError("launch() comes before wait_for()")

        def exit_code(seconds: float) -> int | None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(seconds)
            return None

        try:
            self.wait_ready(exit_code, timeout_s)
        except BaseException:
            self.stop(timeout_s=0.0)
            raise

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop the broker that `start` started: SIGTERM, and SIGKILL after `timeout_s`. Does nothing when it ended."""
        process, self._process = self._process, None
        guard, self._guard = self._guard, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if guard is not None:
            guard.close()

    def last_error(self) -> str:
        """The line the broker has logged since `prepare` that says most about why it does not run."""
        with contextlib.suppress(OSError), self.log_file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            since = self._log_mark if self._log_mark <= size else 0  # the log was emptied in between
            log.seek(max(since, size - _LOG_TAIL_BYTES))
            lines = log.read(_LOG_TAIL_BYTES).decode("utf-8", errors="replace").splitlines()
            telling = [line for line in lines if "ERROR" in line or "Exception" in line or "Error:" in line]
            if telling or lines:
                return f"{(telling or lines)[-1].strip()[:400]} (log: {self.log_file})"
        return f"see {self.log_file}"

    @property
    def _tmp_dir(self) -> Path:
        return self.data_dir / "tmp"

    @property
    def _crash_file(self) -> Path:
        return self.data_dir / "java-crash.log"

    def _make_directories(self) -> None:
        """Create the folders; refuse one in use. Compression libraries unpack into tmp, and stay there after kill -9.

        The lock is the broker's own (`.lock` in its log directory), looked at, not kept.
        """
        make_private_folder(self.data_dir)
        self._log_dir.mkdir(mode=0o700, exist_ok=True)
        with open(self._log_dir / ".lock", "ab", opener=open_private) as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EmbeddedKafkaError(f"Another Kafka is using {self.data_dir}: stop it first.") from error
        shutil.rmtree(self._tmp_dir, ignore_errors=True)
        self._tmp_dir.mkdir(mode=0o700)
        with open_log(self.log_file) as log:
            self._log_mark = log.seek(0, os.SEEK_END)

    def _format(self) -> None:
        """Give the data directory its cluster id. `--ignore-formatted` also completes a format that was cut short."""
        identity = self._quorum.cluster_id if self._quorum else new_cluster_id()
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", identity]
        command = [*self._java_command, *tool, "-c", str(self._properties_file)]
        with open_log(self.log_file) as log:
            done = subprocess.run(  # noqa: S603 - the Java and the jars that prepare() has checked
                command,
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                umask=UMASK,
            )
        if done.returncode != 0:
            raise EmbeddedKafkaError(f"Kafka could not format {self._log_dir}: {self.last_error()}")

    def _cluster_id(self) -> str | None:
        try:
            text = (self._log_dir / "meta.properties").read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
        return found[1] if found else None
