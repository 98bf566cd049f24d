"""Whose a message is, what it brings about, and that no two gateways answer each other for ever."""

from typing import Any

import orjson
import pytest

from schemas.gateway.accounts import Account
from schemas.optouts import OptOut
from schemas.topics import CONFIG_OPTOUTS, INBOUND_PARTS, LIFECYCLE_EVENTS, MT_REQUESTS
from services.correlator.inbound.answers import IN_A_ROW_MAX, REPLY_GAP_MS, SILENCE_MS
from services.correlator.inbound.claims import Claims
from services.correlator.inbound.cycle import TIMEOUT_MS
from services.ingress.opt_outs import OptOuts
from services.ingress.place import home_partition
from shared.messages.admission import Admitted, admit
from tests.unit.correlator.making import T0
from tests.unit.correlator.test_inbound import Handsets, _tlv, one

SHOP = {
    "id": "shop",
    "default_sender": "SHOP",
    "numbers": ["+447700900999", {"number": "84433", "keyword": ["JOIN", "हिन्दी"]}, "4474009*", 60777],
    "replies": [
        {"keyword": "HOURS", "text": "Open 9 to 5, {from}. You wrote {{{text}}} to {to}"},
        {"keyword": "PRICE", "number": "84433", "text": "10"},
    ],
    "opt_outs": {"stop_text": "No more from us.", "start_text": "Welcome back", "words": ["GENUG"]},
}
BANK: dict[str, Any] = {
    "id": "bank",
    "default_sender": "447700900555",
    "numbers": [
        {"number": "84433", "keyword": "PAY"},
        {"number": "44740091*"},
        {"number": "447700900999", "connector": "beta-1"},
    ],
}


def claims(*accounts: dict[str, Any]) -> Claims:
    return Claims(Account.model_validate(account) for account in accounts)


def handsets(*accounts: dict[str, Any]) -> Handsets:
    made = Handsets()
    made.cycle.teller.claims = claims(*(accounts or (SHOP, BANK)))
    made.cycle.teller.request_partitions = 4
    return made


def replies(made: Handsets) -> list[dict[str, Any]]:
    return [orjson.loads(out.value or b"") for out in made.outs if out.topic == MT_REQUESTS]


def opt_outs(made: Handsets) -> list[tuple[str, bool]]:
    """Key, and whether it is an opt-out."""
    return [((out.key or b"").decode(), out.value is not None) for out in made.outs if out.topic == CONFIG_OPTOUTS]


@pytest.mark.parametrize(
    ("to", "connector", "text", "account"),
    [
        ("447700900999", "acme-1", "hello", "shop"),
        ("+447700900999", "acme-1", "hello", "shop"),
        ("447700900999", "beta-1", "hello", "bank"),
        ("84433", "acme-1", "join me", "shop"),
        ("84433", "acme-1", "हिन्दी please", "shop"),
        ("84433", "acme-1", "हिन्द", None),
        ("84433", "acme-1", "Pay 5", "bank"),
        ("84433", "acme-1", "other", None),
        ("84433", "acme-1", "STOP pay", "bank"),
        ("447400900001", "acme-1", "hello", "shop"),
        ("447400910001", "acme-1", "hello", "bank"),
        ("60777", "acme-1", "hello", "shop"),
        ("60778", "acme-1", "hello", None),
    ],
)
def test_whose_a_message_is(to: str, connector: str, text: str, account: str | None) -> None:
    made = handsets()
    message = one(made.send(text.encode("utf-16-be"), data_coding=8, destination_addr=to, connector_id=connector))
    assert message.account_id == account
    assert made.events()[0].account_id == (account or "")


def test_data_and_incomplete_messages_are_the_numbers() -> None:
    assert one(handsets().send(b"\x01", data_coding=4)).account_id == "shop"
    made = handsets()
    made.part(2, 2, b"two", destination_addr="447700900999")
    assert one(made.pass_time(T0 + TIMEOUT_MS + 1_000)).account_id == "shop"


