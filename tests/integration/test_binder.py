"""Edge: the binder on a real Kafka and over real TCP."""

import asyncio
import base64
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from schemas.dead_letters import DLQ_TOPIC
from schemas.gateway.file import Draining
from schemas.receipts import RawReceipt
from schemas.smsc_inbound import RawInbound
from schemas.topics import (
    DISPATCH_DLQ,
    LIFECYCLE_EVENTS,
    RECEIPTS,
    SMSC_INBOUND,
    TRACE_REQUESTS,
    TRACES,
    dispatch_topic,
    feedback_topic,
    segments_topic,
)
from schemas.trace_requests import TraceRequest
from schemas.traces import TraceLine
from services.binder.lease import gateway_follower, watch
from services.binder.lease.backoff import AccountBackoff
from services.binder.submit import submitter
from shared.kafka.records import Out
from shared.membership import heartbeat
from shared.process.clock import monotonic_s, now_ms
from shared.smpp.pdu import DeliverSm
from tests.integration.binder_rig import Rig, RunningBinder, connector
from tests.integration.smsc_double import Answered, SmscDouble
from tests.integration.test_cli_kafka import commit

pytestmark = pytest.mark.kafka


@pytest.fixture
async def rig(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Rig]:
    monkeypatch.setenv("SMSGW_SECRET_SMSC", "secret")
    monkeypatch.setenv("SMSGW_DATA_DIR", str(tmp_path))
    rig = await Rig(kafka_bootstrap).start()
    yield rig
    await rig.stop()


@pytest.fixture
async def smsc() -> AsyncIterator[SmscDouble]:
    double = await SmscDouble().start()
    yield double
    await double.stop()


StartBinder = Callable[..., Awaitable[RunningBinder]]


@pytest.fixture
async def run_binder(kafka_bootstrap: str) -> AsyncIterator[StartBinder]:
    """Starts binders (by instance), and stops them after the test."""
    running: list[RunningBinder] = []

    async def start(instance: str = "b0") -> RunningBinder:
        running.append(await RunningBinder(kafka_bootstrap, instance).start())
        return running[-1]

    yield start
    for binder in running:
        await binder.stop()


@pytest.fixture
def connector_id() -> str:
    return f"c-{uuid4().hex[:8]}"


async def test_submits_answers_and_lets_go(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port))
    binder = await run_binder()
    await rig.state(connector_id, "bound")
    ids = await rig.dispatch(connector_id, 25)
    answers = await rig.answers(connector_id, 25)
    assert [a.id for a in sorted(answers, key=lambda a: a.offset)] == ids
    assert {(a.outcome, a.error_code) for a in answers} == {("accepted", None)}
    assert {a.smsc_message_ids for a in answers} == {(f"m{n}",) for n in range(1, 26)}
    assert len(smsc.submits) == 25
    assert smsc.submits[0].validity_period == "000000010000000R"
    await binder.stop()
    assert [s.state for s in await rig.states(connector_id)] == ["binding", "bound", "unbound", "released"]
    assert smsc.bound == []


