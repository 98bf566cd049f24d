"""Binary messages, and what becomes of their own header."""

import pytest

from shared.sms import udh
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, LongMessage, NotEncodable
from shared.sms.segmentation import encode_message

PORTS = udh.application_ports(2948, 9200)
WAP = udh.header(PORTS)


def encoded(data: bytes, header: bytes = b"", profile: ConnectorProfile | None = None, **more: object) -> Encoded:
    request = EncodeRequest("m1", "4915", data=data, udh=header, **more)  # type: ignore[arg-type] # any field
    result = encode_message(request, profile or ConnectorProfile())
    assert isinstance(result, Encoded), result
    return result


def refusal(data: bytes, header: bytes) -> str:
    result = encode_message(EncodeRequest("m1", "4915", data=data, udh=header), ConnectorProfile())
    assert isinstance(result, NotEncodable)
    assert (result.reason, result.field) == ("invalid_field", "udh")
    return result.detail


def test_what_fits_is_sent_as_it_is() -> None:
    result = encoded(bytes(range(133)), WAP)
    assert result.segments[0].octets == WAP + bytes(range(133))
    assert (result.alphabet, result.data_coding, result.esm_class) == ("binary", 4, 0x40)
    assert encoded(bytes(140)).esm_class == 0
    assert encoded(b"", WAP).segments[0].octets == WAP
    assert encoded(b"\0\0", data_coding=245).data_coding == 245
    assert encoded(b"", data_coding=0).data_coding == 0


def test_a_concatenation_of_the_senders_own_goes_through_in_one_segment() -> None:
    header = udh.header(udh.concatenation_8bit(7, 3, 2))
    assert encoded(b"x" * 134, header).segments[0].octets == header + b"x" * 134
    assert "it holds a concatenation" in refusal(b"x" * 135, header)


def test_ports_stand_in_every_segment() -> None:
    data = bytes(range(256)) * 2
    result = encoded(data, WAP)
    heads = [udh.parse(segment.octets) for segment in result.segments]
    assert all(head.ports == udh.Ports(2948, 9200) for head in heads)
    assert [head.concatenation and head.concatenation.index for head in heads] == [1, 2, 3, 4]
    assert all(len(segment.octets) <= 140 for segment in result.segments)
    joined = b"".join(segment.octets[head.length :] for segment, head in zip(result.segments, heads, strict=True))
    assert joined == data


def test_toolkit_security_stands_in_the_first_segment_only() -> None:
    result = encoded(bytes(300), udh.header(b"\x70\x00"))
    elements = [[e.identifier for e in udh.parse(s.octets).elements] for s in result.segments]
    assert elements == [[0, 0x70], [0], [0]]
    assert [len(segment.octets) for segment in result.segments] == [140, 140, 6 + 300 - 132 - 134]


def test_an_element_about_a_place_in_its_segment_is_refused() -> None:
    ems = udh.header(bytes((0x0A, 3, 0, 4, 1)))
    assert encoded(bytes(134), ems).air_segments == 1
    assert "0x0A has no meaning in several segments" in refusal(bytes(200), ems)


@pytest.mark.parametrize(
    ("header", "words"),
    [("05", "longer than the user data"), ("02", "longer"), ("0100", "longer than the header"), ("000001", "says 0")],
)
def test_a_header_that_is_none_is_refused(header: str, words: str) -> None:
    assert words in refusal(b"x", bytes.fromhex(header))


def test_a_header_without_room_for_data_is_refused() -> None:
    element = bytes((0x22, 133)) + bytes(133)
    assert "no room" in refusal(b"x" * 20, udh.header(element))
    assert "no room" in refusal(b"", udh.header(bytes((0x22, 200)) + bytes(200)))


@pytest.mark.parametrize("long_message", ["udh8", "udh16", "sar", "payload"])
def test_long_data_in_every_way(long_message: LongMessage) -> None:
    data = bytes(range(200)) * 2
    result = encoded(data, profile=ConnectorProfile(long_message=long_message))
    taken = {"udh8": 6, "udh16": 7}.get(long_message, 0)
    if long_message == "payload":
        assert result.segments[0].tlvs == ((0x0424, data),)
    else:
        assert b"".join(segment.octets[taken:] for segment in result.segments) == data


