"""Edge: one message's trace through all services of a running gateway, in an OTLP receiver; and one that is away."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from shared.kafka.client import connection_options
from shared.kafka.records import TRACEPARENT
from shared.local.ports import free_port
from shared.messages.trace_ids import own_trace_id
from tests.e2e.gateway import Gateway
from tests.otel_collector import collector
from tests.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver

pytestmark = pytest.mark.e2e

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENDER = "b7ad6b7169203331"
LIFE = {
    "ingress accepted", "encoder encoded", "throttler dispatched", "binder submit_sm", "throttler submitted",
    "correlator receipt", "correlator status",
}  # fmt: skip


@contextmanager
def running(place: Path, endpoint: str, **variables: str) -> Iterator[Gateway]:
    gateway = Gateway(place)
    gateway.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200", **variables}
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


async def send(gateway: Gateway, to: str, traceparent: str | None) -> None:
    producer = AIOKafkaProducer(**connection_options(gateway.settings), acks="all")
    await producer.start()
    headers = [(TRACEPARENT, traceparent.encode())] if traceparent else []
    request = {"schema_version": 1, "account_id": "shop", "to": to, "text": "hello"}
    await producer.send_and_wait("mt.requests", orjson.dumps(request), headers=headers)
    await producer.stop()


async def spans_until(receiver: OtlpReceiver, wanted: set[str], trace_id: str) -> list[ReceivedSpan]:
    async with asyncio.timeout(60):
        while not wanted <= {span.name for span in receiver.spans if span.trace_id == trace_id}:
            await asyncio.sleep(0.1)
    return [span for span in receiver.spans if span.trace_id == trace_id]


async def test_a_trace_shows_the_life_of_a_message(tmp_path: Path) -> None:
    with (
        otlp_receiver() as receiver,
        running(tmp_path, receiver.url, OTEL_TRACES_SAMPLER="parentbased_always_off") as gw,
    ):
        await send(gw, "+447700900777", f"00-{TRACE}-{SENDER}-01")
        await send(gw, "+447700900778", None)
        await send(gw, "+10", None)
        spans = {span.name: span for span in await spans_until(receiver, LIFE, TRACE)}
        first = spans["ingress accepted"]
        assert first.parent_id == SENDER
        assert {span.parent_id for name, span in spans.items() if name in LIFE - {"ingress accepted"}} == {
            first.span_id
        }
        assert {span.service for span in spans.values()} >= {
            "smsgw-ingress", "smsgw-encoder", "smsgw-throttler", "smsgw-binder", "smsgw-correlator",
        }  # fmt: skip
        assert len({span.attributes["smsgw.message_id"] for span in spans.values()}) == 1
        assert spans["binder submit_sm"].attributes["smsgw.connector_id"] == "quick-1"
        assert spans["correlator receipt"].links == [(TRACE, spans["binder submit_sm"].span_id)]
        assert spans["correlator status"].attributes["smsgw.status"] == "delivered"
        assert any((TRACE, first.span_id) in span.links for span in receiver.spans if span.name == "ingress cycle")
        async with asyncio.timeout(30):  # a failure is told although nothing of it is sampled
            while not (rejected := [span for span in receiver.spans if span.name == "ingress rejected"]):
                await asyncio.sleep(0.1)
        assert rejected[0].trace_id == f"{own_trace_id(rejected[0].attributes['smsgw.message_id']):032x}"
        assert rejected[0].error
        others = {span.trace_id for span in receiver.spans if "smsgw.message_id" in span.attributes}
        assert others == {TRACE, rejected[0].trace_id}, "the second message is not traced"
        assert "7700900777" not in repr(receiver.spans)


@pytest.mark.long
async def test_a_real_collector_has_the_trace_through_all_services(tmp_path: Path) -> None:
    """The program that companies run takes what we send, metrics too, and passes it on whole."""
    with (
        otlp_receiver() as receiver,
        collector(tmp_path, receiver.url) as endpoint,
        running(
            tmp_path,
            endpoint,
            OTEL_TRACES_SAMPLER="parentbased_always_off",
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_METRIC_EXPORT_INTERVAL="500",
        ) as gw,
    ):
        await send(gw, "+447700900776", f"00-{TRACE}-{SENDER}-01")
        await spans_until(receiver, LIFE, TRACE)
        async with asyncio.timeout(30):
            while receiver.metrics.get(("smsgw-throttler", "smsgw_events", (("event", "submitted"),)), 0) < 1:
                await asyncio.sleep(0.1)


@pytest.mark.long
def test_a_collector_that_is_away_costs_no_message(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with running(tmp_path, away, OTEL_METRICS_EXPORTER="otlp", OTEL_METRIC_EXPORT_INTERVAL="500") as gateway:
        sent = gateway.cli("send", "+447700900779", "hello", "--wait", "60")
        assert (sent.returncode, "delivered" in sent.stdout) == (0, True), sent.stdout + sent.stderr
