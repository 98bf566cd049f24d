"""Edge: `smsgw trace`: the PDUs of a connector as they pass, from the binders that hold its binds.

Binders trace only while somebody looks: this command writes a request that lives for seconds, renews it, and takes it
away at the end; what they show comes on a topic of its own.
"""

import asyncio
import contextlib
import difflib
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.connector_states import ConnectorState
from schemas.topics import CONNECTOR_STATES, TRACE_REQUESTS, TRACES
from schemas.trace_requests import TraceRequest
from schemas.traces import TraceLine
from services.cli.config_apply import read_applied
from services.cli.errors import EXIT_INTERRUPTED, CliError, Invalid, Unreachable
from services.cli.health import clickhouse
from services.cli.output import clock_time, errors, print_json
from services.cli.report import seconds_of
from services.cli.runtime import find_runtime, kafka_errors
from shared.kafka.client import make_consumer, partitions_of
from shared.kafka.errors import FatalKafkaError, MissingTopics
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.tables import TableReader
from shared.process.settings import Settings
from shared.smpp.trace import Described

TTL_S: Final = 15
RENEW_S: Final = 5.0
ANSWER_S: Final = 5.0
"""How long binders may take to begin before that is worth a word."""
LEAVE_S: Final = 3.0
POLL_MS: Final = 1000
SINCE_MAX_S: Final = 3600

_BINDS: Final = {"transceiver": "trx", "transmitter": "tx", "receiver": "rx"}
_IDS: Final = """
SELECT DISTINCT smsc_message_id FROM sms.segment_state WHERE message_id = {id:UUID} AND smsc_message_id != ''
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    connector_id: str
    msisdn: str | None
    message_id: str | None
    since: str | None
    unredacted: bool
    octets: bool
    as_json: bool


def request_of(wish: Wish, request_id: str) -> TraceRequest:
    """The request to the binders; raises `Invalid`."""
    if wish.msisdn and wish.message_id:
        raise Invalid("--msisdn and --message-id: give one of them")
    if wish.octets and not wish.unredacted:
        raise Invalid("--octets hold numbers and texts: only with --open")
    if wish.msisdn and not re.fullmatch(r"\+?[0-9]{4,15}", wish.msisdn):
        raise Invalid(f"--msisdn: {wish.msisdn!r} is no number", "4 to 15 digits, with or without +")
    message_id = ""
    if wish.message_id:
        try:
            message_id = str(uuid.UUID(wish.message_id))
        except ValueError:
            raise Invalid(f"{wish.message_id!r} is no message_id (it has the form of a UUID)") from None
    return TraceRequest(
        connector_id=wish.connector_id,
        request_id=request_id,
        ttl_s=TTL_S,
        since_s=min(SINCE_MAX_S, seconds_of(wish.since)) if wish.since else 0,
        msisdn=wish.msisdn or "",
        message_id=message_id,
        unredacted=wish.unredacted,
        with_octets=wish.octets,
    )


async def run(wish: Wish, data_dir: Path | None) -> int:
    """Until Ctrl-C or SIGTERM. Raises `CliError` for a connector that nobody knows."""
    request = request_of(wish, uuid.uuid4().hex[:12])
    settings = find_runtime(data_dir).settings
    stop = stop_signal()
    async with kafka_errors(settings):
        try:
            await _check_connector(settings, wish.connector_id)
            if request.message_id:
                ids = await asyncio.to_thread(known_ids, settings, request.message_id)
                request = request.model_copy(update={"smsc_message_ids": ids})
            async with _producing(settings) as producer:
                await _Follower(settings, producer, request, as_json=wish.as_json).run(stop)
        except MissingTopics as error:
            raise CliError(str(error)) from error
        except FatalKafkaError as error:
            raise Unreachable(
                f"Kafka at {settings.kafka_bootstrap_servers} does not answer any more: {error}"
            ) from error
    return EXIT_INTERRUPTED


@asynccontextmanager
async def _producing(settings: Settings) -> AsyncIterator[BatchProducer]:
    """A producer that does not wait for a Kafka that has gone."""
    producer = BatchProducer(settings, client_id="smsgw-trace")
    await producer.start()
    try:
        yield producer
    finally:
        await at_the_end(producer.stop())


async def at_the_end(step: Coroutine[Any, Any, object]) -> None:
    """A step of taking leave, which must not hide why the command ends: without Kafka they hang, or are cancelled from
    within. A request that could not be taken away ends by itself.
    """
    with contextlib.suppress(FatalKafkaError, KafkaError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(LEAVE_S):
            await step


def stop_signal() -> "asyncio.Future[None]":
    """Done on Ctrl-C or SIGTERM."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not stop.done():
            stop.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return stop


async def _check_connector(settings: Settings, connector_id: str) -> None:
    applied = await read_applied(settings)
    known = [] if applied is None else [c.id for c in applied.gateway.connectors]
    known += [] if applied is None else [d.connector.id for d in applied.draining]
    if connector_id not in known:
        raise unknown_connector(connector_id, known)


def unknown_connector(connector_id: str, known: list[str]) -> CliError:
    """With the nearest names, or all there are."""
    near = difflib.get_close_matches(connector_id, known, n=3)
    if near:
        return CliError(f"no connector {connector_id!r}; did you mean {' or '.join(near)}?")
    hint = f"there are: {', '.join(sorted(known))}" if known else "no configuration was applied: `smsgw config apply`"
    return CliError(f"no connector {connector_id!r}", hint=hint)


def known_ids(settings: Settings, message_id: str) -> tuple[str, ...]:
    """What SMSCs called the message so far: its receipts are known by that. Without ClickHouse, nothing."""
    try:
        client = clickhouse(settings)
        try:
            return tuple(str(row[0]) for row in client.query(_IDS, parameters={"id": message_id}).result_rows)
        finally:
            client.close()
    except (ClickHouseError, Unreachable):
        note("ClickHouse does not answer: receipts are shown only for submits that pass from now on")
        return ()


