"""Pure: what becomes of one request."""

from typing import Any

import orjson
import pytest

from schemas.gateway.accounts import Account, Limits
from schemas.statuses import Status
from schemas.submissions import Content, Submission
from schemas.topics import MT_REQUESTS_OTP
from services.ingress.decision import RequestDecider
from services.ingress.opt_outs import OptOuts
from services.ingress.own_output import DecidedByIngress
from services.ingress.place import home_partition
from shared.messages.idempotency import KeyStore, restore
from shared.messages.ids import message_id_of
from shared.messages.request_key import home_key
from tests.unit.ingress.scene import AT_MS, Record, applied, decider, event, only, request, topics
from tests.unit.submissions import submission

MESSAGE_ID = message_id_of(AT_MS, "mt.requests", 0, 7)
NOW_MS = AT_MS + 40
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_an_accepted_request_becomes_a_submission_and_an_event() -> None:
    record = Record(request(metadata={"order": "1"}), headers=[("traceparent", TRACE), ("other", b"x")])
    outs = decider().decide(record, NOW_MS)
    assert topics(outs) == ["mt.submissions", "lifecycle.events"]
    assert {out.headers for out in outs} == {(("traceparent", TRACE),)}
    assert [out.key for out in outs] == [b"447700900123", MESSAGE_ID.encode()]
    made = Submission.from_json(outs[0].value or b"")
    assert Content.from_json(made.content) == Content(text="Hello")
    assert made == submission(
        message_id=MESSAGE_ID,
        metadata={"order": "1"},
        country="GB",
        expires_at_ms=AT_MS + 86_400_000,
    ).model_copy(update={"content": made.content})
    accepted = event(outs, "accepted")
    assert (accepted["message_id"], accepted["connector_id"], accepted["country"]) == (MESSAGE_ID, "acme", "GB")
    assert (accepted["accepted_at_ms"], accepted["occurred_at_ms"]) == (AT_MS, NOW_MS)


def test_everything_a_request_says_reaches_the_submission() -> None:
    value = request(
        text=..., data="AQID", udh="BgUEC4QAAA==", lane="bulk", validity_s=60, receipt="none", flash=True,
        connector_id="gamma", from_="12345",
    )  # fmt: skip
    found = Submission.from_json(decider().decide(Record(value), NOW_MS)[0].value or b"")
    content = Content.from_json(found.content)
    assert (content.data, content.udh, content.data_coding, content.text) == ("AQID", "BgUEC4QAAA==", 4, None)
    assert (found.context.lane, found.context.receipt, found.context.sender) == ("bulk", "none", "12345")
    assert content.flash
    assert (found.connector_id, found.pinned, found.expires_at_ms) == ("gamma", True, AT_MS + 60_000)


def _made(made: RequestDecider, **fields: Any) -> tuple[str, Content]:
    """The sender and the content of the submission that comes of a request."""
    found = Submission.from_json(made.decide(Record(request(**fields)), NOW_MS)[0].value or b"")
    return found.context.sender, Content.from_json(found.content)


def test_the_accounts_settings_apply_where_the_request_is_silent() -> None:
    account = Account(id="shop", default_sender="Acme", max_segments=7, transliterate=True)
    made = decider(applied(accounts=[account]))
    sender, silent = _made(made)
    assert (sender, silent.max_segments, silent.transliterate) == ("Acme", 7, True)
    sender, spoken = _made(made, from_="Me2", transliterate=False)
    assert (sender, spoken.transliterate) == ("Me2", False)
    assert not _made(made, text=..., data="AA==")[1].transliterate


def test_a_number_as_sender_loses_its_plus_sign_wherever_it_is_written() -> None:
    made = decider(applied(accounts=[Account(id="shop", default_sender="+447700900000")]))
    assert _made(made)[0] == "447700900000"
    assert _made(made, from_="+447700900123")[0] == "447700900123"
    assert _made(made, from_="+Shop")[0] == "+Shop"


def test_what_is_for_submit_sm_is_passed_on() -> None:
    _, content = _made(decider(), tlvs={"0x1401": "a"}, protocol_id=255, priority_flag=3)
    assert (content.tlvs, content.protocol_id, content.priority_flag) == ({"0x1401": "a"}, 255, 3)


def test_look_alikes_go_with_transliteration_whoever_asks_for_that() -> None:
    account = Account(id="shop", default_sender="Acme", lookalikes=True)
    made = decider(applied(accounts=[account]))
    assert not _made(made)[1].lookalikes
    assert _made(made, transliterate=True)[1].lookalikes
    without = decider(applied(accounts=[Account(id="shop", default_sender="Acme", transliterate=True)]))
    assert not _made(without)[1].lookalikes


