"""Properties of receipts, ids, dates and inbound messages: nothing raises, and what is known is found."""

from hypothesis import given
from hypothesis import strategies as st

from services.binder.smpp.classify import DeliveredReceipt, classify
from shared.smpp.pdu import DeliverSm
from shared.smpp.tlv import Tlv
from shared.sms import receipt_text
from shared.sms.inbound import read_inbound
from shared.sms.message import ConnectorProfile
from shared.sms.receipt_text import parse_receipt
from shared.sms.receipt_time import epoch_ms
from shared.sms.receipt_words import STATE_WORDS
from shared.sms.smsc_message_id import FORMATS, ReceiptIds, name_in_response, names_in_response, normalised

tags = st.sampled_from([0x001E, 0x0423, 0x0424, 0x0427, 0x020C, 0x020E, 0x020F, 0x1401])
tlv_lists = st.lists(st.tuples(tags, st.binary(max_size=20)), max_size=5)
receipt_pieces = st.sampled_from(
    ["id:", "ID :", "stat:", "STAT : ", "sub:", "dlvrd:", "err:", "text:", "Text:", "submit date:", "done date:",
     "nwk:", " ", ", ", "DELIVRD", "UNDELIV", "000", "2401021200", "a:b", "\0", "é", "\r\n"]
)  # fmt: skip
receipt_like = st.lists(receipt_pieces, max_size=30).map(lambda pieces: "".join(pieces).encode("latin-1"))
octets = st.one_of(st.binary(max_size=160), receipt_like)
codes = st.text("0123456789abcdef", min_size=1, max_size=4)
ids = st.from_regex(r"[0-9A-Za-z-]{1,20}", fullmatch=True)


@given(octets, tlv_lists, st.integers(0, 255))
def test_any_octets_are_a_receipt_and_the_text_is_kept(text: bytes, tlvs: list[tuple[int, bytes]], coding: int) -> None:
    receipt = parse_receipt(text, tlvs, data_coding=coding)
    source = next((value for tag, value in tlvs if tag == 0x0424), text)
    if source[:1] >= b" " and b"\0" not in source and coding != 8:
        assert receipt.raw == source.decode("latin-1")
    assert receipt.smsc_message_id == (receipt.id_in_tlv or receipt.id_in_text)
    assert receipt.word in STATE_WORDS.values()


@given(octets, tlv_lists, st.integers(0, 255))
def test_binder_and_correlator_read_the_same_ids(text: bytes, tlvs: list[tuple[int, bytes]], coding: int) -> None:
    pdu = DeliverSm(
        esm_class=4, data_coding=coding, short_message=text, tlvs=tuple(Tlv(tag, value) for tag, value in tlvs)
    )
    filed = classify(pdu, dlr_by_text=False)
    assert isinstance(filed, DeliveredReceipt)
    receipt = parse_receipt(text, tlvs, data_coding=coding)
    assert (filed.id_in_tlv, filed.id_in_text) == (receipt.id_in_tlv, receipt.id_in_text)


@given(st.text("id:42 ,;|satDELIVRD\r\n\0", max_size=40))
def test_the_quick_way_to_the_id_is_the_long_one(text: str) -> None:
    assert receipt_text.named_id(text) == receipt_text.mentioned(text).smsc_message_id


@given(receipt_like)
def test_the_quick_reading_of_the_usual_form_says_what_the_search_says(text: bytes) -> None:
    raw = text.decode("latin-1")
    usual = receipt_text._USUAL.fullmatch(raw)
    if usual is not None:
        found, unknown = receipt_text._searched(raw)
        assert unknown == ()
        assert {name: value.strip() for name, value in found.items()} == {
            name: value.strip() for name, value in usual.groupdict().items() if value is not None
        }