# -- opt-outs --------------------------------------------------------------------------------------------------------


def test_stop_ends_what_comes_from_the_number_and_from_the_name_that_cannot_be_answered() -> None:
    made = handsets()
    message = one(made.send(b"STOP", data_coding=0xF1, source_addr="+447700900123"))
    assert (message.opt_out, message.keyword) == (True, "STOP")
    assert opt_outs(made) == [("shop|60777|447700900123", True), ("shop|SHOP|447700900123", True)]
    (record, _) = (OptOut.from_json(out.value or b"") for out in made.outs if out.topic == CONFIG_OPTOUTS)
    assert (record.account_id, record.sender, record.to, record.source) == ("shop", "60777", "447700900123", "handset")


@pytest.mark.parametrize(
    ("written", "compared", "told"),
    [
        ("00447700900123", "447700900123", False),
        ("07700900123", "07700900123", True),
        ("000700900123", "000700900123", True),
        ("60123", "60123", False),
        ("001234", "001234", False),
    ],
)
def test_a_number_is_opted_out_as_requests_write_it_or_it_is_said_that_nothing_comes_of_it(
    written: str, compared: str, told: bool
) -> None:
    made = handsets()
    message = one(made.send(b"STOP", source_addr=written))
    assert message.sender == written
    assert opt_outs(made) == [(f"shop|60777|{compared}", True), (f"shop|SHOP|{compared}", True)]
    assert ("no country code" in made.events()[0].detail) == told


@pytest.mark.parametrize(("text", "reason"), [(b"STOP", "stop"), (b"start", "start"), (b"help", "help"), (b"hi", "")])
def test_the_event_says_what_the_handset_wishes(text: bytes, reason: str) -> None:
    made = handsets()
    made.send(text)
    (event,) = (orjson.loads(out.value or b"") for out in made.outs if out.topic == LIFECYCLE_EVENTS)
    assert event.get("reason", "") == reason


def test_ingress_honours_it_and_lets_the_confirmation_pass() -> None:
    made = handsets()
    made.send(b"stop")
    table = OptOuts()
    for out in made.outs:
        if out.topic == CONFIG_OPTOUTS:
            table.apply(out.key, out.value)
    number = "447700900123"
    assert table.has("shop", number, "60777")
    assert table.has("shop", number, "SHOP")
    assert not table.has("shop", number, "447700900999")
    assert not table.has("bank", number, "60777")
    (reply,) = replies(made)
    assert reply["text"] == "No more from us."
    assert not table.has("shop", number, "60777", reply["idempotency_key"])
    assert table.has("shop", number, "60777", "reply-of-another")
    made.send(b"Start", T0 + REPLY_GAP_MS)
    assert [told for _, told in opt_outs(made)] == [False, False, False]
    for out in made.outs:
        if out.topic == CONFIG_OPTOUTS:
            table.apply(out.key, out.value)
    assert len(table) == 0
    assert [reply["text"] for reply in replies(made)] == ["Welcome back"]


def test_the_scope_of_an_account_words_of_its_own_and_none_at_all() -> None:
    made = handsets(SHOP | {"opt_outs": {"scope": "account", "words": ["GENUG"]}})
    assert one(made.send(b"genug")).opt_out is True
    assert opt_outs(made) == [("shop|447700900123", True)]
    assert replies(made) == []
    off = handsets(SHOP | {"opt_outs": {"enabled": False}})
    assert one(off.send(b"STOP")).opt_out is None
    assert opt_outs(off) == []


def test_stop_to_a_number_of_nobody_ends_what_anybody_sends_from_it() -> None:
    made = handsets(BANK)
    assert one(made.send(b"STOP")).account_id is None
    assert opt_outs(made) == [("*|60777|447700900123", True)]
    table = OptOuts()
    table.apply(b"*|60777|447700900123", b"{}")
    assert table.has("shop", "447700900123", "60777")
    assert not table.has("shop", "447700900123", "60778")


