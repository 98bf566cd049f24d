"""Edge: the PDUs of a connector as they pass, from the binders that hold its binds.

Binders trace only while somebody looks: a request that lives for seconds is written, renewed, and taken away at the
end; what binders show comes on a topic of its own.
"""

import asyncio
import contextlib
import difflib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from typing import Any, Final, Literal, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.connector_states import ConnectorState
from schemas.topics import CONNECTOR_STATES, TRACE_REQUESTS, TRACES
from schemas.trace_requests import TraceRequest
from schemas.traces import TraceLine
from shared.kafka.client import make_consumer, partitions_of
from shared.kafka.errors import FatalKafkaError, MissingTopics
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.tables import TableReader
from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.operations.config.apply import read_applied
from shared.operations.errors import NotFound, Unreachable
from shared.operations.kafka_access import kafka_errors
from shared.process.settings import Settings

TTL_S: Final = 15
RENEW_S: Final = 5.0
ANSWER_S: Final = 5.0
"""How long binders may take to begin before that is worth a word."""
LEAVE_S: Final = 3.0
POLL_MS: Final = 1000

_IDS: Final = """
SELECT DISTINCT smsc_message_id FROM sms.segment_state WHERE message_id = {id:UUID} AND smsc_message_id != ''
"""

Remark = Literal["not_bound", "no_answer", "no_ids"]
"""No bind of the connector is up; no binder has answered; ClickHouse did not tell what SMSCs call the message."""


class TraceListener(Protocol):
    """Receives a trace."""

    def line(self, line: TraceLine) -> None:
        """A PDU, or that a binder has begun to trace a bind."""

    def bind(self, state: ConnectorState) -> None:
        """A bind that is not up when the trace begins, and every change of one from then on."""

    def remark(self, remark: Remark) -> None:
        """Why nothing may be shown."""


async def follow(
    settings: Settings, request: TraceRequest, listener: TraceListener, stop: "asyncio.Future[None]"
) -> None:
    """Until `stop`. Raises `NotFound` for a connector that nobody knows, `Unreachable`."""
    async with kafka_errors(settings):
        try:
            await _check_connector(settings, request.connector_id)
            if request.message_id:
                request = request.model_copy(update={"smsc_message_ids": await _ids(settings, request, listener)})
            async with _producing(settings) as producer:
                await _Follower(settings, producer, request, listener).run(stop)
        except MissingTopics as error:
            raise NotFound(str(error)) from error
        except FatalKafkaError as error:
            raise Unreachable(
                f"Kafka at {settings.kafka_bootstrap_servers} does not answer any more: {error}"
            ) from error


async def _ids(settings: Settings, request: TraceRequest, listener: TraceListener) -> tuple[str, ...]:
    try:
        return await asyncio.to_thread(known_ids, settings, request.message_id)
    except Unreachable:
        listener.remark("no_ids")
        return ()


def known_ids(settings: Settings, message_id: str) -> tuple[str, ...]:
    """What SMSCs called the message so far: its receipts are known by that. Blocks; raises `Unreachable`."""
    with closing(clickhouse(settings)) as client, clickhouse_errors(settings):
        return tuple(str(row[0]) for row in client.query(_IDS, parameters={"id": message_id}).result_rows)


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
    """Await a last step, whose failure must not hide why the command ends: without Kafka such steps hang, or are
    cancelled from within. A request that could not be taken away ends by itself.
    """
    with contextlib.suppress(FatalKafkaError, KafkaError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(LEAVE_S):
            await step


async def _check_connector(settings: Settings, connector_id: str) -> None:
    applied = await read_applied(settings)
    known = [] if applied is None else [c.id for c in applied.gateway.connectors]
    known += [] if applied is None else [d.connector.id for d in applied.draining]
    if connector_id not in known:
        raise unknown_connector(connector_id, known)


def unknown_connector(connector_id: str, known: list[str]) -> NotFound:
    """The error that names the nearest connectors, or all there are."""
    near = difflib.get_close_matches(connector_id, known, n=3)
    if near:
        return NotFound(f"no connector {connector_id!r}; did you mean {' or '.join(near)}?")
    hint = f"there are: {', '.join(sorted(known))}" if known else "no configuration was applied: `smsgw config apply`"
    return NotFound(f"no connector {connector_id!r}", hint)


class _Follower:
    """One trace."""

    def __init__(
        self, settings: Settings, producer: BatchProducer, request: TraceRequest, listener: TraceListener
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._request = request
        self._listener = listener
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
                        self._listener.remark("no_answer")

    # -- what comes ---------------------------------------------------------------------------------------------------

    def _on_state(self, record: ConsumerRecord) -> None:
        connector_id, _, partition = (record.key or b"").decode().rpartition("|")
        if connector_id != self._request.connector_id or record.value is None:
            return
        state = ConnectorState.from_json(record.value)
        self._binds[int(partition)] = state
        if self._following:
            self._listener.bind(state)

    def _tell_binds(self) -> None:
        self._following = True
        for _, state in sorted(self._binds.items()):
            if state.state != "bound":
                self._listener.bind(state)
        if not any(state.state == "bound" for state in self._binds.values()):
            self._listener.remark("not_bound")

    def _on_line(self, record: ConsumerRecord) -> None:
        if record.value is None:
            return
        line = TraceLine.from_json(record.value)
        if (line.connector_id, line.request_id) != (self._request.connector_id, self._request.request_id):
            return
        self._answered = True
        self._learn(line)
        self._listener.line(line)

    def _learn(self, line: TraceLine) -> None:
        """A binder has learnt what the SMSC calls the message; those that hold the other binds must know it too."""
        given = line.fields.get("message_id", "")
        known = self._request.smsc_message_ids
        if self._request.message_id and line.command == "submit_sm_resp" and given and given not in known:
            self._request = self._request.model_copy(update={"smsc_message_ids": (*known, given)})
            self._more_ids.set()
