"""One test per quirk of the field that this package answers for; numbers as in the project's quirk list."""

import pytest

from shared.sms import gsm7, udh
from shared.sms.addresses import Address, destination_address, source_address
from shared.sms.concat_ref import RecentRefs, concat_ref
from shared.sms.data_coding import read_map
from shared.sms.inbound import read_inbound
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.receipt_text import NetworkErrorCode, parse_receipt
from shared.sms.segmentation import encode_message
from shared.sms.smsc_message_id import FORMATS, ReceiptIds, name_in_response, names_in_response, normalised


def encode(text: str, profile: ConnectorProfile, *, flash: bool = False) -> Encoded:
    result = encode_message(EncodeRequest("m1", "4915112345678", text=text, flash=flash), profile)
    assert isinstance(result, Encoded)
    return result


def test_q1_hexadecimal_in_the_response_decimal_in_the_receipt() -> None:
    assert normalised("6AAD5") == name_in_response("436949", "hex")
    assert normalised("436949") == name_in_response("6aad5", "dec")


def test_q2_leading_zeros_and_case() -> None:
    assert normalised("000Ab1") == name_in_response("ab1", "raw")


def test_q3_ids_of_smpp_33_and_34_are_candidates_of_each_other() -> None:
    assert "436949" in names_in_response(ReceiptIds("", "0006AAD5"), FORMATS)
    assert "6aad5" in names_in_response(ReceiptIds("", "0000436949"), FORMATS)


@pytest.mark.parametrize(
    "text",
    [
        "id:7 submit date:2401021200 done date:2401021200 stat:DELIVRD",
        "id:7 submit date:240102120000 done date:240102120000 stat:DELIVRD err:0 extra:1",
        "id:7 done date:2401021200+ stat:DELIVRD",
        "id:7 done date:240102120000000+ stat:DELIVRD",
        "id:7 done_date:20240102120000 STAT:DELIVRD",
    ],
)
def test_q7_texts_that_are_not_quite_standard(text: str) -> None:
    receipt = parse_receipt(text.encode())
    assert (receipt.smsc_message_id, receipt.word, receipt.done_at_ms) == ("7", "DELIVRD", 1_704_196_800_000)


def test_q8_tlvs_win_and_a_conflict_is_recorded() -> None:
    receipt = parse_receipt(b"id:8 stat:UNDELIV", [(0x001E, b"9\0"), (0x0427, b"\x02")])
    assert (receipt.smsc_message_id, receipt.word) == ("9", "DELIVRD")
    assert (receipt.id_in_text, receipt.stat) == ("8", "UNDELIV")
    assert receipt.conflicts == ("id", "stat")
    assert parse_receipt(b"id:0000436949", [(0x001E, b"6aad5\0")]).conflicts == ()


def test_q9_network_error_code_as_octets_or_as_digits() -> None:
    assert parse_receipt(b"", [(0x0423, b"\x03\x01\x02")]).network_error_code == NetworkErrorCode(3, 258)
    assert parse_receipt(b"", [(0x0423, b"034")]).network_error_code == NetworkErrorCode(None, 34)
    assert parse_receipt(b"", [(0x0423, b"\x03\x01")]).network_error_code is None


@pytest.mark.parametrize(
    ("written", "number"), [("000", 0), ("0034", 34), ("21b", None), ("Absent subscriber", None), ("", None)]
)
def test_q10_err_is_kept_as_written(written: str, number: int | None) -> None:
    receipt = parse_receipt(f"id:1 stat:UNDELIV err:{written}".encode())
    assert (receipt.err, receipt.err_number) == (written, number)


def test_q11_the_carriers_vocabulary_is_a_table_and_the_unknown_is_not_a_failure() -> None:
    receipt = parse_receipt(b"id:1 stat:0", receipt_map={"0": "DELIVRD", "FAILED": "UNDELIV"})
    assert (receipt.word, receipt.stat) == ("DELIVRD", "0")
    assert parse_receipt(b"id:1 stat:failed", receipt_map={"FAILED": "UNDELIV"}).word == "UNDELIV"
    unknown = parse_receipt(b"id:1 stat:WHATEVER")
    assert (unknown.word, unknown.stat) == ("UNKNOWN", "WHATEVER")