def test_otp_messages_have_a_way_of_their_own_wherever_they_came_in() -> None:
    assert topics(decider().decide(Record(request(lane="otp")), NOW_MS))[0] == "mt.submissions.otp"
    otp = decider(topic=MT_REQUESTS_OTP)
    assert topics(otp.decide(Record(request(), topic=MT_REQUESTS_OTP), NOW_MS))[0] == "mt.submissions.otp"
    assert topics(otp.decide(Record(request(lane="bulk"), topic=MT_REQUESTS_OTP), NOW_MS))[0] == "mt.submissions"


def test_receipt_all_also_gets_the_status_accepted() -> None:
    outs = decider().decide(Record(request(receipt="all")), NOW_MS)
    assert topics(outs) == ["mt.submissions", "lifecycle.events", "mt.statuses", "lifecycle.events"]
    status = Status.from_json(outs[2].value or b"")
    assert (status.status, status.final, status.connector_id, status.to) == ("accepted", False, "acme", "447700900123")
    assert event(outs, "status")["status"] == "accepted"


def test_short_codes_are_destinations_of_accounts_that_say_so() -> None:
    accounts = (Account(id="shop", default_sender="SHOP", short_codes=True), Account(id="bank", default_sender="B"))
    made = decider(applied(accounts=accounts))
    taken = made.decide(Record(request(to="44123")), NOW_MS)
    context = only(taken, "mt.submissions")["context"]
    assert context[3:6] == ["44123", "SHOP", ""], "in no country"
    refused = only(made.decide(Record(request(to="44123", account_id="bank"), offset=8), NOW_MS), "mt.statuses")
    assert (refused["status"], refused["reason"], refused["field"]) == ("rejected", "invalid_destination", "to")


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"account_id": "nobody"}, "unknown_account", "account_id"),
        ({"account_id": "bank"}, "invalid_sender", "from"),
        ({"to": "4915112345678"}, "opted_out", "to"),
        ({"to": "33612345678"}, "no_route", None),
        ({"connector_id": "nobody"}, "unknown_connector", "connector_id"),
        ({"connector_id": "beta"}, "unknown_connector", "connector_id"),
        ({"text": 5}, "invalid_field", "text"),
    ],
)
def test_a_rejected_request_has_one_final_status_and_its_events(
    fields: dict[str, Any], reason: str, field: str | None
) -> None:
    opt_outs = OptOuts()
    opt_outs.apply(b"*|4915112345678", b"{}")
    config = applied({"match": {"prefix": "4"}, "to": [{"connector": "acme"}]}, draining=["beta"])
    record = Record(request(**fields, metadata={"a": "b"}, idempotency_key="k"))
    made = decider(config, opt_outs=opt_outs)
    outs = made.decide(record, NOW_MS)
    assert topics(outs) == ["mt.statuses", "lifecycle.events", "lifecycle.events"]
    status = only(outs, "mt.statuses")
    assert (status["status"], status["final"], status["reason"], status.get("field")) == (
        "rejected", True, reason, field,
    )  # fmt: skip
    assert (status["message_id"], status["metadata"], status["idempotency_key"]) == (MESSAGE_ID, {"a": "b"}, "k")
    for word in ("rejected", "status"):
        assert event(outs, word)["reason"] == reason
    assert all(len(store) == 0 for store in made.keys.values()), "a rejected request takes no key"


LONG = "x" * 65_536


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"text": LONG}, "text_too_long", "text"),
        ({"account_id": "bank", "text": "Ж" * 202, "from": "BANK"}, "text_too_long", "text"),
        ({"text": "Привет", "encoding": "gsm7"}, "not_encodable", "text"),
        ({"text": "Ж", "encoding": "latin1"}, "not_encodable", "text"),
        ({"text": ..., "data": "AAAA" * 3_000}, "text_too_long", "data"),
        ({"from_": "Ψ" * 11}, "invalid_sender", "from"),
        ({"text": ..., "data": "AA==", "data_coding": 0xC0, "flash": True}, "invalid_field", "flash"),
    ],
)
def test_what_only_the_encoder_refuses_takes_no_key_either(fields: dict[str, Any], reason: str, field: str) -> None:
    """Without a key the encoder itself rejects it."""
    made = decider()
    outs = made.decide(Record(request(**fields, idempotency_key="k")), NOW_MS)
    status = only(outs, "mt.statuses")
    assert (status["status"], status["reason"], status["field"]) == ("rejected", reason, field)
    corrected = {"account_id": fields.get("account_id", "shop"), "from": "BANK", "text": "short"}
    outs = made.decide(Record(request(**corrected, idempotency_key="k"), offset=8), NOW_MS)
    assert topics(outs)[:2] == ["mt.submissions", "ingress.keys"]
    assert topics(decider().decide(Record(request(**fields)), NOW_MS))[0] == "mt.submissions"


