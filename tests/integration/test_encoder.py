"""Edge: the encoder on a real broker: lanes, rejections, connectors that come and go, records that are none."""

from binascii import a2b_base64
from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any

import pytest

from schemas.reroutes import Reroute
from schemas.segments import SegmentedMessage
from schemas.submissions import Submission
from services.encoder.app import run
from shared.kafka.records import Out
from shared.membership.output import AtLeastOnce
from shared.messages.ids import message_id_of
from shared.process.clock import now_ms
from shared.sms.concat_ref import concat_ref
from tests.integration.flow_rig import Rig, Watch, events
from tests.unit.ingress.scene import applied
from tests.unit.submissions import submission

pytestmark = [pytest.mark.kafka]

OUTPUT = ("mt.statuses", "mt.reroutes", "mt.submissions.dlq", "lifecycle.events")


@pytest.fixture
def connectors(unique_name: Callable[[str], str]) -> tuple[str, str]:
    """Two of its own for each test: topics, groups and configuration are shared."""
    stem = unique_name("c")[-8:]
    return f"one-{stem}", f"two-{stem}"


def _submission(number: int, connector_id: str, **changes: Any) -> Submission:
    at_ms = now_ms()
    given = {
        "message_id": message_id_of(at_ms, connector_id, 0, number),
        "account_id": f"shop-{number % 3}",
        "text": None if "data" in changes else f"n {number}",
        "accepted_at_ms": at_ms,
        "expires_at_ms": at_ms + 60_000,
        "connector_id": connector_id,
    }
    return submission(**(given | changes))


def _out(given: Submission) -> Out:
    topic = "mt.submissions.otp" if given.context.lane == "otp" else "mt.submissions"
    return Out(topic, given.context.to.encode(), given.to_json())


def _lanes(connector_ids: Sequence[str]) -> list[str]:
    return [f"mt.segments.{c}.{lane}" for c in connector_ids for lane in ("otp", "txn", "bulk")]