def test_q29_a_trailing_nul_is_dropped_from_receipts_only() -> None:
    assert parse_receipt(b"id:1 stat:DELIVRD text:x\0").text == "x"
    assert read_inbound(b"mail me\x00", 0, 0, (), ConnectorProfile()).text == "mail me@"


def test_q33_sar_tlvs_never_stand_beside_a_header_and_a_received_header_wins() -> None:
    national = ConnectorProfile(long_message="sar", national_tables=("turkish",))
    result = encode("ğ" * 200, national)
    assert result.esm_class == 0x40
    assert all(segment.tlvs == () for segment in result.segments)
    tlvs = [(0x020C, b"\x00\x01"), (0x020E, b"\x09"), (0x020F, b"\x09")]
    inbound = read_inbound(udh.header(udh.concatenation_8bit(7, 2, 1)) + b"x", 0, 0x40, tlvs, ConnectorProfile())
    assert inbound.concatenation == udh.Concatenation(7, 2, 1, 8)
    assert "SAR TLVs" in inbound.oddities[0]


def test_q34_message_payload_wins_over_short_message() -> None:
    inbound = read_inbound(b"short", 0, 0, [(0x0424, b"long")], ConnectorProfile())
    assert inbound.text == "long"
    assert "message_payload" in inbound.oddities[0]


def test_q35_long_messages_in_four_ways() -> None:
    text = "a" * 161
    assert encode(text, ConnectorProfile()).segments[0].octets[:3] == b"\x05\x00\x03"
    assert encode(text, ConnectorProfile(long_message="udh16")).segments[0].octets[:3] == b"\x06\x08\x04"
    assert [tag for tag, _ in encode(text, ConnectorProfile(long_message="sar")).segments[0].tlvs] == [
        0x20C,
        0x20E,
        0x20F,
    ]
    (payload,) = encode(text, ConnectorProfile(long_message="payload")).segments
    assert payload.tlvs == ((0x0424, text.encode()),)


def test_q36_parts_carry_one_reference_and_rising_indexes() -> None:
    heads = [udh.parse(segment.octets).concatenation for segment in encode("a" * 400, ConnectorProfile()).segments]
    ref = concat_ref("m1", 8)
    assert heads == [udh.Concatenation(ref, 3, index, 8) for index in (1, 2, 3)]


def test_q37_references_to_one_destination_do_not_collide() -> None:
    refs = RecentRefs(refs_per_destination_max=64)
    recent = [refs.choose("4915", f"m{number}", 8) for number in range(64)]
    assert len(set(recent)) == 64
    assert refs.choose("4915", "m5", 8) == recent[5]


def test_q38_the_default_alphabet_may_be_another() -> None:
    latin1 = ConnectorProfile(default_alphabet="latin1")
    assert encode("@é_", latin1).segments[0].octets == b"@\xe9_"
    assert encode("{" * 80, latin1).segments[0].octets == b"{" * 80  # 160 septets on the air
    assert [len(segment.octets) for segment in encode("{" * 81, latin1).segments] == [6 + 76, 6 + 5]
    assert encode("Ω", latin1).alphabet == "ucs2"  # in GSM 7-bit, but not in Latin-1
    assert encode("á", latin1).alphabet == "ucs2"  # in Latin-1, but not in GSM 7-bit
    assert encode("é", ConnectorProfile(default_alphabet="ascii")).alphabet == "ucs2"
    assert encode("@[", ConnectorProfile(default_alphabet="ascii")).segments[0].octets == b"@["
    assert read_inbound(b"@\xe9", 0, 0, (), latin1).text == "@é"


def test_q38_octets_are_unpacked_unless_the_connector_says_packed() -> None:
    assert encode("hello", ConnectorProfile()).segments[0].octets == b"hello"
    packed = encode("hello", ConnectorProfile(gsm7_packed=True)).segments[0].octets
    assert gsm7.DEFAULT.decode(gsm7.unpack(packed)) == "hello"


def test_q39_an_at_is_dropped_from_addresses() -> None:
    address = source_address("info@shop")
    assert address.octets == b"infoshop"
    assert address.changes == ("'@' and NUL dropped: 0x00 ends the address",)