@pytest.mark.parametrize("fields", [{"text": "Ж" * 2_000}, {"text": "hi", "encoding": "gsm7"}, {"flash": True}])
def test_what_the_encoder_takes_takes_its_key(fields: dict[str, Any]) -> None:
    outs = decider().decide(Record(request(**fields, idempotency_key="k")), NOW_MS)
    assert topics(outs)[:2] == ["mt.submissions", "ingress.keys"]


def test_what_could_not_be_read_is_null_in_the_status() -> None:
    status = only(decider().decide(Record(b"{}"), NOW_MS), "mt.statuses")
    assert (status["account_id"], status["to"]) == (None, None)
    assert Status.from_json(orjson.dumps(status)).field == "account_id"


def test_what_is_no_object_is_a_dead_letter() -> None:
    (out,) = decider().decide(Record(b"hello", partition=3, offset=9, headers=[("h", b"1")]), NOW_MS)
    assert (out.topic, out.value) == ("mt.requests.dlq", b"hello")
    headers = dict(out.headers)
    assert (headers["dlq_partition"], headers["dlq_offset"], headers["h"]) == (b"3", b"9", b"1")
    assert headers["dlq_reason"] == b"not_an_object"


def test_the_first_use_of_a_key_takes_it_and_says_so_in_the_changelog() -> None:
    outs = decider().decide(Record(request(idempotency_key="order-1")), NOW_MS)
    assert topics(outs) == ["mt.submissions", "ingress.keys", "lifecycle.events"]
    assert outs[1].partition == 0
    assert only(outs, "ingress.keys")["message_id"] == MESSAGE_ID


def test_a_repeat_is_dropped_with_an_event_that_names_the_first() -> None:
    made = decider()
    made.decide(Record(request(idempotency_key="order-1")), NOW_MS)
    outs = made.decide(Record(request(idempotency_key="order-1"), offset=8), NOW_MS)
    assert topics(outs) == ["lifecycle.events"]
    duplicate = event(outs, "duplicate")
    assert duplicate["message_id"] == MESSAGE_ID
    assert message_id_of(AT_MS, "mt.requests", 0, 8) in duplicate["detail"]


def test_another_body_under_the_same_key_is_a_conflict() -> None:
    made = decider()
    made.decide(Record(request(idempotency_key="order-1")), NOW_MS)
    outs = made.decide(Record(request(idempotency_key="order-1", text="Bye"), offset=8), NOW_MS)
    status = only(outs, "mt.statuses")
    assert (status["reason"], status["field"]) == ("idempotency_conflict", "idempotency_key")
    assert MESSAGE_ID in event(outs, "rejected")["detail"]


def test_the_same_key_of_another_account_is_another_key() -> None:
    made = decider()
    made.decide(Record(request(idempotency_key="order-1")), NOW_MS)
    other = made.decide(Record(request(idempotency_key="order-1", account_id="bank", from_="Bank"), offset=8), NOW_MS)
    assert topics(other)[0] == "mt.submissions"


def test_the_record_itself_once_more_is_a_replay_and_yields_the_same() -> None:
    made, record = decider(), Record(request(idempotency_key="order-1"))
    first = made.decide(record, NOW_MS)
    assert made.decide(record, NOW_MS) == first


def test_a_repeat_is_dropped_even_where_it_would_be_rejected_now() -> None:
    made = decider()
    made.decide(Record(request(idempotency_key="order-1")), NOW_MS)
    made.view = decider(applied(accounts=[])).view
    assert topics(made.decide(Record(request(idempotency_key="order-1"), offset=8), NOW_MS)) == ["lifecycle.events"]