async def test_what_was_decided_before_a_crash_is_not_decided_again(
    kafka_bootstrap: str, connectors: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits are lost with the process; one connector is taken out meanwhile, and another takes longer texts."""
    one, two = connectors
    in_lane = [_submission(n, one, text=f"n {n} " + "x" * (300 * (n % 2))) for n in range(40)]
    to_gone = [_submission(100 + n, "never-heard-of" + two[3:]) for n in range(10)]
    too_long = [_submission(200 + n, two, text="x" * 400, max_segments=2) for n in range(10)]
    new = [_submission(300 + n, one) for n in range(5)]
    mine = {s.context.message_id for s in (*in_lane, *to_gone, *too_long, *new)}
    rejected = {s.context.message_id for s in too_long}
    async with Rig(kafka_bootstrap) as rig:
        await rig.apply(applied({"to": [{"connector": one}]}, connectors=[one, two]))
        lanes = _lanes([one, two])
        async with Watch(rig.settings, *OUTPUT, *lanes) as watch:

            def written() -> tuple[int, int, int]:
                messages = [m for lane in lanes for m in _messages(watch, lane)]
                return len(messages), len(_reroutes(watch, mine)), len(_statuses(watch, mine))

            with monkeypatch.context() as patched:
                patched.setattr(AtLeastOnce, "commit", _no_commit)
                async with rig.running("encoder", run, crash=True):
                    await rig.producer.send_all(_out(s) for s in (*in_lane, *to_gone, *too_long))
                    await watch.until(lambda: written() == (40, 10, 10))
            appeared = "never-heard-of" + two[3:]
            await rig.apply(applied({"to": [{"connector": two}]}, connectors=[two, appeared], draining=[one]))
            async with Watch(rig.settings, *_lanes([appeared])) as late:
                async with rig.running("encoder", run):
                    await rig.producer.send_all(_out(s) for s in new)
                    await watch.until(lambda: written()[1] == 15)
                assert not any(late.records.values())
            assert written() == (40, 15, 10), "only what came later is decided by the new configuration"
            assert {r.context.message_id for r in _reroutes(watch, mine)} == {
                s.context.message_id for s in (*to_gone, *new)
            }
            told = [e for e in events(watch, "status", list(rejected)) if e["status"] == "rejected"]
            assert {e["message_id"] for e in told} == rejected
            assert len({e["event_id"] for e in told}) == len(rejected)


async def _no_commit(_output: AtLeastOnce) -> None:
    """A commit that never reaches the broker."""


async def test_submissions_reach_their_lanes_and_the_rest_is_accounted_for(
    kafka_bootstrap: str, connectors: tuple[str, str]
) -> None:
    one, gone = connectors
    async with Rig(kafka_bootstrap) as rig:
        await rig.apply(applied({"to": [{"connector": one}]}, connectors=[one], draining=[gone]))
        given = [_submission(n, one, lane=("otp", "txn", "bulk")[n % 3]) for n in range(150)]
        given += [_submission(200, one, text="x" * 400)]
        too_long = _submission(201, one, text="x" * 400, max_segments=2)
        later_route = _submission(202, one, text="x" * 400, max_segments=2, route_no=1)
        removed = _submission(203, gone)
        unknown = _submission(204, "never-heard-of")
        mine = {s.context.message_id for s in (*given, too_long, later_route, removed, unknown)}
        broken = [b"", b"{}", _submission(205, one, data="A").to_json()]
        async with Watch(rig.settings, *OUTPUT, *_lanes([one])) as watch, rig.running("encoder", run):
            await rig.producer.send_all(_out(s) for s in [*given, too_long, later_route, removed, unknown])
            await rig.producer.send_all(Out("mt.submissions", b"k", value) for value in broken)
            await watch.until(
                lambda: (
                    sum(len(watch.records[lane]) for lane in _lanes([one])) >= 151
                    and len(watch.records["mt.submissions.dlq"]) >= 3
                    and len(_reroutes(watch, mine)) >= 3
                    and len(_statuses(watch, mine)) >= 1
                )
            )
    messages = {m.context.message_id: m for lane in _lanes([one]) for m in _messages(watch, lane)}
    assert sorted(messages) == sorted(s.context.message_id for s in given)
    assert {len(m.segments) for m in messages.values()} == {1, 3}
    for lane in _lanes([one]):
        assert {m.context.lane for m in _messages(watch, lane)} == {lane.rpartition(".")[2]}
        assert all(r.key == _account(r.value) for r in watch.records[lane])
    assert {r.context.message_id: r.reason for r in _reroutes(watch, mine)} == {
        later_route.context.message_id: "text_too_long",
        removed.context.message_id: "connector_removed",
        unknown.context.message_id: "connector_removed",
    }
    (status,) = _statuses(watch, mine)
    assert (status["message_id"], status["reason"]) == (too_long.context.message_id, "text_too_long")
    fields = sorted(dict(r.headers)["dlq_field"] for r in watch.records["mt.submissions.dlq"])
    assert fields == [b"", b"context", b"data"]
    assert len(events(watch, "encoded", list(messages))) == 151


def _messages(watch: Watch, topic: str) -> list[SegmentedMessage]:
    return [SegmentedMessage.from_json(record.value) for record in watch.records[topic]]


def _reroutes(watch: Watch, message_ids: set[str]) -> list[Reroute]:
    """Those of our messages: other tests leave submissions behind."""
    found = [Reroute.model_validate(value) for value in watch.values("mt.reroutes")]
    return [reroute for reroute in found if reroute.context.message_id in message_ids]


def _statuses(watch: Watch, message_ids: set[str]) -> list[dict[str, Any]]:
    return [value for value in watch.values("mt.statuses") if value["message_id"] in message_ids]


def _account(value: bytes) -> bytes:
    return SegmentedMessage.from_json(value).context.account_id.encode()


async def test_a_connector_that_ingress_knows_first_is_waited_for(
    kafka_bootstrap: str, connectors: tuple[str, str]
) -> None:
    """The configuration and the first message for its new connector are written at the same moment."""
    one, two = connectors
    async with Rig(kafka_bootstrap) as rig:
        await rig.apply(applied({"to": [{"connector": one}]}, connectors=[one]))
        both = applied({"to": [{"connector": one}]}, connectors=[one, two])
        await rig.create(both)
        async with Watch(rig.settings, *OUTPUT, *_lanes([two])) as watch, rig.running("encoder", run):
            first = _submission(1, two)
            await rig.producer.send_all([rig.config_out(both), _out(first)])
            await watch.until(lambda: bool(watch.records[f"mt.segments.{two}.txn"]))
    assert not _reroutes(watch, {first.context.message_id})


async def test_a_restart_goes_on_where_it_was(kafka_bootstrap: str, connectors: tuple[str, str]) -> None:
    one, _ = connectors
    async with Rig(kafka_bootstrap) as rig:
        await rig.apply(applied({"to": [{"connector": one}]}, connectors=[one]))
        async with Watch(rig.settings, *OUTPUT, *_lanes([one])) as watch:
            lane = watch.records[f"mt.segments.{one}.txn"]
            for start in (0, 50):
                async with rig.running("encoder", run):
                    await rig.producer.send_all(_out(_submission(n, one)) for n in range(start, start + 50))
                    await watch.until(lambda s=start: len(lane) >= s + 50)  # type: ignore[misc]  # bound now
    assert len({m.context.message_id for m in _messages(watch, f"mt.segments.{one}.txn")}) == len(lane) == 100


async def test_after_a_restart_no_reference_of_a_handset_is_given_again(
    kafka_bootstrap: str, connectors: tuple[str, str]
) -> None:
    """All ids have one 8-bit hash, so the successor must know what its predecessor gave (quirk Q37)."""
    one, _ = connectors
    to = f"4477{now_ms() % 10**8:08d}"
    candidates = (_submission(n, one, text="x" * 400, to=to) for n in count())  # one in 256 has the hash, by chance
    given = list(islice((s for s in candidates if concat_ref(s.context.message_id, 8) == 8), 10))
    async with Rig(kafka_bootstrap) as rig:
        await rig.apply(applied({"to": [{"connector": one}]}, connectors=[one]))
        async with Watch(rig.settings, *_lanes([one])) as watch:
            lane = watch.records[f"mt.segments.{one}.txn"]
            for start in (0, 5):
                async with rig.running("encoder", run):
                    await rig.producer.send_all(_out(s) for s in given[start : start + 5])
                    await watch.until(lambda s=start: len(lane) >= s + 5)  # type: ignore[misc]  # bound now
    refs = [a2b_base64(m.segments[0].octets)[3] for m in _messages(watch, f"mt.segments.{one}.txn")]
    assert len(refs) == len(set(refs)) == 10
