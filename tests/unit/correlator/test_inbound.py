"""Messages of handsets to mo.messages."""

from base64 import b64encode
from typing import Any

import pytest

from schemas.gateway.connectors.smpp import SmppOptions
from schemas.lifecycle_events import LifecycleEvent
from schemas.mo_messages import InboundMessage
from services.correlator.inbound.messages import REMEMBER_MS, REMEMBERED_MAX, InboundReader
from shared.messages.connector_profile import profile_of
from tests.unit.correlator.making import EVENTS, T0, Record, inbound_record, raw_inbound


def _read(octets: bytes = b"Stop it", options: SmppOptions | None = None, **changes: Any) -> InboundMessage:
    profiles = {"acme-1": profile_of(options)} if options else {}
    public, _ = InboundReader(EVENTS).read(inbound_record(raw_inbound(octets, **changes)), profiles)
    assert public.key == b"60777"
    return InboundMessage.from_json(public.value or b"")


def _tlv(tag: int, value: bytes) -> list[tuple[int, str]]:
    return [(tag, b64encode(value).decode())]


def test_a_text_with_its_keyword() -> None:
    message = _read()
    assert message == InboundMessage(
        mo_id=message.mo_id,
        connector_id="acme-1",
        sender="447700900123",
        to="60777",
        text="Stop it",
        data_coding=0,
        keyword="STOP",
        received_at_ms=T0,
    )


@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        (b"\x00 \x1b\x65", 0, "@ €"),
        (b"plain", 1, "plain"),
        (b"caf\xe9", 3, "café"),
        ("Привет".encode("utf-16-be"), 8, "Привет"),
        (b"\xd8\x00", 8, "�"),
        (b"STOP", 0xF1, "STOP"),
        ("стоп".encode("iso8859-5"), 6, "стоп"),
    ],
)
def test_text_codings(octets: bytes, data_coding: int, text: str) -> None:
    assert _read(octets, data_coding=data_coding).text == text


@pytest.mark.parametrize("data_coding", [2, 4, 0xF5])
def test_anything_else_is_data_as_received(data_coding: int) -> None:
    message = _read(b"\x01\xff", data_coding=data_coding)
    assert (message.text, message.data, message.data_coding, message.keyword) == (None, "Af8=", data_coding, None)


def test_the_connectors_own_codings_are_used() -> None:
    assert _read(b"@", SmppOptions(default_alphabet="latin1")).text == "@"
    assert _read(b"hi", SmppOptions(data_coding_map={"gsm7": 241}), data_coding=241).text == "hi"


def test_a_part_of_a_longer_message_passes_alone() -> None:
    message = _read(b"\x05\x00\x03\x07\x03\x02middle", esm_class=0x40)
    assert (message.text, message.parts, message.complete, message.keyword) == ("middle", 3, False, None)


def test_the_event_tells_no_text() -> None:
    _, out = InboundReader(EVENTS).read(inbound_record(raw_inbound(b"secret")), {})
    event = LifecycleEvent.from_json(out.value or b"")
    assert (event.event, event.sender, event.to) == ("inbound", "447700900123", "60777")
    assert b"secret" not in (out.value or b"")


def test_the_identity_is_the_records_place() -> None:
    reader = InboundReader(EVENTS)
    ids = [reader.read(inbound_record(raw_inbound(), offset), {}) for offset in (1, 1, 2)]
    first, again, other = (InboundMessage.from_json(public.value or b"").mo_id for public, _ in ids)
    assert first == again != other


@pytest.mark.parametrize(("tag", "value"), [(0x001E, b"abc\0"), (0x0204, b"\x00\x07")])
def test_a_redelivery_that_the_smsc_names_keeps_the_first_ones_id(tag: int, value: bytes) -> None:
    reader = InboundReader(EVENTS)

    def mo_id(offset: int, at_ms: int, octets: bytes = b"YES", value: bytes = value) -> str:
        raw = raw_inbound(octets, tlvs=_tlv(tag, value), received_at_ms=at_ms)
        return InboundMessage.from_json(reader.read(inbound_record(raw, offset), {})[0].value or b"").mo_id

    first = mo_id(0, T0)
    assert mo_id(1, T0 + 6_000) == first
    assert mo_id(2, T0 + 6_000, octets=b"NO") != first
    assert mo_id(3, T0 + 6_000, value=b"\x00\x08") != first
    assert mo_id(4, T0 + 6_001 + REMEMBER_MS) != first


def test_the_same_words_twice_are_two_messages() -> None:
    reader = InboundReader(EVENTS)
    ids = [reader.read(inbound_record(raw_inbound(b"YES"), offset), {}) for offset in (0, 1)]
    assert len({InboundMessage.from_json(public.value or b"").mo_id for public, _ in ids}) == 2


def test_what_is_remembered_is_bounded() -> None:
    reader = InboundReader(EVENTS)
    for number in range(REMEMBERED_MAX + 10):
        raw = raw_inbound(tlvs=_tlv(0x001E, b"%d" % number))
        reader.read(inbound_record(raw, number), {})
    assert len(reader._seen) == REMEMBERED_MAX


@pytest.mark.parametrize("value", [None, b"x", raw_inbound().to_json().replace(b"U3RvcCBpdA==", b"*")])
def test_what_is_no_inbound_record_raises_valueerror(value: bytes | None) -> None:
    with pytest.raises(ValueError):
        InboundReader(EVENTS).read(Record("smsc.inbound", 0, 0, T0, b"60777", value), {})