def test_data_in_ucs2_is_cut_between_code_units() -> None:
    result = encoded("Ж".encode("utf-16-be") * 100, data_coding=8, profile=ConnectorProfile(long_message="udh16"))
    assert [len(segment.octets) for segment in result.segments] == [7 + 132, 7 + 68]


def test_data_in_ucs2_is_cut_between_characters() -> None:
    smile = "😀".encode("utf-16-be")
    for before in (65, 66, 67):
        data = "Ж".encode("utf-16-be") * before + smile * 20
        pieces = [segment.octets[6:] for segment in encoded(data, data_coding=8).segments]
        assert b"".join(pieces) == data
        assert all(piece.decode("utf-16-be") for piece in pieces)  # strict
    odd = bytes(281)
    assert [len(segment.octets) - 6 for segment in encoded(odd, data_coding=0x18).segments] == [134, 134, 13]


def test_unpacked_septets_have_the_room_of_septets() -> None:
    assert [len(s.octets) for s in encoded(b"a" * 160, data_coding=0).segments] == [160]
    assert [len(s.octets) - 6 for s in encoded(b"a" * 161, data_coding=0).segments] == [153, 8]
    assert [len(s.octets) for s in encoded(b"a" * 152, WAP, data_coding=0).segments] == [159]
    assert [len(s.octets) for s in encoded(b"a" * 153, WAP, data_coding=0).segments] == [12 + 146, 12 + 7]
    assert [len(s.octets) for s in encoded(b"a" * 161, udh.header(b"\x70\x00"), data_coding=0).segments] == [158, 17]


@pytest.mark.parametrize("header", [b"", udh.header(b"\x70\x00")])
def test_septets_are_not_cut_within_an_escaped_character(header: bytes) -> None:
    for before in range(148, 156):
        data = b"a" * before + b"\x1b\x65" + b"b" * 200
        pieces = [s.octets[udh.parse(s.octets).length :] for s in encoded(data, header, data_coding=0xF1).segments]
        assert b"".join(pieces) == data
        assert not any(piece.endswith(b"\x1b") for piece in pieces)


@pytest.mark.parametrize(
    ("data", "profile"),
    [
        (b"a" * 141, ConnectorProfile(gsm7_packed=True)),
        (b"a" * 141, ConnectorProfile(default_alphabet="latin1")),
        (b"\xe9" * 141, ConnectorProfile()),
    ],
)
def test_what_cannot_be_one_septet_an_octet_is_octets(data: bytes, profile: ConnectorProfile) -> None:
    assert [len(s.octets) - 6 for s in encoded(data, profile=profile, data_coding=0).segments] == [134, 7]


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("05030b8423", "element 0x05 has 3 octets, not 4"),
        ("0403010203", "element 0x04 has 3 octets, not 2"),
        ("00020301", "element 0x00 has 2 octets, not 3"),
        ("0003070000", "element 0x00 says segment 0 of 0"),
        ("0003070203", "element 0x00 says segment 3 of 2"),
        ("080400070201", ""),
        ("080400070200", "element 0x08 says segment 0 of 2"),
        ("240106", ""),
        ("24020606", "element 0x24 has 2 octets, not 1"),
        ("0a03000401", ""),
        ("7000", ""),
    ],
)
def test_elements_that_a_receiver_would_not_understand_are_refused(element: str, words: str) -> None:
    header = udh.header(bytes.fromhex(element))
    if words:
        assert refusal(b"x", header) == f"udh: {words}"
    else:
        assert encoded(b"x", header).segments[0].octets == header + b"x"


def test_too_much_data_names_its_field() -> None:
    result = encode_message(EncodeRequest("m1", "4915", data=bytes(135), max_segments=1), ConnectorProfile())
    assert isinstance(result, Encoded)
    result = encode_message(EncodeRequest("m1", "4915", data=bytes(141), max_segments=1), ConnectorProfile())
    assert isinstance(result, NotEncodable)
    assert (result.reason, result.field) == ("text_too_long", "data")
