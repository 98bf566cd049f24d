"""Edge: what `smsgw trace` asks for, and how its lines look."""

import asyncio

import pytest

from schemas.connector_states import ConnectorState
from schemas.traces import TraceLine
from services.cli.commands.trace import SINCE_MAX_S, Wish, bind_sentence, request_of, shown
from services.cli.errors import exit_code_of
from shared.kafka.errors import FatalKafkaError
from shared.operations import trace
from shared.operations.errors import Invalid
from shared.operations.trace import unknown_connector

MESSAGE_ID = "01a20bb9-c3d6-7312-849d-5ee85274ab44"


def wish(**fields: object) -> Wish:
    nothing = {"msisdn": None, "message_id": None, "since": None, "unredacted": False, "octets": False}
    return Wish(**({"connector_id": "acme-1", "as_json": False} | nothing | fields))  # type: ignore[arg-type]


def line(**fields: object) -> TraceLine:
    base = {"connector_id": "acme-1", "request_id": "r", "kind": "pdu", "partition": 0, "bind": "transceiver"}
    about = {"owner": "0|1", "at_ms": 1_790_000_000_123, "direction": "out", "command": "submit_sm"}
    return TraceLine.model_validate(base | about | {"sequence_number": 17} | fields)


def test_the_request_is_what_was_typed() -> None:
    asked = request_of(wish(message_id=MESSAGE_ID.upper(), since="2m"), "r1")
    assert (asked.message_id, asked.since_s, asked.msisdn, asked.unredacted) == (MESSAGE_ID, 120, "", False)
    assert request_of(wish(since="7d"), "r1").since_s == SINCE_MAX_S
    asked = request_of(wish(msisdn="+447700900123", unredacted=True, octets=True), "r1")
    assert (asked.msisdn, asked.unredacted, asked.with_octets) == ("+447700900123", True, True)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"msisdn": "447700900123", "message_id": MESSAGE_ID}, "give one of them"),
        ({"octets": True}, "only with --open"),
        ({"msisdn": "SHOP"}, "'SHOP' is no number"),
        ({"msisdn": "123"}, "'123' is no number"),
        ({"message_id": "17"}, "'17' is no message_id"),
        ({"since": "yesterday"}, "'yesterday' is no length of time"),
    ],
)
def test_wrong_usage(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        request_of(wish(**fields), "r1")


@pytest.mark.parametrize("failure", [asyncio.CancelledError, FatalKafkaError, TimeoutError, None])
async def test_taking_leave_of_a_kafka_that_has_gone(
    failure: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "LEAVE_S", 0.01)

    async def step() -> None:
        if failure is not None:
            raise failure
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        await trace.at_the_end(step())


def test_an_unknown_connector_gets_the_nearest_names() -> None:
    error = unknown_connector("acme1", ["acme-1", "acme-2", "beta-1"])
    assert (exit_code_of(error), str(error)) == (1, "no connector 'acme1'; did you mean acme-1 or acme-2?")
    error = unknown_connector("zzz", ["beta-1", "acme-1"])
    assert (str(error), error.hint) == ("no connector 'zzz'", "there are: acme-1, beta-1")
    assert "config apply" in unknown_connector("zzz", []).hint


def test_lines_are_in_columns() -> None:
    lines = [
        line(message_id=MESSAGE_ID, segment_index=2, fields={"destination_addr": "447...(12)"}),
        line(partition=11, bind="receiver", direction="in", command="deliver_sm"),
        line(direction="in", command="submit_sm_resp", status="ESME_RTHROTTLED", sequence_number=99999),
    ]
    texts = [shown(one) for one in lines]
    assert texts[0][12:] == (
        f"   0 trx  -> submit_sm                             #17      msg={MESSAGE_ID}/2 destination_addr=447...(12)"
    )
    assert {text.index("#") for text in texts} == {texts[0].index("#")}
    assert "11 rx   <- deliver_sm" in texts[1]


def test_what_was_refused_is_red_where_there_is_colour() -> None:
    refused = line(direction="in", command="submit_sm_resp", status="ESME_RTHROTTLED")
    assert shown(refused, colour=True).startswith("\x1b[31m")
    assert "\x1b" not in shown(refused)
    assert "\x1b" not in shown(line(), colour=True)


def test_what_is_left_out_is_told() -> None:
    first, second = shown(line(skipped=812)).splitlines()
    assert "812 PDUs not shown" in first
    assert second == shown(line())


def test_a_bind_that_is_not_up_is_told_with_its_reason() -> None:
    state = ConnectorState(
        connector_id="a", partition=1, state="auth_failed", owner="0|1", epoch=1, since_ms=0, reason="bind refused"
    )
    assert bind_sentence(state) == "bind 1: auth failed (bind refused)"
    assert " since " in bind_sentence(state.model_copy(update={"since_ms": 1_790_000_000_123}))