def note(sentence: str) -> None:
    """A word about the trace, not of it."""
    errors.print(sentence, style="dim", markup=False)


class _Follower:
    """One trace on a terminal, or into a pipe."""

    def __init__(self, settings: Settings, producer: BatchProducer, request: TraceRequest, *, as_json: bool) -> None:
        self._settings = settings
        self._producer = producer
        self._request = request
        self._as_json = as_json
        self._key = f"{request.connector_id}|{request.request_id}".encode()
        self._binds: dict[int, ConnectorState] = {}
        self._following = False
        self._answered = False
        self._more_ids = asyncio.Event()

    async def run(self, stop: "asyncio.Future[None]") -> None:
        """Follow until `stop`; then binders are told at once, whatever else happens."""
        states = TableReader(self._settings, {CONNECTOR_STATES: self._on_state})
        consumer = make_consumer(self._settings)
        await states.start()
        try:
            self._tell_binds()
            await consumer.start()
            await self._from_here(consumer)
            renewing = asyncio.create_task(self._renew())
            try:
                await self._follow(consumer, stop, renewing)
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
                await at_the_end(self._producer.send_all([Out(TRACE_REQUESTS, self._key, None)]))
        finally:
            await at_the_end(consumer.stop())
            await at_the_end(states.stop())

    async def _from_here(self, consumer: AIOKafkaConsumer) -> None:
        partitions: list[TopicPartition] = await partitions_of(consumer, TRACES)
        consumer.assign(partitions)
        for tp, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(tp, end)

    async def _follow(
        self, consumer: AIOKafkaConsumer, stop: "asyncio.Future[None]", renewing: "asyncio.Task[None]"
    ) -> None:
        while not stop.done():
            reading = asyncio.ensure_future(consumer.getmany(timeout_ms=POLL_MS))
            await asyncio.wait({reading, stop, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if renewing.done():
                reading.cancel()
                renewing.result()
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                return
            for records in reading.result().values():
                for record in records:
                    self._on_line(record)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            async with asyncio.timeout(TTL_S):
                await self._producer.send_all([Out(TRACE_REQUESTS, self._key, self._request.to_json())])
            self._request = self._request.model_copy(update={"since_s": 0})  # once; also after a pause of ours
            self._more_ids.clear()
            try:
                async with asyncio.timeout(RENEW_S):
                    await self._more_ids.wait()
            except TimeoutError:
                if not self._answered and loop.time() - begun >= ANSWER_S:
                    self._answered = True
                    if any(state.state == "bound" for state in self._binds.values()):
                        note("no binder answers; is it running? (smsgw status)")

    # -- what comes ---------------------------------------------------------------------------------------------------

    def _on_state(self, record: ConsumerRecord) -> None:
        connector_id, _, partition = (record.key or b"").decode().rpartition("|")
        if connector_id != self._request.connector_id or record.value is None:
            return
        state = ConnectorState.from_json(record.value)
        self._binds[int(partition)] = state
        if self._following:
            note(bind_sentence(state))

    def _tell_binds(self) -> None:
        self._following = True
        for _, state in sorted(self._binds.items()):
            if state.state != "bound":
                note(bind_sentence(state))
        if not any(state.state == "bound" for state in self._binds.values()):
            note(f"{self._request.connector_id} is not bound; its PDUs are shown as soon as it binds (Ctrl-C ends)")

    def _on_line(self, record: ConsumerRecord) -> None:
        if record.value is None:
            return
        line = TraceLine.from_json(record.value)
        if (line.connector_id, line.request_id) != (self._request.connector_id, self._request.request_id):
            return
        self._answered = True
        if line.kind == "began" and not self._as_json:
            note(f"bind {line.partition}: {line.bind} to {line.peer}, binder {line.owner.partition('|')[0]}")
            return
        self._learn(line)
        if self._as_json:
            print_json(line.to_dict())
        else:
            sys.stdout.write(shown(line, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")) + "\n")
            sys.stdout.flush()

    def _learn(self, line: TraceLine) -> None:
        """A binder has learnt what the SMSC calls the message; those that hold the other binds must know it too."""
        given = line.fields.get("message_id", "")
        known = self._request.smsc_message_ids
        if self._request.message_id and line.command == "submit_sm_resp" and given and given not in known:
            self._request = self._request.model_copy(update={"smsc_message_ids": (*known, given)})
            self._more_ids.set()


def bind_sentence(state: ConnectorState) -> str:
    """`bind 0: unbound since 12:00:05.123 (connection_lost)`."""
    reason = f" ({state.reason})" if state.reason else ""
    since = f" since {clock_time(state.since_ms)}" if state.since_ms else ""
    return f"bind {state.partition}: {state.state.replace('_', ' ')}{since}{reason}"


def shown(line: TraceLine, *, colour: bool = False) -> str:
    """One line for a person, in columns; what was refused in red where there is colour."""
    of = {"msg": f"{line.message_id}/{line.segment_index}"} if line.message_id else {}
    fields = tuple((of | line.fields).items())
    pdu = Described(line.direction or "in", line.command, line.status, line.sequence_number, fields).line()
    text = f"{clock_time(line.at_ms)}  {line.partition:>2} {_BINDS[line.bind]:3}  {pdu}"
    if colour and line.status not in {"", "ESME_ROK"}:
        text = f"\x1b[31m{text}\x1b[0m"
    if line.skipped:
        text = f"...  {line.skipped} PDUs not shown, more than can be read; narrow it (--msisdn, --message-id)\n{text}"
    return text
