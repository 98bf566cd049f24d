"""Messages of handsets: whole ones to mo.messages, parts put together, what is missing, what comes again."""

from base64 import b64encode
from typing import Any

import orjson
import pytest

from schemas.gateway.connectors.smpp import SmppOptions
from schemas.lifecycle_events import LifecycleEvent
from schemas.mo_messages import InboundMessage
from schemas.topics import INBOUND_PARTS, LIFECYCLE_EVENTS, MO_MESSAGES, SMSC_INBOUND
from services.correlator.inbound.cycle import TIMEOUT_MS, InboundCycle
from services.correlator.inbound.messages import InboundTeller
from services.correlator.inbound.partition import (
    ENTRY_OCTETS,
    LATE_KEEP_MS,
    REDELIVERY_KEEP_MS,
    REPEAT_KEEP_MS,
    SAME_KEY_MAX,
    InboundPartition,
)
from services.correlator.join.deadlines import WATERMARK_MARGIN_MS
from shared.kafka.records import Out
from shared.messages.connector_profile import profile_of
from shared.sms import gsm7, udh
from tests.unit.correlator.making import EVENTS, T0, Record, raw_inbound

PARTS = {SMSC_INBOUND: 0}


class Handsets:
    """The correlator's inbound cycle on one partition; time is the log's."""

    def __init__(self, options: SmppOptions | None = None) -> None:
        self.cycle = InboundCycle(EVENTS)
        self.cycle.partitions[0] = self.cycle.make(0)
        self.cycle.profiles = {"acme-1": profile_of(options)} if options else {}
        self.log: list[Out] = []
        self.outs: list[Out] = []
        self.offset = 0

    def send(self, octets: bytes = b"Stop it", at_ms: int = T0, **changes: Any) -> list[InboundMessage]:
        """One deliver_sm; what is told at once."""
        value = raw_inbound(octets, **({"received_at_ms": at_ms} | changes)).to_json()
        return self.record(Record(SMSC_INBOUND, 0, self.offset, at_ms, b"60777", value))

    def record(self, record: Record) -> list[InboundMessage]:
        self.offset = record.offset + 1
        return self._done(self.cycle.take([record], T0))

    def part(
        self, number: int, total: int, octets: bytes, at_ms: int = T0, ref: int = 7, **changes: Any
    ) -> list[InboundMessage]:
        head = udh.header(udh.concatenation_8bit(ref, total, number))
        return self.send(head + octets, at_ms, **({"esm_class": 0x40} | changes))

    def pass_time(self, until_ms: int) -> list[InboundMessage]:
        """The input was read to a watermark that was fetched so late that all until then is proven."""
        self.cycle.read_to_watermark(0, until_ms + WATERMARK_MARGIN_MS)
        self.cycle.expire()
        return self._done([])

    def restart(self) -> None:
        """A new process on the same log."""
        self.cycle.partitions[0] = part = self.cycle.make(0)
        for out in self.log:
            part.table.restore(out.key or b"", out.value)
        list(part.restored())

    def _done(self, outs: list[Out]) -> list[InboundMessage]:
        outs = outs + self.cycle.flush()
        self.outs = outs
        self.log += [out for out in outs if out.topic == INBOUND_PARTS]
        return [InboundMessage.from_json(out.value or b"") for out in outs if out.topic == MO_MESSAGES]

    def events(self) -> list[LifecycleEvent]:
        return [LifecycleEvent.from_json(out.value or b"") for out in self.outs if out.topic == LIFECYCLE_EVENTS]

    @property
    def keys(self) -> int:
        return len(self.cycle.partitions[0].table)


def one(messages: list[InboundMessage]) -> InboundMessage:
    (message,) = messages
    return message


def _tlv(tag: int, value: bytes) -> list[tuple[int, str]]:
    return [(tag, b64encode(value).decode())]


# -- one deliver_sm, one message -------------------------------------------------------------------------------------


def test_a_text_with_its_keyword() -> None:
    handsets = Handsets()
    message = one(handsets.send())
    assert message == InboundMessage(
        mo_id=message.mo_id,
        connector_id="acme-1",
        sender="447700900123",
        to="60777",
        text="Stop it",
        data_coding=0,
        keyword="STOP",
        opt_out=True,
        received_at_ms=T0,
    )
    assert [out.key for out in handsets.outs if out.topic == MO_MESSAGES] == [b"60777"]


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
    assert one(Handsets().send(octets, data_coding=data_coding)).text == text


@pytest.mark.parametrize("data_coding", [2, 4, 0xF5])
def test_anything_else_is_data_as_received(data_coding: int) -> None:
    message = one(Handsets().send(b"\x01\xff", data_coding=data_coding))
    assert (message.text, message.data, message.data_coding, message.keyword) == (None, "Af8=", data_coding, None)


