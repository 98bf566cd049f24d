"""What becomes a span, of which trace, and what it tells."""

from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import LIFECYCLE_EVENTS, MT_STATUSES
from shared.kafka.records import TRACEPARENT, Headers, Out
from shared.messages.events import EventMaker
from shared.messages.message_spans import MessageSpan, SmscExchange, is_told
from shared.messages.trace_ids import (
    Sampler,
    TraceContext,
    context_of,
    first_span_id,
    own_trace_id,
    sampler_of,
    submit_span_id,
)
from shared.process.tracing import BadTracing, MessageTracing, active, start_tracing

MESSAGE = "01a20bb9-c3d6-7312-849d-5ee85274ab44"
SENDER = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED: Headers = ((TRACEPARENT, SENDER[:-1] + b"0"),)
NEVER = Sampler(0.0, follows=True)
ALWAYS = Sampler(1.0, follows=True)
SLOW_MS = 10_000


def event(word: Any, headers: Headers = (), **columns: Any) -> Out:
    maker = EventMaker("ingress", "0")
    return maker.out(word, occurred_at_ms=2_000, message_id=MESSAGE, headers=headers, accepted_at_ms=1_000, **columns)


def told_of(service: str, sampler: Sampler, *outs: Out) -> list[MessageSpan]:
    told: list[MessageSpan] = []
    tracing = MessageTracing(service, sampler, SLOW_MS, told.append)
    tracing.begin()
    tracing.wrote(outs)
    tracing.end("group", len(outs))
    return told


def test_a_message_with_a_context_is_in_that_trace_and_ingress_is_below_its_sender() -> None:
    headers: Headers = ((TRACEPARENT, SENDER),)
    first, cycle = told_of("ingress", NEVER, event("accepted", headers, lane="otp"))
    context = context_of(SENDER)
    assert (first.trace_id, first.span_id, first.parent_id) == (
        context.trace_id, first_span_id(MESSAGE), context.parent_id,
    )  # fmt: skip
    assert first.attributes["messaging.destination.name"] == "mt.requests"
    assert (first.attributes["smsgw.message_id"], first.attributes["smsgw.lane"]) == (MESSAGE, "otp")
    assert cycle.links == ((first.trace_id, first.span_id),)
    later, _ = told_of("encoder", NEVER, event("encoded", headers))
    assert (later.trace_id, later.parent_id) == (context.trace_id, first.span_id)


def test_a_message_without_one_has_a_trace_of_its_own_which_every_service_knows() -> None:
    first, _ = told_of("ingress", ALWAYS, event("accepted"))
    later, _ = told_of("throttler", ALWAYS, event("dispatched", connector_id="a-1"))
    assert first.trace_id == later.trace_id == own_trace_id(MESSAGE)
    assert (first.parent_id, later.parent_id) == (0, first.span_id)


def test_done_again_after_a_crash_it_is_the_same_span() -> None:
    assert {span.span_id for _ in range(2) for span in told_of("encoder", ALWAYS, event("encoded"))[:1]} == {
        told_of("encoder", ALWAYS, event("encoded"))[0].span_id
    }


def test_a_receipt_links_to_the_submit_that_it_is_about() -> None:
    found, _ = told_of("correlator", ALWAYS, event("receipt", segment_index=2, attempt=1, route_no=1))
    assert found.links == ((found.trace_id, submit_span_id(MESSAGE, 1, 2, 1)),)


@pytest.mark.parametrize("word", ["rejected", "submit_failed", "outcome_unknown", "receipt_missing"])
@pytest.mark.parametrize("headers", [(), UNSAMPLED])
def test_failures_are_told_whether_the_message_is_traced_or_not(word: str, headers: Headers) -> None:
    found, _ = told_of("correlator", NEVER, event(word, headers, reason="no_route"))
    assert (found.error, found.attributes["error.type"]) == ("no_route", "no_route")


def test_so_are_bad_ends_and_slow_submits_and_nothing_else() -> None:
    def told(*outs: Out) -> int:
        return len([out for out in outs if is_told(out, NEVER, SLOW_MS)])

    assert told(event("status", status="undeliverable"), event("submitted", latency_ms=SLOW_MS)) == 2
    assert told(
        event("status", status="delivered"),
        event("submitted", latency_ms=SLOW_MS - 1),
        event("receipt", latency_ms=SLOW_MS),
        event("accepted"),
        event("accepted", UNSAMPLED),
        event("accepted")._replace(topic=MT_STATUSES),
        EventMaker("binder", "0").out("bind_down", occurred_at_ms=1, reason="x"),
    ) == 0  # fmt: skip


def test_the_binders_span_lasts_from_the_socket_to_the_answer() -> None:
    told: list[MessageSpan] = []
    record: Any = SimpleNamespace(headers=((TRACEPARENT, SENDER),))
    MessageTracing("binder", NEVER, SLOW_MS, told.append).submitted(
        SmscExchange(MESSAGE, (0, 1, 1), "acme-1", "accepted", 1_000, 1_020, record)
    )
    assert [(one.span_id, one.ended_ns - one.began_ns, one.to_outside, one.error) for one in told] == [
        (submit_span_id(MESSAGE, 0, 1, 1), 20_000_000, True, "")
    ]
    assert told[0].trace_id == context_of(SENDER).trace_id


def test_no_number_and_no_text_is_told() -> None:
    out = event("rejected", to="+447700900123", sender="+15550001", detail="a text", field="text", reason="bad")
    shown = repr(told_of("ingress", ALWAYS, out))
    assert not any(secret in shown for secret in ("7700900123", "15550001", "a text"))


def test_a_span_that_cannot_be_made_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert told_of("ingress", ALWAYS, Out(LIFECYCLE_EVENTS, b"x", b"{}")) == []
    assert "a span was lost" in caplog.text


@given(st.uuids(), st.floats(0.0, 1.0))
def test_a_share_takes_every_message_alike_in_every_service(message_id: object, share: float) -> None:
    key = str(message_id).encode()
    assert Sampler(1.0, True).takes(key, None)
    assert not Sampler(0.0, True).takes(key, None)
    taken = Sampler(share, True).takes(key, None)
    assert Sampler(share, False).takes(key, TraceContext(1, 1, not taken)) is taken
    assert Sampler(share, True).takes(key, TraceContext(1, 1, not taken)) is not taken


def test_one_in_a_hundred_is_about_that() -> None:
    taken = sum(Sampler(0.01, True).takes(f"message-{n}".encode(), None) for n in range(100_000))
    assert 900 < taken < 1100


def test_the_sampler_is_named_as_everywhere() -> None:
    assert sampler_of({}) == Sampler(1.0, True)
    assert sampler_of({"OTEL_TRACES_SAMPLER": "always_off"}) == Sampler(0.0, False)
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    assert sampler_of(ratio) == Sampler(0.01, True)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"OTEL_TRACES_SAMPLER": "some"}, "OTEL_TRACES_SAMPLER: 'some' is not known"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "is no number from 0 to 1"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc' is not spoken here; http/protobuf is"),
        ({"SMSGW_TRACE_SLOW_MS": "soon"}, "SMSGW_TRACE_SLOW_MS"),
    ],
)
def test_a_wrong_variable_is_a_sentence(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadTracing, match=sentence):
        start_tracing("ingress", "0", environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})


def test_without_an_endpoint_nothing_is_traced() -> None:
    start_tracing("ingress", "0", {})()
    start_tracing("ingress", "0", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"})()
    assert active() is None
    assert orjson.loads(event("accepted").value or b"")["event"] == "accepted"
