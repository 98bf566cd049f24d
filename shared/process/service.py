"""Edge: what every service process does besides its job: settings, configuration, beat, health, signals, exit codes."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

from aiokafka.errors import KafkaError

from schemas.gateway.file import AppliedConfig
from schemas.lifecycle_events import EventWord
from schemas.service_states import CLOCK_KEY, KAFKA_SAYS, ServiceState
from schemas.topics import SERVICE_STATES, shared_topics
from shared.kafka import seam
from shared.kafka.client import administering, consuming, partitions_of
from shared.kafka.cluster_id import OtherCluster, check_cluster, cluster_id_of, watch_cluster
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable, MissingTopics, WrongTopics
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.topic_layout import differences, forbidding, found_topics, in_one_sentence
from shared.local.private import UMASK, make_private_folder
from shared.messages.events import EventMaker
from shared.process.awaited import doubt_sentence
from shared.process.clock import learn_kafka_time, monotonic_s, now_ms
from shared.process.gateway import GatewayTable
from shared.process.health_server import HealthServer
from shared.process.instance import BEAT_S, InstanceInUse, ProcessIdentity, living_rival
from shared.process.metrics import KAFKA_WAITING, LAG, LOOP_STALL, PROCESS_INFO, READY, serve_events
from shared.process.settings import Settings, SettingsError, read_settings
from shared.process.telemetry import configure_logging, start_metrics
from shared.process.tracing import BadTracing, start_tracing

log = logging.getLogger(__name__)

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_INSTANCE_IN_USE: Final = 75
EXIT_WRONG_TOPICS: Final = 78

GC_THRESHOLDS: Final = (200_000, 20, 50)
"""Records make no cycles; looking for some after every 700 allocations costs a few percent of everything."""

ONE_SIGNAL_S: Final = 0.3
"""A shell and whoever runs it may both pass a signal on."""

STALL_LOOKS: Final = 4
"""Timers between two beats that tell whether the loop stands still; each wakes an idle process."""

LAST_BEAT_S: Final = 2.0
ABANDON_S: Final = 2.0
"""How long anything may still take in good order where another cluster answers: it waits for a broker to say what that
one never will, and what it still writes would be written there."""
LAST_ERROR_MAX: Final = 200
"""Characters: a line of a table."""
BEATS_KEPT: Final = 32
"""Of its own, to be told how old they are: more than lie between a beat and its coming back."""

STUCK_MS: Final = 30_000
"""A loop that has not advanced for this long counts as dead."""


class CannotServe(Exception):
    """The health port cannot be listened on. Retryable when whoever has it lets go: exit code 1."""


class CannotGoOn(Exception):
    """A job that stops on purpose; the message is a sentence for people. Another try may do better: exit code 1."""


class Service:
    """One running process. Made by `run_service`; the service's own loop gets it and keeps `progress` fresh.

    `owner` is "instance|pid". `control` is a producer for beats and other records outside the service's transactions.
    `awaited` says what a stop has to wait for: answers by connector.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name: Final = name
        self.settings: Final = settings
        self.pid: Final = os.getpid()
        self.instance: Final = settings.instance or f"{socket.gethostname()}-{self.pid}"
        self.owner: Final = f"{self.instance}|{self.pid}"
        self.identity: Final = ProcessIdentity(name, self.instance, socket.gethostname(), self.pid, uuid4().hex[:12])
        self.stopping: Final = asyncio.Event()
        self.events: Final = EventMaker(name, self.instance)
        self._waiting: Final[dict[str, str]] = {}
        self._failure: asyncio.Future[None] | None = None
        self._failed: Exception | None = None
        self.gateway: Final = GatewayTable(settings, self.fail)
        self.control: Final = BatchProducer(settings, client_id=f"{name}-control", waits=self.waits("control"))
        self.last_error = ""
        self.awaited: Callable[[], dict[str, int]] = dict
        self.lags: Final[dict[str, Callable[[], int]]] = {}
        self._ready_parts: dict[str, bool] = {}
        self._assignments: dict[str, list[str]] = {}
        self._started_s = monotonic_s()
        self._asked_s = 0.0
        self._progress_s: dict[str, float] = {}
        self._beats_made: dict[int, float] = {}
        self._health: HealthServer | None = None
        self._beating = asyncio.Lock()

    def fail(self, error: Exception) -> None:
        """What the job rests on has ended: `run` cuts the job off and raises `error`. The first one counts."""
        self._failed = self._failed or error
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(self._failed)

    def _asked_to_stop(self) -> None:
        """The first time: in good order. Again, and not because a signal was passed on twice: at once."""
        if not self.stopping.is_set():
            self._asked_s = monotonic_s()
        elif monotonic_s() - self._asked_s > ONE_SIGNAL_S:
            self.fail(CannotGoOn(f"ended at once by a second signal: {doubt_sentence(self.awaited())}"))
        self.stopping.set()

    def progress(self, part: str = "") -> None:
        """The loop `part` has advanced. Call it at least every few seconds, also when there is nothing to do.

        A process with several loops is as far as the one that stays behind.
        """
        self._progress_s[part] = monotonic_s()

    @property
    def stuck_ms(self) -> int:
        """How long the loop that is furthest behind has not advanced."""
        return round((monotonic_s() - min(tuple(self._progress_s.values()), default=self._started_s)) * 1000)

    def waits(self, part: str) -> Callable[[str], None]:
        """What to tell of Kafka's partitions that `part` waits for: a sentence again and again, "" when it goes on.

        It waits on purpose, so its loop counts as advancing; the beat, a metric and, once, the log say so.
        """

        def told(sentence: str) -> None:
            if part in self._progress_s:
                self.progress(part)
            if sentence and part not in self._waiting:
                log.warning("%s waits for Kafka: %s", part, sentence)
            elif not sentence and part in self._waiting:
                log.info("%s goes on", part)
            self._waiting.pop(part, None)
            if sentence:
                self._waiting[part] = sentence
            KAFKA_WAITING.set(len(self._waiting))

        return told

    def expect(self, part: str) -> None:
        """The process is not ready before `part` (one of its consumers) has reported its assignment."""
        self._ready_parts.setdefault(part, False)

    def set_assignment(self, part: str, partitions: list[str], *, ready: bool = True) -> None:
        """What the consumer `part` holds now ("topic:partition"); an empty assignment is a spare, and ready."""
        self._assignments[part] = partitions
        self._ready_parts[part] = ready

    @property
    def ready(self) -> bool:
        return all(tuple(self._ready_parts.values())) and bool(self._ready_parts)

    def state(self, at_ms: int) -> ServiceState:
        lag = 0
        for stage, lag_of in self.lags.items():
            behind = lag_of()
            LAG.labels(stage).set(behind)
            lag += behind
        READY.set(self.ready)
        return ServiceState(
            service=self.name,
            instance=self.instance,
            pid=self.pid,
            host=self.identity.host,
            start_id=self.identity.start_id,
            beat_at_ms=at_ms,
            started_at_ms=at_ms - round((monotonic_s() - self._started_s) * 1000),
            ready=self.ready,
            assignment=sorted(p for parts in self._assignments.values() for p in parts),
            lag=lag,
            config_hash=self.gateway.hash,
            progress_at_ms=at_ms - self.stuck_ms,
            http_port=self._health.port if self._health else 0,
            last_error=self._waits_now() or self.last_error or self.gateway.error,
            awaited=self.awaited(),
        )

    def _waits_now(self) -> str:
        sentence = next(iter(self._waiting.values()), "")
        return f"{KAFKA_SAYS}{sentence}"[:LAST_ERROR_MAX] if sentence else ""

    def alive(self) -> tuple[bool, str]:
        """The probe `/livez`: the loop advances, be it in a restore; and a sentence."""
        stuck_ms = self.stuck_ms
        if stuck_ms > STUCK_MS:
            return False, f"{self.name} {self.instance}: the loop has not advanced for {stuck_ms // 1000} s"
        return True, f"{self.name} {self.instance}: the loop advances"

    def serving(self) -> tuple[bool, str]:
        """The probe `/readyz`: assigned and restored, and not about to stop; and a sentence.

        The configuration has been read before there is a port to ask.
        """
        alive, sentence = self.alive()
        if not alive:
            return False, sentence
        if self.stopping.is_set():
            return False, f"{self.name} {self.instance}: stopping"
        if not self.ready:
            return False, f"{self.name} {self.instance}: starting"
        return True, f"{self.name} {self.instance}: ok"

    async def _announce(self, event: EventWord) -> None:
        """Write an event about this process."""
        at_ms = now_ms()
        await self.control.send_all([self.events.out(event, occurred_at_ms=at_ms, identity=(self.owner, at_ms))])

    async def _beat(self) -> None:
        key = f"{self.name}|{self.instance}|{self.pid}".encode()
        async with self._beating:
            at_ms = now_ms()
            self._beats_made[at_ms] = min(monotonic_s(), self._beats_made.get(at_ms, math.inf))
            if len(self._beats_made) > BEATS_KEPT:
                del self._beats_made[next(iter(self._beats_made))]
            await self._timed(Out(SERVICE_STATES, key, self.state(at_ms).to_json()))

    def beat_made_s(self, beat_at_ms: int) -> float | None:
        """When this process made that beat, on its monotonic clock; None for one of another, or a very old one."""
        return self._beats_made.get(beat_at_ms)

    async def learn_the_time(self) -> None:
        """From Kafka, before anything is decided; every beat learns it anew."""
        if not await self._timed(Out(SERVICE_STATES, CLOCK_KEY, None)):
            log.warning(
                "%s does not keep Kafka's time (message.timestamp.type is not LogAppendTime): this process goes by the "
                "clock of its machine, which must agree with the others'; see docs/guarantees.md, Clocks",
                SERVICE_STATES,
            )

    async def _timed(self, out: Out) -> bool:
        """Write `out`, and learn the time from it; False where Kafka does not tell it."""
        sent_s = monotonic_s()
        appended_at_ms = await self.control.send_timed(out)
        if appended_at_ms is not None:
            learn_kafka_time(appended_at_ms, sent_s)
        return appended_at_ms is not None

    async def _beat_for_the_last_time(self, error: Exception) -> None:
        """Beat with the error: `smsgw status` then says why the process is not there, also while it dies again and
        again.
        """
        if isinstance(error, CannotGoOn | WrongTopics):
            self.last_error = str(error)[:LAST_ERROR_MAX]
        sentence = str(error) if isinstance(error, FatalKafkaError) else repr(error)
        self.last_error = self.last_error or sentence[:LAST_ERROR_MAX]
        self._ready_parts[""] = False
        with contextlib.suppress(Exception):
            async with asyncio.timeout(LAST_BEAT_S):
                await self._beat()

    async def _beat_for_ever(self) -> None:
        while True:
            await self._beat()
            LOOP_STALL.set(await _stall_within(BEAT_S))

    async def _tombstone(self) -> None:
        key = f"{self.name}|{self.instance}|{self.pid}".encode()
        async with self._beating:
            await self.control.send_all([Out(SERVICE_STATES, key, None)])

    async def run(self, job: Callable[["Service"], Awaitable[None]]) -> None:
        """Start everything, do the job until it returns or fails, stop everything. Raises what the job raised."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        await self.control.start()
        beats: asyncio.Task[None] | None = None
        watching: asyncio.Task[None] | None = None
        cluster_id = ""
        try:
            cluster_id = await cluster_id_of(self.settings)
            check_cluster(self.settings.kafka_bootstrap_servers, self.settings.kafka_cluster_id, cluster_id)
            watching = asyncio.create_task(watch_cluster(self.settings, cluster_id, self.fail), name="cluster")
            await check_topics(self.settings)
            await self.learn_the_time()
            await refuse_used_instance(self)
            await self.gateway.start()
            await check_layout(self.settings, self.gateway.applied)
            self._health = self._serve_health()
            serve_events(self.events.tally)
            PROCESS_INFO.labels(self.name).set(1)
            await self._announce("service_started")
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            beats = asyncio.create_task(self._beat_for_ever(), name="beat")
            working = asyncio.ensure_future(job(self))
            self._failure = loop.create_future()
            if self._failed is not None:
                self._failure.set_exception(self._failed)
            await asyncio.wait([working, beats, self._failure], return_when=asyncio.FIRST_COMPLETED)
            for ended in (self._failure, beats):
                if ended.done() and not working.done():
                    await self._cut_off(working)
                    ended.result()
            await working
            await self._announce("service_stopped")
            await self._stop_task(beats)
            await self._tombstone()
        except OtherCluster:
            raise  # nothing of ours belongs there
        except Exception as error:
            await self._raise_other_cluster(cluster_id, error)
            await self._beat_for_the_last_time(error)
            raise
        finally:
            await self._close(beats, watching)

    async def _close(self, *tasks: asyncio.Task[None] | None) -> None:
        for task in filter(None, tasks):
            await self._stop_task(task)
        if self._health is not None:
            self._health.stop()
        for stop in (self.gateway.stop, self.control.stop):
            with contextlib.suppress(Exception):
                async with asyncio.timeout(self._patience_s):
                    await stop()

    async def _raise_other_cluster(self, cluster_id: str, error: Exception) -> None:
        """Raise `OtherCluster` where that is why the job failed: it can come upon it before it is looked for."""
        if not cluster_id:
            return  # not known yet
        with contextlib.suppress(KafkaUnavailable, TimeoutError):
            async with asyncio.timeout(ABANDON_S):
                found = await cluster_id_of(self.settings)
            try:
                check_cluster(self.settings.kafka_bootstrap_servers, cluster_id, found)
            except OtherCluster as other:
                self._failed = other
                raise other from error

    @property
    def _patience_s(self) -> float | None:
        """How long a step of the end may take; None = as long as it needs."""
        return ABANDON_S if isinstance(self._failed, OtherCluster) else None

    async def _cut_off(self, working: asyncio.Future[None]) -> None:
        """Returns when the job has ended. Each wait in its end is cut off, too, that is longer than patience lasts."""
        while not working.done():
            working.cancel()
            await asyncio.wait([working], timeout=self._patience_s)

    def _serve_health(self) -> HealthServer:
        host, port = self.settings.http_host, self.settings.http_port
        try:
            server = HealthServer(host, port, {"/livez": self.alive, "/readyz": self.serving, "/health": self.serving})
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CannotServe(f"SMSGW_HTTP_PORT: {host or 'any address'}, port {port}: {reason}") from error
        server.start()
        return server

    async def _stop_task(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _stall_within(period_s: float) -> float:
    """The longest that a timer of this loop was late within the period."""
    longest_s = 0.0
    for _ in range(STALL_LOOKS):
        due_s = monotonic_s() + period_s / STALL_LOOKS
        await asyncio.sleep(period_s / STALL_LOOKS)
        longest_s = max(longest_s, monotonic_s() - due_s)
    return longest_s


async def check_topics(settings: Settings) -> None:
    """Raise `MissingTopics` unless every shared topic exists: a consumer of a missing topic would hang in silence."""
    async with consuming(settings) as consumer:
        await partitions_of(consumer, *(topic.name for topic in shared_topics()))


async def check_layout(settings: Settings, applied: AppliedConfig | None) -> None:
    """Raise `WrongTopics` where topics have other partitions, or fewer replicas, than was written when they were made.

    Records of earlier versions have nothing written: then nothing is compared.
    """
    if applied is None or applied.topics is None:
        return
    try:
        async with administering(settings) as admin:
            found = found_topics(await admin.describe_topics())
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
    if wrong := forbidding(differences(applied.topics, applied.gateway.connectors, found)):
        raise WrongTopics(f"{in_one_sentence(wrong)}; `smsgw topics check` lists what differs")


async def refuse_used_instance(service: Service) -> None:
    """Raise `InstanceInUse` when another living process already works under this instance id, wherever it runs."""
    if service.settings.static:
        other = await living_rival(service.settings, service.identity)
        if other is not None:
            raise InstanceInUse(other)


async def _exit_code_after(service: Service, error: FatalKafkaError) -> int:
    """Evicted by a process with the same instance id (75: must not be restarted), or anything else (1)."""
    log.error("%s", error)
    if service.settings.static:
        with contextlib.suppress(Exception):
            other = await living_rival(service.settings, service.identity)
            if other is not None:
                log.error("%s", InstanceInUse(other))
                return EXIT_INSTANCE_IN_USE
    return EXIT_FAILED


async def _run(name: str, settings: Settings, job: Callable[[Service], Awaitable[None]]) -> int:
    service = Service(name, settings)
    try:
        await service.run(job)
    except KafkaUnavailable as error:
        log.error("%s", error)
        return EXIT_UNREACHABLE
    except InstanceInUse as error:
        log.error("%s", error)
        return EXIT_INSTANCE_IN_USE
    except WrongTopics as error:
        log.error("%s", error)
        return EXIT_WRONG_TOPICS
    except (MissingTopics, CannotServe, CannotGoOn, OtherCluster) as error:
        log.error("%s", error)
        return EXIT_FAILED
    except FatalKafkaError as error:
        return await _exit_code_after(service, error)
    except Exception:
        log.exception("%s ends: a mistake of ours", name)
        return EXIT_FAILED
    return EXIT_DONE


def run_service(name: str, job: Callable[[Service], Awaitable[None]]) -> int:
    """Run one service to its end; returns the process's exit code. Never raises for what can go wrong in the field."""
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    instance = settings.instance or f"{socket.gethostname()}-{os.getpid()}"
    configure_logging(name, instance, settings.log_level, settings.log_format)
    try:
        stop_tracing = start_tracing(name, instance)
        stop_metrics = start_metrics(name, instance)
    except BadTracing as error:
        log.error("%s", error)
        return EXIT_USAGE
    os.umask(UMASK)
    if problem := _data_dir_problem(settings.data_dir):
        log.error("%s", problem)
        return EXIT_FAILED
    seam.install()
    over_tls = "SSL" in settings.kafka_security_protocol
    with asyncio.Runner(loop_factory=None if over_tls else loop_factory()) as runner:
        code = runner.run(_run(name, settings, job))
    stop_tracing()
    stop_metrics()
    return code


def _data_dir_problem(folder: Path) -> str:
    """What is in the data folder is for nobody else; empty when that is so, or there is none yet."""
    if not folder.exists():
        return ""
    try:
        if make_private_folder(folder):
            log.warning("%s could be read by others: now only its owner may", folder)
    except OSError as error:
        return f"cannot use {folder}: {error.strerror}"
    return ""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, else asyncio's own.

    Not for Kafka over TLS: uvloop 0.23 often takes 30 s (its `ssl_shutdown_timeout`) to close such a connection with a
    request under way, which holds up every restore, and streams stood still.
    """
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