def test_the_connectors_own_codings_are_used() -> None:
    assert one(Handsets(SmppOptions(default_alphabet="latin1")).send(b"@")).text == "@"
    assert one(Handsets(SmppOptions(data_coding_map={"gsm7": 241})).send(b"hi", data_coding=241)).text == "hi"


def test_a_message_of_one_part_is_whole() -> None:
    message = one(Handsets().part(1, 1, b"all of it"))
    assert (message.text, message.parts, message.parts_total, message.complete) == ("all of it", 1, 1, True)


def test_the_event_tells_no_text() -> None:
    handsets = Handsets()
    handsets.send(b"secret")
    (event,) = handsets.events()
    assert (event.event, event.sender, event.to) == ("inbound", "447700900123", "60777")
    assert not any(b"secret" in (out.value or b"") for out in handsets.outs if out.topic == LIFECYCLE_EVENTS)


def test_the_identity_is_the_records_place() -> None:
    first, other = Handsets(), Handsets()
    other.offset = 1
    ids = [one(handsets.send()).mo_id for handsets in (first, Handsets(), other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(("tag", "value"), [(0x001E, b"abc\0"), (0x0204, b"\x00\x07")])
@pytest.mark.parametrize("restart", [False, True])
def test_a_redelivery_that_the_smsc_names_keeps_the_first_ones_id(tag: int, value: bytes, restart: bool) -> None:
    handsets = Handsets()

    def mo_id(at_ms: int, octets: bytes = b"YES", value: bytes = value) -> str:
        return one(handsets.send(octets, at_ms, tlvs=_tlv(tag, value))).mo_id

    first = mo_id(T0)
    if restart:
        handsets.restart()
    assert mo_id(T0 + 6_000) == first
    assert mo_id(T0 + 6_000, octets=b"NO") != first
    assert mo_id(T0 + 6_000, value=b"\x00\x08") != first
    assert mo_id(T0 + 6_001 + REDELIVERY_KEEP_MS) != first
    handsets.pass_time(T0 + 3 * REDELIVERY_KEEP_MS)
    assert handsets.keys == 0


def test_the_same_words_twice_are_two_messages() -> None:
    handsets = Handsets()
    assert one(handsets.send(b"YES")).mo_id != one(handsets.send(b"YES")).mo_id
    assert handsets.keys == 0


@pytest.mark.parametrize("value", [None, b"x", raw_inbound().to_json().replace(b"U3RvcCBpdA==", b"*")])
def test_what_is_no_inbound_record_is_a_dead_letter(value: bytes | None) -> None:
    handsets = Handsets()
    assert handsets.record(Record(SMSC_INBOUND, 0, 0, T0, b"60777", value)) == []
    (dead,) = (out for out in handsets.outs if out.topic == "smsc.inbound.dlq")
    assert (dict(dead.headers)["dlq_reason"], dead.value) == (b"invalid_record", value)


def test_a_record_that_the_state_contains_is_not_told_again() -> None:
    handsets = Handsets()
    assert handsets.send(b"YES")
    handsets.restart()
    handsets.offset = 0
    assert handsets.send(b"YES") == []


# -- parts -----------------------------------------------------------------------------------------------------------


def test_parts_in_any_order_over_any_bind_are_one_message_with_the_first_ones_identity() -> None:
    handsets = Handsets()
    assert handsets.part(3, 3, b"three") == []
    assert handsets.part(1, 3, b"Stop, two, ", T0 + 1, connector_id="acme-2", partition=3) == []
    message = one(handsets.part(2, 3, b"and ", T0 + 2))
    assert (message.text, message.keyword, message.connector_id) == ("Stop, two, and three", "STOP", "acme-1")
    assert (message.parts, message.parts_total, message.complete, message.missing) == (3, 3, True, [])
    assert (message.received_at_ms, message.mo_id) == (T0, one(Handsets().send()).mo_id)
    (event,) = handsets.events()
    assert (event.segments, event.detail) == (3, f"mo_id {message.mo_id}")


@pytest.mark.parametrize(
    "change",
    [{"provider": "beta"}, {"source_addr": "447700900124"}, {"destination_addr": "60778"}, {"ref": 8}, {"total": 3}],
)
def test_parts_of_other_messages_are_apart(change: dict[str, Any]) -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ")
    assert handsets.part(2, change.pop("total", 2), b"other", **change) == []
    assert one(handsets.part(2, 2, b"two")).text == "one two"


def test_references_of_16_bits_and_sar_parameters() -> None:
    handsets = Handsets()
    for number, text in ((2, b"two"), (1, b"one ")):
        head = udh.header(udh.concatenation_16bit(0xBEEF, 2, number))
        told = handsets.send(head + text, esm_class=0x40)
    assert one(told).text == "one two"
    for number, text in ((2, b"two"), (1, b"one ")):
        tlvs = [*_tlv(0x020C, b"\xbe\xef"), *_tlv(0x020E, b"\x02"), *_tlv(0x020F, bytes((number,)))]
        told = handsets.send(text + b"!", tlvs=tlvs)
    assert one(told).text == "one !two!"


def test_a_part_as_sar_over_one_bind_and_with_a_header_over_another() -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ", ref=0xA7)
    tlvs = [*_tlv(0x020C, b"\x00\xa7"), *_tlv(0x020E, b"\x02"), *_tlv(0x020F, b"\x02")]
    assert one(handsets.send(b"two", tlvs=tlvs)).text == "one two"


def test_what_the_sender_cut_in_two_and_tables_of_each_part() -> None:
    handsets = Handsets()
    octets = "a😀b".encode("utf-16-be")
    handsets.part(1, 2, octets[:4], data_coding=8)
    assert one(handsets.part(2, 2, octets[4:], data_coding=8)).text == "a😀b"
    septets = gsm7.alphabet(1, 1).encode("ğ ş")
    assert septets is not None
    handsets.part(1, 2, b"$ \x1b", ref=8)
    assert one(handsets.part(2, 2, b"e", ref=8)).text == "¤ €"
    head = udh.header(udh.concatenation_8bit(9, 2, 2), udh.national_shift(1, 1))
    handsets.part(1, 2, b"$ ", ref=9)
    assert one(handsets.send(head + septets, esm_class=0x40)).text == "¤ ğ ş"


def test_a_part_that_comes_again_counts_once() -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ")
    assert handsets.part(1, 2, b"one ", T0 + 5) == []
    assert one(handsets.part(2, 2, b"two")).text == "one two"


@pytest.mark.parametrize("restart", [False, True])
def test_after_the_whole_a_repeat_within_5_minutes_is_dropped_and_other_octets_begin_anew(restart: bool) -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ")
    first = one(handsets.part(2, 2, b"two"))
    if restart:
        handsets.restart()
    assert handsets.part(1, 2, b"one ", T0 + 1) == handsets.part(2, 2, b"two", T0 + REPEAT_KEEP_MS) == []
    assert handsets.part(1, 2, b"un ", T0 + 2) == []
    again = one(handsets.part(2, 2, b"deux", T0 + 3))
    assert again.text == "un deux"
    assert again.mo_id != first.mo_id
    assert handsets.part(1, 2, b"one ", T0 + 4) == []
    handsets.part(1, 2, b"one ", T0 + REPEAT_KEEP_MS + 10)
    assert one(handsets.part(2, 2, b"two", T0 + REPEAT_KEEP_MS + 10)).text == "one two"


def test_nothing_of_it_stays_once_repeats_are_over() -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ")
    handsets.part(2, 2, b"two")
    assert handsets.keys == 1
    handsets.pass_time(T0 + 2 * REPEAT_KEEP_MS)
    assert handsets.keys == 0


def test_another_text_under_the_number_of_a_part_that_is_there_begins_another_message() -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"lost its end ")
    handsets.part(1, 2, b"one ", T0 + 1)
    assert one(handsets.part(2, 2, b"two", T0 + 2)).text == "one two"
    partial = one(handsets.pass_time(T0 + TIMEOUT_MS + 1_000))
    assert (partial.text, partial.missing) == ("lost its end ", [2])


# -- what is missing -------------------------------------------------------------------------------------------------


def test_after_the_timeout_what_came_is_told_and_a_late_part_completes_it() -> None:
    handsets = Handsets()
    handsets.part(1, 4, b"one ")
    handsets.part(3, 4, b"three ", T0 + TIMEOUT_MS)
    assert handsets.pass_time(T0 + TIMEOUT_MS - 1) == []
    partial = one(handsets.pass_time(T0 + TIMEOUT_MS + 1_000))
    assert (partial.text, partial.keyword) == ("one three ", "ONE")
    assert (partial.parts, partial.parts_total, partial.complete, partial.missing) == (2, 4, False, [2, 4])
    assert handsets.events()[0].detail.endswith("2 of 4 parts, missing 2, 4; not whole in time")
    assert handsets.part(3, 4, b"three ", T0 + TIMEOUT_MS + 2_000) == []
    assert handsets.part(4, 4, b"four", T0 + TIMEOUT_MS + 2_000) == []
    whole = one(handsets.part(2, 4, b"two ", T0 + TIMEOUT_MS + 3_000))
    assert (whole.text, whole.complete, whole.mo_id) == ("one two three four", True, partial.mo_id)


def test_a_part_counts_by_the_time_of_its_record_whenever_it_is_read() -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ")
    assert one(handsets.part(2, 2, b"two", T0 + TIMEOUT_MS)).complete
    handsets.part(1, 2, b"one ", ref=8)
    late = handsets.part(2, 2, b"two", T0 + TIMEOUT_MS + 1, ref=8)
    assert [(message.complete, message.text) for message in late] == [(False, "one "), (True, "one two")]


def test_the_record_of_other_parts_proves_the_timeout() -> None:
    handsets = Handsets()
    handsets.part(2, 2, b"two")
    handsets.send(b"other", T0 + TIMEOUT_MS + 2_000)
    handsets.cycle.expire()
    partial = one(handsets._done([]))
    assert (partial.text, partial.keyword, partial.missing) == ("two", None, [1])


def test_late_parts_that_do_not_complete_it_are_told_when_it_is_forgotten() -> None:
    handsets = Handsets()
    handsets.part(1, 3, b"one ")
    partial = one(handsets.pass_time(T0 + TIMEOUT_MS + 1_000))
    assert handsets.part(3, 3, b"three", T0 + TIMEOUT_MS + 2_000) == []
    last = one(handsets.pass_time(T0 + TIMEOUT_MS + LATE_KEEP_MS + 1_000))
    assert (last.text, last.missing, last.mo_id) == ("one three", [2], partial.mo_id)
    assert handsets.keys == 0
    assert handsets.part(2, 3, b"two ", T0 + TIMEOUT_MS + LATE_KEEP_MS + 2_000) == []  # a message of its own now


def test_the_connectors_own_timeout() -> None:
    handsets = Handsets()
    handsets.cycle.timeouts_ms = {"acme-1": 30_000}
    handsets.part(1, 2, b"one ")
    assert one(handsets.pass_time(T0 + 31_000)).missing == [2]


def test_only_a_partition_with_something_due_needs_a_watermark() -> None:
    handsets = Handsets()
    assert handsets.cycle.next_due_ms() is None
    handsets.part(1, 2, b"one ")
    due = handsets.cycle.next_due_ms()
    assert due is not None and T0 + TIMEOUT_MS < due <= T0 + TIMEOUT_MS + 2_000
    assert handsets.cycle.unproven(due - 1) == []
    assert handsets.cycle.unproven(due) == [0]
    assert one(handsets.pass_time(due)).missing == [2]
    assert handsets.cycle.unproven(due) == []


# -- bounds ----------------------------------------------------------------------------------------------------------


def test_a_flood_of_parts_that_are_never_completed_is_bounded() -> None:
    handsets = Handsets()
    room = 100 * (ENTRY_OCTETS + 4)
    handsets.cycle.partitions[0] = InboundPartition(0, InboundTeller(EVENTS), held_octets_max=room)
    told: list[InboundMessage] = []
    for number in range(1_000):
        told += handsets.part(1, 2, b"%03d" % number, source_addr=str(number))
        assert handsets.keys <= 100
    assert [message.text for message in told] == [f"{number:03d}" for number in range(900)]
    assert all(message.missing == [2] for message in told)
    assert "too many parts" in handsets.events()[-1].detail
    handsets.restart()
    assert handsets.keys == 100


def test_one_reference_for_everything_is_bounded() -> None:
    handsets = Handsets()
    told: list[InboundMessage] = []
    for number in range(50):
        told += handsets.part(1, 2, b"%d" % number, T0 + number)
    assert len(told) == 50 - SAME_KEY_MAX
    assert handsets.keys == 1


def test_parts_that_would_not_fit_a_record_together_are_apart() -> None:
    handsets = Handsets()
    payload = b"x" * 60_000
    told: list[InboundMessage] = []
    for number in range(1, 9):
        tlvs = [*_tlv(0x0424, udh.header(udh.concatenation_8bit(7, 8, number)) + payload)]
        told += handsets.send(b"", esm_class=0x40, tlvs=tlvs)
    assert all(len(out.value or b"") < 900_000 for out in handsets.log)
    told += handsets.pass_time(T0 + TIMEOUT_MS + 1_000)
    assert sorted(number for message in told for number in range(1, 9) if number not in message.missing) == list(
        range(1, 9)
    )


def test_the_state_is_held_small_once_a_message_is_told() -> None:
    handsets = Handsets()
    handsets.part(1, 2, b"one ")
    handsets.part(2, 2, b"two")
    (key, value) = next((out.key, out.value) for out in reversed(handsets.log) if out.key != b"positions")
    assert orjson.loads(key or b"") == ["acme", "447700900123", "60777", 7, 2]
    assert orjson.loads(value or b"")["entries"][0][:2] == ["whole", T0 + REPEAT_KEEP_MS]
    assert not handsets.cycle.partitions[0].table._packed