async def test_a_stop_says_what_it_waits_for(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    smsc.answer = lambda pdu: None
    await rig.apply(connector(connector_id, smsc.port))
    binder = await run_binder()
    await rig.state(connector_id, "bound")
    await rig.dispatch(connector_id, 3)
    await smsc.until(lambda: len(smsc.submits) == 3)
    assert binder.service.state(now_ms()).awaited == {connector_id: 3}
    stopping = asyncio.create_task(binder.stop())
    await rig.state(connector_id, "unbound")
    assert binder.service.state(now_ms()).awaited == {connector_id: 3}
    smsc.answer_all()
    await stopping
    assert binder.service.state(now_ms()).awaited == {}
    assert {answer.outcome for answer in await rig.answers(connector_id, 3)} == {"accepted"}


async def test_answers_by_their_status_and_in_any_order(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    statuses = iter([0, 0x58, 0x14, 0x0B, 0x401])
    smsc.answer = lambda _: Answered(next(statuses), None)
    await rig.apply(connector(connector_id, smsc.port, options={"status_map": {"0x401": "temporary"}}))
    await run_binder()
    await rig.state(connector_id, "bound")
    await rig.dispatch(connector_id, 5)
    answers = sorted(await rig.answers(connector_id, 5), key=lambda a: a.offset)
    assert [(a.outcome, a.error_code) for a in answers] == [
        ("accepted", None),
        ("throttled", 0x58),
        ("temporary", 0x14),
        ("permanent", 0x0B),
        ("temporary", 0x401),
    ]


async def test_killed_in_the_middle_only_what_was_claimed_and_unanswered_is_in_doubt(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    smsc.answer = lambda pdu: Answered(0, "x") if len(smsc.submits) <= 7 else None
    await rig.apply(connector(connector_id, smsc.port, window=5))
    first = await run_binder()
    await rig.state(connector_id, "bound")
    ids = await rig.dispatch(connector_id, 40)
    await smsc.until(lambda: len(smsc.submits) == 12)
    await rig.answers(connector_id, 7)
    await first.kill()
    sent_before = len(smsc.submits)
    smsc.answer = None
    second = await run_binder()
    await rig.state(connector_id, "bound")
    answers = await rig.answers(connector_id, 40)
    by_outcome = {
        word: [a for a in answers if a.outcome == word] for word in ("accepted", "outcome_unknown", "not_sent")
    }
    assert sorted(a.id for a in answers) == sorted(ids), "every dispatch has exactly one answer"
    assert len(by_outcome["accepted"]) == 7
    assert 5 <= len(by_outcome["outcome_unknown"]) <= 10, "one window written, at most one more claimed"
    assert {a.reason for a in by_outcome["outcome_unknown"]} == {"in_doubt"}
    assert len(smsc.submits) == sent_before, "nothing is sent again"
    records = await rig.feedback(connector_id)
    epochs = [r.epoch for r in records]
    assert epochs == sorted(epochs)
    assert next(r.kind for r in records if r.epoch == 2) == "fence"
    fresh = await rig.dispatch(connector_id, 3)
    assert {a.id for a in (await rig.answers(connector_id, 43))[40:]} == set(fresh)
    await second.stop()


async def test_receipts_and_messages_land_before_they_are_acknowledged(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port, provider="acme"))
    await run_binder()
    await rig.state(connector_id, "bound")
    receipt = DeliverSm(
        source_addr="491700000001",
        destination_addr=connector_id[:20],
        esm_class=4,
        short_message=b"id:00AB sub:001 dlvrd:001 stat:DELIVRD err:000 text:",
    )
    inbound = DeliverSm(source_addr="491700000002", destination_addr=connector_id[:20], short_message=b"STOP")
    for number in range(50):
        assert smsc.deliver(receipt, number)
    assert smsc.deliver(inbound, "mo")
    await smsc.until(lambda: len(smsc.delivered) == 51)
    assert {status for _, status in smsc.delivered} == {0}
    receipts = await rig.values(RECEIPTS, connector_id, 50)
    found = RawReceipt.from_json(receipts[0])
    assert (found.smsc_message_id, found.provider, found.esm_class) == ("00AB", "acme", 4)
    assert base64.b64decode(found.short_message) == receipt.short_message
    keys = {r.key for r in (await rig.tail(RECEIPTS)).records if connector_id.encode() in r.value}
    assert keys == {b"acme|ab"}
    messages = await rig.values(SMSC_INBOUND, connector_id, 1)
    assert RawInbound.from_json(messages[0]).source_addr == "491700000002"


async def test_without_a_link_everything_is_handed_back_at_once(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    smsc.admit = lambda _: 0x0D
    await rig.apply(connector(connector_id, smsc.port))
    ids = await rig.dispatch(connector_id, 5)
    await run_binder()
    answers = await rig.answers(connector_id, 5)
    assert [(a.id, a.outcome) for a in answers] == [(i, "not_sent") for i in ids]
    state = await rig.state(connector_id, "unbound")
    assert "0x0000000d" in state.reason
    refused = await rig.values(LIFECYCLE_EVENTS, connector_id, 1)
    assert b"bind_refused" in refused[0]


async def test_what_cannot_be_read_is_answered_and_buried_and_the_rest_goes_on(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port))
    await run_binder()
    await rig.state(connector_id, "bound")
    bad = [b"not json", b'{"id":"m/0/1/1"}', b"[]"]
    await rig.producer.send_all([Out(dispatch_topic(connector_id), b"k", value, partition=0) for value in bad])
    good = await rig.dispatch(connector_id, 1)
    await rig.dispatch(connector_id, 1, source_addr="a\0b")
    late = await rig.dispatch(connector_id, 1, expires_at_ms=1)
    answers = sorted(await rig.answers(connector_id, 6), key=lambda a: a.offset)
    assert [(a.outcome, a.reason) for a in answers] == [
        *[("permanent", "invalid_record")] * 3,
        ("accepted", None),
        ("permanent", "invalid_record"),
        ("not_sent", "validity_passed"),
    ]
    assert [answers[1].id, answers[3].id, answers[5].id] == ["m/0/1/1", *good, *late]
    dead = await rig.tail(DISPATCH_DLQ)
    source = (DLQ_TOPIC, dispatch_topic(connector_id).encode())
    await dead.until(lambda: sum(source in r.headers for r in dead.records) == 4)
    letters = [r for r in dead.records if source in r.headers]
    assert [r.value for r in letters[:3]] == bad


async def test_what_is_wrong_with_a_connector_is_an_error_of_that_connector_alone(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is missing, or that no PDU can hold, a host that can be none, a missing file: the others bind."""
    monkeypatch.setenv("SMSGW_SECRET_ENV", "NOWHERE,NO_LATIN")
    monkeypatch.setenv("NO_LATIN", "pä€word")
    wrong: dict[str, tuple[dict[str, object], str, str, str]] = {
        "a": ({"password": {"env": "NOWHERE"}}, "auth_failed", "environment variable NOWHERE is not set", "refused"),
        "b": ({"password": {"env": "NO_LATIN"}}, "auth_failed", "password: has a character beyond U+00FF", "refused"),
        "c": ({"host": "bad..host"}, "unbound", "bad..host", "down"),
        "d": ({"options": {"tls": {"ca_file": "/no/such.pem"}}}, "unbound", "No such file", "down"),
        "e": ({"system_id": "sh\0p"}, "auth_failed", "system_id: a C-octet string cannot contain NUL", "refused"),
    }
    made = [connector(f"{connector_id}-{name}", smsc.port, **fields) for name, (fields, *_) in wrong.items()]
    await rig.apply(*made, connector(connector_id, smsc.port))
    binder = await run_binder()
    await rig.state(connector_id, "bound")
    for name, (_, word, sentence, event) in wrong.items():
        state = await rig.state(f"{connector_id}-{name}", word)
        assert sentence in state.reason, name
        told = (await rig.values(LIFECYCLE_EVENTS, f"{connector_id}-{name}", 1))[0]
        assert orjson.loads(told)["event"] == f"bind_{event}", name
    assert binder.binder is not None
    assert not binder.binder._member.ended.done()
    assert smsc.binds == 1


async def test_q21_a_second_binder_shares_the_binds_and_never_more_than_max_binds_are_open(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port, max_binds=4))
    first = await run_binder("b0")
    for partition in range(4):
        await rig.state(connector_id, "bound", partition)
    binds = smsc.binds
    second = await run_binder("b1")
    await smsc.until(lambda: smsc.binds == binds + 2)
    await rig.holders(connector_id, {"b0", "b1"})
    for partition in range(4):
        await rig.state(connector_id, "bound", partition)
    assert smsc.most_bound == 4
    assert smsc.binds == 6, "what was kept was not bound again"
    for partition in range(4):
        await rig.dispatch(connector_id, 10, partition)
        assert {a.outcome for a in await rig.answers(connector_id, 10, partition)} == {"accepted"}
    await first.stop()
    await second.stop()
    assert smsc.most_bound == 4


async def test_q25_when_one_bind_is_accepted_the_others_do_not_wait_out_the_outage(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccountBackoff, "_wait_s", lambda self, failure: 1.0)
    monkeypatch.setattr(AccountBackoff, "_delay_s", lambda self: 1000.0)
    smsc.admit = lambda _: 0x08
    await rig.apply(connector(connector_id, smsc.port, max_binds=3))
    await run_binder()
    await smsc.until(lambda: smsc.refused >= 1)  # who comes later waits for its place
    smsc.admit = lambda _: 0
    await smsc.until(lambda: len(smsc.bound) == 3, 40)


async def test_q52_the_next_host_is_tried_and_after_a_lost_bind_the_first_again(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    main = await SmscDouble().start()
    main.admit = lambda _: 0x08
    await rig.apply(connector(connector_id, main.port, options={"hosts": [f"127.0.0.1:{smsc.port}"]}))
    await run_binder()
    await smsc.until(lambda: len(smsc.bound) == 1)
    assert main.refused == 1
    main.admit = lambda _: 0
    smsc.bound[0].abort()
    await main.until(lambda: len(main.bound) == 1)
    assert smsc.binds == 1
    await main.stop()


async def test_a_process_that_was_stopped_writes_nothing_and_leaves_its_bind_first(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port))
    binder = (await run_binder()).binder
    await rig.state(connector_id, "bound")
    assert binder is not None
    assert binder._member._heartbeat is not None
    assert binder.may_write()
    binder._member._heartbeat._last_s -= heartbeat.FRESH_FOR_S
    assert not binder.may_write(), "the last heartbeat is old"
    await binder._member._heartbeat.ask()
    assert binder.may_write()
    binder._watch.own_beat(monotonic_s() + watch.DROP_AFTER_S + 1)
    assert not binder.may_write(), "between two beats others may have taken the bind"
    await smsc.until(lambda: smsc.binds == 2)
    assert smsc.most_bound == 1
    await rig.state(connector_id, "bound")
    assert binder.may_write()


async def test_what_was_handed_over_before_a_sleep_is_not_sent_after_it(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segments wait for the end of the loop's turn when the process is stopped; meanwhile others judge them."""
    await rig.apply(connector(connector_id, smsc.port))
    await run_binder()
    await rig.state(connector_id, "bound")
    with monkeypatch.context() as asleep:
        asleep.setattr(submitter, "SENT_WITHIN_S", -1.0)
        await rig.dispatch(connector_id, 3)
        answers = await rig.answers(connector_id, 3)
    assert [(a.outcome, a.reason) for a in answers] == [("outcome_unknown", "no_submit_response")] * 3
    assert smsc.submits == []
    await smsc.until(lambda: smsc.binds == 2)


async def test_killed_one_of_two_the_other_takes_over_when_it_is_dead_for_sure(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENT_FOR_S", 4.0)
    await rig.apply(connector(connector_id, smsc.port, max_binds=2, window=5))
    first = await run_binder("b0")
    second = await run_binder("b1")
    theirs = await rig.holders(connector_id, {"b0", "b1"})
    lost = theirs["b0"]
    smsc.answer = lambda _: None
    ids = await rig.dispatch(connector_id, 20, lost)
    await smsc.until(lambda: len(smsc.submits) == 5)
    await first.kill()
    smsc.answer = None
    await rig.state(connector_id, "bound", lost, owner="b1")
    answers = await rig.answers(connector_id, 20, lost)
    assert sorted(a.id for a in answers) == sorted(ids)
    doubtful = [a for a in answers if a.outcome == "outcome_unknown"]
    assert {a.reason for a in doubtful} == {"in_doubt"}
    assert 5 <= len(doubtful) <= 10
    assert {a.outcome for a in answers} == {"outcome_unknown", "not_sent"}
    assert len(smsc.submits) == 5
    assert smsc.most_bound == 2
    await rig.dispatch(connector_id, 3, lost)
    assert [a.outcome for a in (await rig.answers(connector_id, 23, lost))[20:]] == ["accepted"] * 3
    await second.stop()


async def test_the_spacing_is_kept_at_the_socket_and_most_of_it_is_used(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port, window=100, tps=200))
    await run_binder()
    await rig.state(connector_id, "bound")
    await rig.dispatch(connector_id, 500, spacing_us=5000)
    await smsc.until(lambda: len(smsc.times) == 500)
    times = smsc.times
    most = max(sum(1 for t in times if at <= t < at + 1) for at in times)
    assert most <= 200 + 2, "the double's clock sees the network's jitter too"
    assert most >= 0.9 * 200, "in its best second: a pause is not made up for"


async def test_configuration_counts_at_once(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    smsc.answer = lambda _: None
    other = await SmscDouble().start()
    await rig.apply(connector(connector_id, smsc.port, window=2, max_binds=2))
    await run_binder()
    for partition in (0, 1):
        await rig.state(connector_id, "bound", partition)
    await rig.dispatch(connector_id, 20)
    await smsc.until(lambda: len(smsc.submits) == 2)
    await rig.apply(connector(connector_id, smsc.port, window=6, max_binds=2))
    await smsc.until(lambda: len(smsc.submits) == 6)
    smsc.answer_all()
    await rig.apply(connector(connector_id, smsc.port, window=6, max_binds=1))
    await rig.state(connector_id, "released", 1)
    assert len(smsc.bound) == 1
    await rig.apply(connector(connector_id, other.port, window=6, max_binds=1))
    await other.until(lambda: len(other.bound) == 1)
    assert smsc.bound == []
    await other.stop()


async def feedback_was_read(rig: Rig, connector_id: str) -> None:
    """By the throttler, which these tests do without."""
    await commit(rig.settings, "throttler", feedback_topic(connector_id), len(await rig.feedback(connector_id)))


async def test_a_removed_connector_stays_bound_for_receipts_until_its_time_is_over(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    made = connector(connector_id, smsc.port, receipt_deadline_s=3600)
    await rig.apply(made)
    await run_binder()
    await rig.state(connector_id, "bound")
    await rig.apply(draining=[Draining(connector=made, removed_at_ms=now_ms())])
    assert smsc.deliver(DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD", destination_addr=connector_id), 1)
    await smsc.until(lambda: smsc.delivered == [(1, 0)])
    assert len(smsc.bound) == 1
    await feedback_was_read(rig, connector_id)
    await rig.apply(draining=[Draining(connector=made, removed_at_ms=now_ms() - 3_600_000)])
    await rig.state(connector_id, "released")
    assert smsc.bound == []


async def test_a_removed_connector_whose_time_is_over_stays_bound_while_messages_wait_in_its_lanes(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of a message that has begun there can go nowhere else, and may be valid for days."""
    monkeypatch.setattr(gateway_follower, "REMOVED_LOOK_S", 0.5)
    made = connector(connector_id, smsc.port, receipt_deadline_s=1)
    await rig.apply(made)
    await run_binder()
    await rig.state(connector_id, "bound")
    lane = segments_topic(connector_id, "retry")
    await rig.producer.send_all([Out(lane, b"key", b"{}", partition=0)])
    await rig.apply(draining=[Draining(connector=made, removed_at_ms=now_ms() - 3_600_000)])
    await feedback_was_read(rig, connector_id)
    await asyncio.sleep(2)  # looks
    assert len(smsc.bound) == 1
    await commit(rig.settings, "throttler", lane, 1)
    await rig.state(connector_id, "released")
    assert smsc.bound == []


async def test_q19_wrong_credentials_wait_and_a_new_configuration_tries_at_once(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    smsc.admit = lambda request: 0 if request.password == "right" else 0x0E
    await rig.apply(connector(connector_id, smsc.port))
    await run_binder()
    assert "0x0000000e" in (await rig.state(connector_id, "auth_failed")).reason
    assert smsc.refused == 1
    monkeypatch.setenv("SMSGW_SECRET_SMSC", "right")
    await rig.apply(connector(connector_id, smsc.port))
    await rig.state(connector_id, "bound")
    assert smsc.refused == 1


async def test_q19_q25_a_new_configuration_that_changes_nothing_here_does_not_end_the_back_off(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    smsc.admit = lambda _: 0x0E
    made = connector(connector_id, smsc.port)
    await rig.apply(made)
    await run_binder()
    await rig.state(connector_id, "auth_failed")
    fresh = await SmscDouble().start()
    await rig.apply(made, connector(f"{connector_id}-b", fresh.port))
    await fresh.until(lambda: fresh.binds == 1)
    assert smsc.refused == 1
    smsc.admit = lambda _: 0
    await rig.apply(connector(connector_id, smsc.port, options={"system_type": "VMA"}))
    await rig.state(connector_id, "bound")
    await fresh.stop()


async def test_a_lost_link_is_bound_again_and_what_was_on_its_way_is_unknown(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    smsc.answer = lambda _: None
    await rig.apply(connector(connector_id, smsc.port, window=3))
    await run_binder()
    await rig.state(connector_id, "bound")
    await rig.dispatch(connector_id, 8)
    await smsc.until(lambda: len(smsc.submits) == 3)
    smsc.bound[0].abort()
    await smsc.until(lambda: smsc.binds == 2)
    answers = sorted(await rig.answers(connector_id, 8), key=lambda a: a.offset)
    assert [(a.outcome, a.reason) for a in answers[:3]] == [("outcome_unknown", "no_submit_response")] * 3
    assert {(a.outcome, a.reason) for a in answers[3:]} == {("not_sent", "no_link")}
    words = [v for v in await rig.values(LIFECYCLE_EVENTS, connector_id, 3) if b"bind_" in v]
    assert [orjson.loads(w)["event"] for w in words[:3]] == ["bind_up", "bind_down", "bind_up"]


async def test_sigkill_under_load_loses_and_doubles_nothing(
    rig: Rig, smsc: SmscDouble, kafka_bootstrap: str, connector_id: str
) -> None:
    """As a process of its own, killed twice while dispatches come: one answer for each, none sent twice."""
    await rig.apply(connector(connector_id, smsc.port, max_binds=2, window=20))
    environment = os.environ | {
        "SMSGW_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "SMSGW_INSTANCE": "k0",
        "SMSGW_LEAVE_GROUPS": "1",
    }

    async def spawn() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "binder", env=environment, stderr=asyncio.subprocess.DEVNULL
        )

    process = await spawn()
    try:
        ids: list[str] = []
        for _ in range(2):
            await smsc.until(lambda: len(smsc.bound) == 2, 40)
            for _ in range(20):
                ids += await rig.dispatch_all(connector_id, 10, (0, 1), spacing_us=1000)
                await asyncio.sleep(0.02)
            process.kill()
            await process.wait()
            process = await spawn()
        answers = [await rig.answers(connector_id, len(ids) // 2, partition, 50) for partition in (0, 1)]
    finally:
        process.terminate()
        await process.wait()
    told = Counter(a.id for a in (*answers[0], *answers[1]) if a.outcome != "not_sent")
    handed_back = {a.id for a in (*answers[0], *answers[1]) if a.outcome == "not_sent"}
    assert set(told) | handed_back == set(ids)
    assert not set(told) & handed_back
    assert set(told.values()) <= {1}
    sent = Counter(pdu.destination_addr for pdu in smsc.submits)
    assert set(sent.values()) <= {1}
    assert not {f"49{i.split('/')[0][-10:]}" for i in handed_back} & set(sent)
    assert smsc.most_bound <= 2


async def test_a_bind_that_is_cut_leaves_what_passed_before(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str, tmp_path: Path
) -> None:
    await rig.apply(connector(connector_id, smsc.port))
    binder = await run_binder()
    await rig.state(connector_id, "bound")
    await rig.dispatch(connector_id, 3, destination_addr="447700900123")
    await rig.answers(connector_id, 3)
    assert not (tmp_path / "traces").exists()
    smsc.bound[0].abort()
    events = [orjson.loads(value) for value in await rig.values(LIFECYCLE_EVENTS, connector_id, 2)]
    down = next(event for event in events if event["event"] == "bind_down")
    await rig.state(connector_id, "bound")
    await binder.stop()
    (file,) = (tmp_path / "traces").iterdir()
    assert file.name.startswith(f"{connector_id}-0-")
    assert down["detail"] == f"bind 0: connection_lost; what passed before: {file}"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text(encoding="utf-8")
    assert [line.split()[4] for line in text.splitlines()[2:5]] == [
        "bind_transceiver",
        "bind_transceiver_resp",
        "submit_sm",
    ]
    assert text.count(" submit_sm ") == text.count(" submit_sm_resp ") == 3
    for secret in ("447700900123", "hello", "secret"):
        assert secret not in text


async def test_binds_are_traced_while_somebody_looks(
    rig: Rig, smsc: SmscDouble, run_binder: StartBinder, connector_id: str
) -> None:
    await rig.apply(connector(connector_id, smsc.port))
    await run_binder()
    await rig.state(connector_id, "bound")
    await rig.dispatch(connector_id, 1, destination_addr="447700900124")
    await rig.answers(connector_id, 1)
    key = f"{connector_id}|r1".encode()
    request = TraceRequest(connector_id=connector_id, request_id="r1", ttl_s=60, msisdn="447700900123")
    await rig.producer.send_all([Out(TRACE_REQUESTS, key, request.to_json())])
    await rig.values(TRACES, connector_id, 1)
    ids = await rig.dispatch(connector_id, 1, destination_addr="447700900123")
    await rig.dispatch(connector_id, 1, destination_addr="447700900124")
    await rig.answers(connector_id, 3)
    smsc.deliver(DeliverSm(source_addr="447700900123", esm_class=4, short_message=b"id:m2 stat:DELIVRD err:000"))
    lines = [TraceLine.from_json(value) for value in await rig.values(TRACES, connector_id, 5)]
    assert [line.command or line.kind for line in lines] == [
        "began",
        "submit_sm",
        "submit_sm_resp",
        "deliver_sm",
        "deliver_sm_resp",
    ]
    assert {line.message_id for line in lines[1:3]} == {ids[0].split("/")[0]}
    assert lines[3].fields["receipt.stat"] == "DELIVRD"
    assert "447700900123" not in "".join(line.to_json().decode() for line in lines)
    await rig.producer.send_all([Out(TRACE_REQUESTS, key, None)])