def test_q40_data_coding_is_mapped_out_and_in() -> None:
    profile = ConnectorProfile(data_coding_map=read_map({"gsm7": 241, "ucs2": 25, "0x10": 240}))
    assert encode("a", profile).data_coding == 241
    assert encode("Ж", profile).data_coding == 25
    assert encode("a", profile, flash=True).data_coding == 240
    assert encode("Ж", profile, flash=True).data_coding == 0x18
    assert read_inbound(b"\x00", 241, 0, (), profile).text == "@"
    inbound = read_inbound(b"\x04\x16", 25, 0, (), profile)
    assert (inbound.text, inbound.data_coding) == ("Ж", 25)
    vibes = ConnectorProfile(data_coding_map={0: 4})
    assert read_inbound(b"\x00", 4, 0, (), vibes).text == "@"


@pytest.mark.parametrize(
    ("sender", "ton", "npi"), [("123456", 3, 0), ("1234567", 1, 1), ("491511234567", 1, 1), ("SHOP24", 5, 0)]
)
def test_q41_ton_and_npi_follow_from_the_value(sender: str, ton: int, npi: int) -> None:
    assert source_address(sender) == Address(ton, npi, sender.encode())
    assert source_address(sender, ton=2, npi=9) == Address(2, 9, sender.encode())
    assert destination_address("4915112345678") == Address(1, 1, b"4915112345678")


def test_q42_addresses_are_capped_and_say_so() -> None:
    address = source_address("1" * 25)
    assert address.octets == b"1" * 20  # 21 with the closing NUL
    assert address.changes == ("cut from 25 to 20 octets",)
    assert source_address("a" * 20).changes == ()


def test_q43_a_plus_is_stripped() -> None:
    assert destination_address("+4915112345678").octets == b"4915112345678"
    assert source_address("+4915112345678").octets == b"4915112345678"


def test_q49_flash_by_data_coding_or_by_tlv() -> None:
    assert encode("a", ConnectorProfile(), flash=True).data_coding == 0x10
    assert encode("Ж", ConnectorProfile(), flash=True).data_coding == 0x18
    by_tlv = ConnectorProfile(flash_variant="dest_addr_subunit")
    result = encode("a" * 161, by_tlv, flash=True)
    assert result.data_coding == 0
    assert [segment.tlvs for segment in result.segments] == [((0x0005, b"\x01"),)] * 2
    latin1 = EncodeRequest("m1", "4915", text="é", encoding="latin1", flash=True)
    refused = encode_message(latin1, ConnectorProfile())
    assert not isinstance(refused, Encoded)
    assert (refused.reason, refused.field) == ("invalid_field", "flash")
    assert isinstance(encode_message(latin1, by_tlv), Encoded)


def test_q49_flash_where_data_coding_0_is_no_gsm7_needs_another_way_than_0x10() -> None:
    flash = EncodeRequest("m1", "4915", text="a", flash=True)
    refused = encode_message(flash, ConnectorProfile(default_alphabet="latin1"))
    assert not isinstance(refused, Encoded)
    assert (refused.reason, refused.field) == ("invalid_field", "flash")
    assert "dest_addr_subunit" in refused.detail
    mapped = ConnectorProfile(default_alphabet="latin1", data_coding_map={0x10: 0xF0})
    assert encode("a", mapped, flash=True).data_coding == 0xF0
    by_tlv = ConnectorProfile(default_alphabet="ascii", flash_variant="dest_addr_subunit")
    assert encode("a", by_tlv, flash=True).data_coding == 0
    assert encode("Ж", ConnectorProfile(default_alphabet="latin1"), flash=True).data_coding == 0x18


def test_q51_the_text_that_an_operator_put_into_the_receipt_is_kept() -> None:
    """The parsing half of Q51: comparing counts is for whoever sees submissions and receipts."""
    receipt = parse_receipt(b"id:1 sub:001 dlvrd:003 stat:DELIVRD text:Ad: hello")
    assert (receipt.sub, receipt.dlvrd, receipt.text) == (1, 3, "Ad: hello")