@given(ids, st.integers(0, 999), st.sampled_from(["DELIVRD", "UNDELIV"]), codes, st.text(max_size=20))
def test_both_readings_of_a_usual_receipt(smsc_id: str, sub: int, stat: str, err: str, text: str) -> None:
    raw = (
        f"id:{smsc_id} sub:{sub:03} dlvrd:{sub:03} submit date:2401021200 done date:2401021201 "
        f"stat:{stat} err:{err} text:{text}"
    )
    usual = receipt_text._USUAL.fullmatch(raw)
    assert usual is not None
    found, unknown = receipt_text._searched(raw)
    assert unknown == ()
    assert found == usual.groupdict()


@given(st.permutations(["id", "stat", "err", "sub", "done date"]), ids, st.data())
def test_known_fields_are_found_in_any_order_case_and_spacing(
    names: list[str], smsc_id: str, data: st.DataObject
) -> None:
    values = {"id": smsc_id, "stat": "UNDELIV", "err": "04b", "sub": "003", "done date": "2401021200"}
    colon = data.draw(st.sampled_from([":", ": ", " :", " : "]))
    separator = data.draw(st.sampled_from([" ", "  ", ", ", "; ", "\r\n", ",", ";", "|"]))
    upper = data.draw(st.booleans())
    text = separator.join(f"{name.upper() if upper else name}{colon}{values[name]}" for name in names)
    in_payload = data.draw(st.booleans())
    octets = text.encode()
    receipt = parse_receipt(b"", [(0x0424, octets)]) if in_payload else parse_receipt(octets)
    assert (receipt.id_in_text, receipt.word, receipt.err, receipt.sub) == (smsc_id, "UNDELIV", "04b", 3)
    assert receipt.done_at_ms == 1_704_196_800_000


@given(ids, ids)
def test_the_tlv_wins_and_a_difference_is_recorded(in_text: str, in_tlv: str) -> None:
    receipt = parse_receipt(f"id:{in_text} stat:DELIVRD".encode(), [(0x001E, in_tlv.encode() + b"\0")])
    assert receipt.smsc_message_id == in_tlv
    assert ("id" in receipt.conflicts) == (
        normalised(in_tlv) not in names_in_response(ReceiptIds("", in_text), FORMATS)
    )


@given(st.text(max_size=40))
def test_any_string_is_an_id_and_a_date(raw: str) -> None:
    assert isinstance(epoch_ms(raw), int | None)
    names = names_in_response(ReceiptIds("", raw), FORMATS)
    assert normalised(raw) in (*names, "")
    for choice in ("auto", "tlv", "text"):
        assert set(names_in_response(ReceiptIds(raw, raw), FORMATS, choice)) == set(names)


@given(st.integers(0, 2**64), st.integers(0, 4), st.booleans())
def test_a_number_meets_itself_in_the_other_base(number: int, zeros: int, upper: bool) -> None:
    hexadecimal = "0" * zeros + (f"{number:X}" if upper else f"{number:x}")
    decimal = "0" * zeros + str(number)
    assert normalised(hexadecimal) == name_in_response(decimal, "hex")
    assert normalised(decimal) == name_in_response(hexadecimal, "dec")
    assert normalised(decimal) in names_in_response(ReceiptIds("", hexadecimal), FORMATS)
    assert normalised(hexadecimal) in names_in_response(ReceiptIds("", decimal), FORMATS)


@given(octets, st.integers(0, 255), st.integers(0, 255), tlv_lists, st.booleans(), st.sampled_from(["gsm7", "latin1"]))
def test_any_octets_are_an_inbound_message(
    text: bytes, data_coding: int, esm_class: int, tlvs: list[tuple[int, bytes]], packed: bool, alphabet: str
) -> None:
    profile = ConnectorProfile(default_alphabet="gsm7" if alphabet == "gsm7" else "latin1", gsm7_packed=packed)
    inbound = read_inbound(text, data_coding, esm_class, tlvs, profile)
    assert (inbound.text is None) or inbound.alphabet != "binary"
    assert inbound.data_coding == data_coding