def test_a_message_that_is_told_twice_acts_once() -> None:
    made = handsets()
    made.part(1, 2, b"STOP ")
    made.pass_time(T0 + TIMEOUT_MS + 1_000)
    assert len(opt_outs(made)) == 2
    assert made.part(2, 2, b"please", T0 + TIMEOUT_MS + 2_000)
    assert opt_outs(made) == []
    named = _tlv(0x001E, b"7")
    made.send(b"HOURS", T0 + TIMEOUT_MS + 20_000, tlvs=named)
    assert len(replies(made)) == 1
    made.send(b"HOURS", T0 + TIMEOUT_MS + 40_000, tlvs=named)
    assert replies(made) == []


# -- replies ---------------------------------------------------------------------------------------------------------


def test_a_reply_is_a_request_that_ingress_takes_where_it_lies() -> None:
    made = handsets()
    message = one(made.send(b"hours?"))
    (out,) = (out for out in made.outs if out.topic == MT_REQUESTS)
    request = admit(out.value, T0, "txn")
    assert isinstance(request, Admitted)
    assert (request.account_id, request.sender, request.to) == ("shop", "60777", "447700900123")
    assert request.text == "Open 9 to 5, 447700900123. You wrote {hours?} to 60777"
    assert request.metadata == {"in_reply_to": message.mo_id}
    assert out.partition == home_partition("shop", request.idempotency_key or "", 4)


def test_a_reply_of_one_number() -> None:
    made = handsets()
    made.send(b"PRICE")
    assert replies(made) == []


@pytest.mark.parametrize("sender", ["SHOP", "60999", "447700900999", "+447400900001", "447700900555", "0044770"])
def test_no_reply_to_names_short_codes_and_numbers_of_ours(sender: str) -> None:
    made = handsets()
    made.send(b"HOURS", source_addr=sender)
    assert replies(made) == []


@pytest.mark.parametrize("restart", [False, True])
def test_one_reply_in_10_seconds_to_a_number(restart: bool) -> None:
    made = handsets()
    made.send(b"HOURS")
    if restart:
        made.restart()
    made.send(b"HOURS", T0 + REPLY_GAP_MS - 1)
    assert replies(made) == []
    made.send(b"HOURS", T0 + REPLY_GAP_MS - 1, source_addr="447700900124")
    assert len(replies(made)) == 1
    made.send(b"HOURS", T0 + REPLY_GAP_MS)
    assert len(replies(made)) == 1


def test_two_gateways_that_answer_each_other_fall_silent() -> None:
    """Each takes the other's reply for a keyword; nobody else writes."""
    ping = {"id": "a", "numbers": ["447700900001"], "replies": [{"keyword": "PING", "text": "PONG"}]}
    pong = {"id": "b", "numbers": ["447700900002"], "replies": [{"keyword": "PONG", "text": "PING"}]}
    sides = [handsets(ping), handsets(pong)]
    numbers = ["447700900001", "447700900002"]
    text, to, rounds, at_ms = "PING", 0, 0, T0
    while True:
        sides[to].send(text.encode(), at_ms, source_addr=numbers[1 - to], destination_addr=numbers[to])
        answers = replies(sides[to])
        if not answers:
            break
        text, to, rounds, at_ms = answers[0]["text"], 1 - to, rounds + 1, at_ms + 60_000
    assert rounds == 2 * IN_A_ROW_MAX
    quiet_ms = at_ms + SILENCE_MS + 1
    sides[0].send(b"PING", quiet_ms, source_addr=numbers[1], destination_addr=numbers[0])
    assert len(replies(sides[0])) == 1


def test_what_is_kept_of_replies_is_forgotten() -> None:
    made = handsets()
    made.send(b"HOURS")
    assert made.keys == 1
    made.pass_time(T0 + SILENCE_MS + 2_000)
    assert made.keys == 0
    assert any(out.topic == INBOUND_PARTS and out.value is None for out in made.outs)
