"""Pure: status records and their events."""

import orjson

from schemas.lifecycle_events import LifecycleEvent
from schemas.statuses import Status
from shared.messages.events import EventMaker
from shared.messages.ids import status_id_of
from shared.messages.statuses import status_outs
from tests.unit.submissions import AT_MS, context

EVENTS = EventMaker("encoder", "0")


def test_record_and_event_tell_the_same() -> None:
    about = context(accepted_at_ms=AT_MS - 50, idempotency_key="k", metadata={"a": "b"}, country="GB", campaign_id="c")
    record, event = status_outs(
        EVENTS, about, "undeliverable", final=True, occurred_at_ms=AT_MS, route_no=2, connector_id="acme",
        reason="smsc_refused", smsc_error="0x0000000b", segments=2, headers=(("h", b"1"),), detail="why",
    )  # fmt: skip
    status = Status.model_validate_json(record.value or b"", strict=True)
    assert status == Status(
        status_id=status_id_of(about.accepted_at_ms, about.message_id, "undeliverable"),
        message_id=about.message_id,
        account_id="shop",
        idempotency_key="k",
        campaign_id="c",
        to="447700900123",
        from_="SHOP",
        status="undeliverable",
        final=True,
        reason="smsc_refused",
        connector_id="acme",
        segments=2,
        smsc_error="0x0000000b",
        accepted_at_ms=about.accepted_at_ms,
        occurred_at_ms=AT_MS,
        metadata={"a": "b"},
    )
    told = LifecycleEvent.model_validate_json(event.value or b"", strict=True)
    assert (told.account_id, told.idempotency_key, told.campaign_id) == ("shop", "k", "c")
    assert (told.event, told.status, told.final, told.reason) == ("status", "undeliverable", True, "smsc_refused")
    assert (told.route_no, told.country, told.latency_ms, told.detail) == (2, "GB", 50, "why")
    assert record.key == event.key == about.message_id.encode()
    assert record.headers == event.headers == (("h", b"1"),)


def test_a_repeat_has_the_same_ids_and_another_word_has_others() -> None:
    about = context()
    first, again = (status_outs(EVENTS, about, "accepted", final=False, occurred_at_ms=AT_MS + n) for n in (0, 9))
    other = status_outs(EVENTS, about, "queued", final=False, occurred_at_ms=AT_MS)
    ids = [[orjson.loads(out.value or b"")[name] for out, name in zip(outs, ("status_id", "event_id"), strict=True)]
           for outs in (first, again, other)]  # fmt: skip
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_an_event_is_not_late_because_clocks_differ() -> None:
    _, event = status_outs(EVENTS, context(), "queued", final=False, occurred_at_ms=AT_MS - 5000)
    assert "latency_ms" not in orjson.loads(event.value or b"")