def test_a_keyed_record_in_the_wrong_partition_is_moved_once_and_keeps_its_identity() -> None:
    home = home_partition("shop", "order-1", 4)
    wrong = (home + 1) % 4
    made = decider(partitions=4)
    record = Record(request(idempotency_key="order-1"), partition=wrong, offset=7, headers=[("traceparent", TRACE)])
    (moved,) = made.decide(record, NOW_MS)
    assert (moved.topic, moved.key, moved.value, moved.partition) == (
        "mt.requests", b"shop:order-1", record.value, home,
    )  # fmt: skip
    copy = Record(moved.value, home, offset=99, timestamp=AT_MS + 90, headers=moved.headers, key=moved.key)
    outs = made.decide(copy, AT_MS + 95)
    found = only(outs, "mt.submissions")
    assert found["context"][0] == message_id_of(AT_MS, "mt.requests", wrong, 7)
    assert found["context"][1] == AT_MS
    assert all(("traceparent", TRACE) in out.headers for out in outs if out.topic != "ingress.keys")


@pytest.mark.parametrize("wrong", ["no key", "another key", "no idempotency key", "another partition", "from here"])
def test_a_client_cannot_say_where_its_request_was_first(wrong: str) -> None:
    """The headers of a copy, on a record that ingress cannot have written: its own place counts."""
    home = home_partition("shop", "order-1", 4)
    origin, key, body = (home + 1) % 4, home_key("shop", "order-1"), request(idempotency_key="order-1")
    given = Record(body, home, offset=99, timestamp=AT_MS + 90, key=key)
    match wrong:
        case "no key":
            given = given._replace(key=None)
        case "another key":
            given = given._replace(key=home_key("shop", "order-2"))
        case "no idempotency key":
            given = given._replace(value=request())
        case "another partition":
            given = given._replace(partition=(home + 2) % 4)
        case "from here":
            origin = home
    headers = [
        ("origin_partition", b"%d" % origin),
        ("origin_offset", b"7"),
        ("origin_timestamp_ms", b"%d" % AT_MS),
    ]
    outs = decider(partitions=4).decide(given._replace(headers=headers), NOW_MS)
    if wrong == "another partition":
        assert dict(outs[0].headers)["origin_offset"] == b"99"
    else:
        own = message_id_of(AT_MS + 90, "mt.requests", given.partition, 99)
        assert only(outs, "mt.submissions")["context"][0] == own


@pytest.mark.parametrize(
    "value", [None, b"", b"x" * 1_000_000, TRACE + b"-" + b"x" * 300, b"\xff" * 55, TRACE.upper(), TRACE[:-1]]
)
def test_a_trace_context_that_is_none_is_left_behind(value: bytes | None) -> None:
    outs = decider().decide(Record(request(), headers=[("traceparent", value)]), NOW_MS)
    assert topics(outs)[0] == "mt.submissions"
    assert all(out.headers == () for out in outs)


def test_a_second_copy_of_a_moved_record_is_not_sent_again() -> None:
    """Neither by the process that decided the first one, nor by a successor that has read the keys alone."""
    home = home_partition("shop", "order-1", 4)
    made = decider(partitions=4)
    (moved,) = made.decide(Record(request(idempotency_key="order-1"), partition=(home + 1) % 4), NOW_MS)
    copies = [Record(moved.value, partition=home, offset=n, headers=moved.headers, key=moved.key) for n in (50, 51)]
    outs = made.decide(copies[0], NOW_MS)
    assert "mt.submissions" in topics(outs)
    assert made.decide(copies[1], NOW_MS) == []
    successor = decider(partitions=4)
    successor.keys[home] = KeyStore()
    (key,) = (out for out in outs if out.topic == "ingress.keys")
    assert restore(successor.keys[home], key.key, key.value)
    assert successor.decide(copies[1], NOW_MS) == []
    assert "mt.submissions" in topics(successor.decide(copies[0], NOW_MS)), "its submission may have been lost"


def test_a_record_that_a_predecessor_has_moved_is_not_moved_again() -> None:
    home = home_partition("shop", "order-1", 4)
    record = Record(request(idempotency_key="order-1"), partition=(home + 1) % 4)
    (moved,) = decider(partitions=4).decide(record, NOW_MS)
    own = DecidedByIngress()
    own.add_request(Record(moved.value, partition=home, offset=50, headers=moved.headers, key=moved.key))
    successor = decider(applied(accounts=[]), partitions=4, own=own)
    assert successor.decide(record, NOW_MS) == []
    assert topics(successor.decide(record._replace(offset=8), NOW_MS)) == ["mt.requests"]


def test_a_request_too_large_to_be_moved_is_rejected() -> None:
    home = home_partition("shop", "order-1", 4)
    record = Record(request(idempotency_key="order-1", padding="x" * 900_000), partition=(home + 1) % 4)
    status = only(decider(partitions=4).decide(record, NOW_MS), "mt.statuses")
    assert (status["reason"], status["field"]) == ("invalid_field", "idempotency_key")


def test_what_a_predecessor_sent_is_not_sent_again_though_the_configuration_changed() -> None:
    first = decider().decide(Record(request(idempotency_key="k", receipt="all")), NOW_MS)
    own = DecidedByIngress()
    own.add_submission(first[0].value)
    successor = decider(applied({"to": [{"connector": "beta"}]}, accounts=[]), own=own)
    again = successor.decide(Record(request(idempotency_key="k", receipt="all")), NOW_MS)
    assert topics(again) == ["ingress.keys", "lifecycle.events", "mt.statuses", "lifecycle.events"]
    assert event(again, "accepted")["connector_id"] == "acme"
    assert event(again, "accepted")["event_id"] == event(first, "accepted")["event_id"]
    repeat = successor.decide(Record(request(idempotency_key="k", receipt="all"), offset=8), NOW_MS)
    assert event(repeat, "duplicate")["message_id"] == MESSAGE_ID


def test_the_status_of_a_request_that_is_handled_again_says_the_same() -> None:
    record = Record(request(receipt="all"))
    first = decider().decide(record, NOW_MS)
    own = DecidedByIngress()
    own.add_submission(first[0].value)
    again = decider(own=own).decide(record, NOW_MS + 5_000)
    assert only(again, "mt.statuses") == only(first, "mt.statuses")
    without_the_account = decider(applied(accounts=[]), own=own).decide(record, NOW_MS + 5_000)
    assert only(without_the_account, "mt.statuses") == only(first, "mt.statuses"), "its default sender was used"


def test_what_a_predecessor_rejected_stays_rejected_for_the_same_reason() -> None:
    first = decider(applied(accounts=[])).decide(Record(request(idempotency_key="k")), NOW_MS)
    own = DecidedByIngress()
    own.add_status(only_value(first, "mt.statuses"))
    again = decider(own=own).decide(Record(request(idempotency_key="k")), NOW_MS + 5000)
    assert only(again, "mt.statuses") == only(first, "mt.statuses")
    assert [e.key for e in again] == [e.key for e in first]


def test_a_request_that_is_wrong_in_itself_is_rejected_in_the_same_words_again() -> None:
    record = Record(request(from_="TwelveLetter"))
    first = decider().decide(record, NOW_MS)
    own = DecidedByIngress()
    own.add_status(only_value(first, "mt.statuses"))
    again = decider(own=own).decide(record, NOW_MS + 5000)
    assert only_value(again, "mt.statuses") == only_value(first, "mt.statuses")


def only_value(outs: list[Any], topic: str) -> bytes:
    (found,) = [out.value for out in outs if out.topic == topic]
    value: bytes = found
    return value


@pytest.mark.parametrize("pinned", [None, "acme"])
def test_an_account_may_use_only_its_lanes(pinned: str | None) -> None:
    accounts = [Account(id="shop", default_sender="SHOP", limits=Limits(lanes=("txn", "bulk")))]
    made = decider(applied(accounts=accounts))
    refused = made.decide(Record(request(lane="otp", connector_id=pinned)), NOW_MS)
    status = only(refused, "mt.statuses")
    assert (status["status"], status["reason"], status["field"]) == ("rejected", "lane_not_allowed", "lane")
    assert event(refused, "rejected")["detail"] == "account shop may use: txn, bulk"
    assert topics(made.decide(Record(request(lane="bulk"), offset=8), NOW_MS))[0] == "mt.submissions"


def test_routes_see_the_country_and_the_accounts_sender() -> None:
    routes: list[dict[str, Any]] = [
        {"match": {"country": "DE"}, "to": [{"connector": "acme"}]},
        {"match": {"sender": "SHOP"}, "to": [{"connector": "beta"}]},
        {"to": [{"connector": "gamma"}]},
    ]
    made = decider(applied(*routes))
    for offset, fields, connector_id in (
        (1, {"to": "+4915112345678"}, "acme"),
        (2, {}, "beta"),
        (3, {"from_": "OTHER"}, "gamma"),
    ):
        outs = made.decide(Record(request(**fields), offset=offset), NOW_MS)
        assert event(outs, "accepted")["connector_id"] == connector_id


def test_before_any_configuration_every_account_is_unknown() -> None:
    made = decider()
    made.view = type(made.view)(None)
    assert only(made.decide(Record(request()), NOW_MS), "mt.statuses")["reason"] == "unknown_account"
