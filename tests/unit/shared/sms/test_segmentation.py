"""encode_message: exact boundaries, every way of sending long messages, and every refusal."""

import pytest

from shared.sms import gsm7, udh
from shared.sms.concat_ref import RecentRefs, concat_ref
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, EncodingChoice, LongMessage, NotEncodable
from shared.sms.segmentation import encode_message

PLAIN = ConnectorProfile()
REF = concat_ref("m1", 8)


def encoded(text: str, profile: ConnectorProfile = PLAIN, encoding: EncodingChoice = "auto", **more: object) -> Encoded:
    request = EncodeRequest("m1", "4915112345678", text=text, encoding=encoding, **more)  # type: ignore[arg-type] # any field
    result = encode_message(request, profile)
    assert isinstance(result, Encoded), result
    return result


def refused(request: EncodeRequest, profile: ConnectorProfile = PLAIN) -> tuple[str, str]:
    result = encode_message(request, profile)
    assert isinstance(result, NotEncodable)
    assert result.detail
    return result.reason, result.field


def lengths(result: Encoded) -> list[int]:
    return [len(segment.octets) for segment in result.segments]


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", [0]),
        ("a" * 160, [160]),
        ("a" * 161, [6 + 153, 6 + 8]),
        ("a" * 306, [159, 159]),
        ("a" * 307, [159, 159, 7]),
        ("a" * 459, [159] * 3),
        ("a" * 460, [*[159] * 3, 7]),
        ("€" * 80, [160]),
        ("€" * 81, [6 + 152, 6 + 10]),
        ("a" * 159 + "€", [6 + 153, 6 + 8]),
        ("a" * 152 + "€" + "a" * 7, [6 + 152, 6 + 9]),
        ("a" * 151 + "€" + "a" * 8, [6 + 153, 6 + 8]),
    ],
)
def test_gsm7_boundaries(text: str, octets: list[int]) -> None:
    assert lengths(encoded(text)) == octets
    assert encoded(text).alphabet == "gsm7"


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("Ж" * 70, [140]),
        ("Ж" * 71, [6 + 134, 6 + 8]),
        ("Ж" * 134, [140, 140]),
        ("Ж" * 135, [140, 140, 8]),
        ("😀" * 35, [140]),
        ("😀" * 36, [6 + 132, 6 + 12]),
        ("Ж" * 69 + "😀", [6 + 134, 6 + 8]),
    ],
)
def test_ucs2_boundaries(text: str, octets: list[int]) -> None:
    result = encoded(text)
    assert lengths(result) == octets
    assert (result.alphabet, result.data_coding) == ("ucs2", 8)


@pytest.mark.parametrize("position", range(150, 161))
def test_an_extension_character_around_the_end_of_a_segment(position: int) -> None:
    text = "a" * position + "{" + "b" * 40
    result = encoded(text)
    bodies = [segment.octets[6:] for segment in result.segments]
    assert all(len(body) <= 153 and not body.endswith(b"\x1b") for body in bodies)
    assert "".join(gsm7.DEFAULT.decode(body) for body in bodies) == text


def test_udh8_headers() -> None:
    result = encoded("a" * 400)
    assert result.esm_class == 0x40
    assert [segment.octets[:6] for segment in result.segments] == [bytes((5, 0, 3, REF, 3, n)) for n in (1, 2, 3)]
    assert [segment.index for segment in result.segments] == [1, 2, 3]
    assert result.air_segments == 3


def test_udh16_headers_and_their_room() -> None:
    profile = ConnectorProfile(long_message="udh16")
    assert lengths(encoded("a" * 305, profile)) == [7 + 152, 7 + 152, 7 + 1]
    assert lengths(encoded("Ж" * 133, profile)) == [7 + 132, 7 + 132, 7 + 2]
    ref = concat_ref("m1", 16)
    assert encoded("a" * 305, profile).segments[1].octets[:7] == bytes((6, 8, 4, ref >> 8, ref & 255, 3, 2))


def test_sar_is_cut_like_udh8() -> None:
    result = encoded("a" * 307, ConnectorProfile(long_message="sar"))
    assert (lengths(result), result.esm_class) == ([153, 153, 1], 0)
    ref = concat_ref("m1", 16).to_bytes(2, "big")
    assert [segment.tlvs for segment in result.segments] == [
        ((0x020C, ref), (0x020E, b"\x03"), (0x020F, bytes((n,)))) for n in (1, 2, 3)
    ]
    assert encoded("a" * 160, ConnectorProfile(long_message="sar")).segments[0].tlvs == ()


def test_payload_is_one_pdu_and_counts_what_is_paid_for() -> None:
    result = encoded("a" * 400, ConnectorProfile(long_message="payload"))
    (segment,) = result.segments
    assert (segment.octets, segment.tlvs) == (b"", ((0x0424, b"a" * 400),))
    assert (result.esm_class, result.air_segments) == (0, 3)
    (short,) = encoded("a" * 160, ConnectorProfile(long_message="payload")).segments
    assert (short.octets, short.tlvs) == (b"a" * 160, ())


@pytest.mark.parametrize("long_message", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize("allowed", [1, 2, 40, 255])
def test_max_segments_is_exact_and_nothing_is_cut_away(long_message: LongMessage, allowed: int) -> None:
    profile = ConnectorProfile(long_message=long_message)
    piece = 152 if long_message == "udh16" else 153
    text = "a" * (160 if allowed == 1 else piece * allowed)
    assert encoded(text, profile, max_segments=allowed).air_segments == allowed
    too_long = EncodeRequest("m1", "4915", text=text + "a", max_segments=allowed)
    assert refused(too_long, profile) == ("text_too_long", "text")


def test_255_segments_are_the_end_whatever_is_allowed() -> None:
    text = "a" * (153 * 255 + 1)
    assert refused(EncodeRequest("m1", "4915", text=text, max_segments=10_000)) == ("text_too_long", "text")
    assert refused(EncodeRequest("m1", "4915", text="a", max_segments=0)) == ("text_too_long", "text")


def test_an_absurd_text_is_refused_at_once() -> None:
    for character in ("a", "Ж", "😀", "👍🏽"):
        assert refused(EncodeRequest("m1", "4915", text=character * 65_536)) == ("text_too_long", "text")


def test_forced_encodings() -> None:
    assert encoded("abc", encoding="ucs2").segments[0].octets == b"\0a\0b\0c"
    latin1 = encoded("Été", encoding="latin1")
    assert (latin1.alphabet, latin1.data_coding, latin1.segments[0].octets) == ("latin1", 3, b"\xc9t\xe9")
    assert lengths(encoded("é" * 140, encoding="latin1")) == [140]
    assert lengths(encoded("é" * 141, encoding="latin1")) == [140, 13]
    assert refused(EncodeRequest("m1", "4915", text="aЖ", encoding="gsm7")) == ("not_encodable", "text")
    assert refused(EncodeRequest("m1", "4915", text="aЖ", encoding="latin1")) == ("not_encodable", "text")


@pytest.mark.parametrize("encoding", ["auto", "gsm7", "ucs2", "latin1"])
@pytest.mark.parametrize("transliterate", [False, True])
def test_lone_surrogates_are_an_invalid_field(encoding: EncodingChoice, transliterate: bool) -> None:
    for text in ("\ud800", "ab\udc00c", "😀\ud83d"):
        request = EncodeRequest("m1", "4915", text=text, encoding=encoding, transliterate=transliterate)
        assert refused(request, ConnectorProfile(national_tables=("turkish",))) == ("invalid_field", "text")


def test_contradictions_have_a_field() -> None:
    assert refused(EncodeRequest("m1", "4915")) == ("invalid_field", "text")
    assert refused(EncodeRequest("m1", "4915", text="a", data=b"a")) == ("invalid_field", "text")
    assert refused(EncodeRequest("m1", "4915", text="a", udh=b"\x01")) == ("invalid_field", "udh")
    assert refused(EncodeRequest("m1", "4915", text="a", data_coding=4)) == ("invalid_field", "data_coding")
    assert refused(EncodeRequest("m1", "4915", data=b"a", data_coding=256)) == ("invalid_field", "data_coding")


def test_why_names_the_character_and_its_place() -> None:
    assert encoded("abЖ").why == "U+0416 'Ж' at position 3 is not in the GSM 7-bit default alphabet"
    assert encoded("ab\t").why == "U+0009 at position 3 is not in the GSM 7-bit default alphabet"
    assert encoded("ab").why == "every character is in the GSM 7-bit default alphabet or its extension"
    assert encoded("ab", encoding="ucs2").why == "the request asks for it"


def test_the_same_request_gives_the_same_octets() -> None:
    assert encoded("Ж" * 200) == encoded("Ж" * 200)


def test_with_refs_long_messages_to_one_number_differ() -> None:
    refs = RecentRefs()
    used = set()
    for number in range(17):
        result = encode_message(EncodeRequest(f"m{number}", "4915", text="a" * 161), PLAIN, refs)
        assert isinstance(result, Encoded)
        used.add(result.segments[0].octets[3])
    assert len(used) == 17


# National language tables


TURKISH = ConnectorProfile(national_tables=("turkish",))


def test_a_national_table_is_taken_when_it_makes_fewer_segments() -> None:
    text = "Şişli'de görüşürüz, ağaçların altında. " * 3  # 117 characters
    assert encoded(text).air_segments == 2
    result = encoded(text, TURKISH)
    assert (result.alphabet, result.air_segments, result.data_coding, result.esm_class) == ("gsm7", 1, 0, 0x40)
    head = udh.parse(result.segments[0].octets)
    assert head.single_shift == 1 or head.locking_shift == 1
    body = result.segments[0].octets[head.length :]
    assert gsm7.alphabet(head.locking_shift, head.single_shift).decode(body) == text
    assert result.why.startswith("national language table: turkish")


def test_a_national_table_is_not_taken_where_it_saves_nothing() -> None:
    assert encoded("ğ" * 70, TURKISH).alphabet == "ucs2"
    assert encoded("a" * 161, TURKISH).esm_class == 0x40
    assert udh.parse(encoded("a" * 161, TURKISH).segments[0].octets).locking_shift == 0


@pytest.mark.parametrize(("count", "segments"), [(155, 1), (156, 2), (298, 2), (299, 3)])
def test_the_cost_of_a_national_element_is_counted(count: int, segments: int) -> None:
    """4 octets of header alone, 9 with a concatenation: 155 and 149 septets (TS 23.040, 9.2.3.24)."""
    result = encoded("ğ" + "a" * (count - 2), TURKISH)  # with the single shift table ğ costs two septets
    if "single" not in result.why:
        result = encoded("ğ" + "a" * (count - 1), TURKISH)
    assert result.air_segments == segments


def test_with_gsm7_asked_for_a_national_table_may_be_the_only_way() -> None:
    result = encoded("ağaç", TURKISH, encoding="gsm7")
    assert result.alphabet == "gsm7"
    assert result.why.endswith("the default alphabet does not hold the text")


@pytest.mark.parametrize("long_message", ["sar", "payload"])
def test_beside_a_national_table_concatenation_is_in_the_header(long_message: LongMessage) -> None:
    profile = ConnectorProfile(long_message=long_message, national_tables=("turkish",))
    result = encoded("ağaç " * 60, profile)
    assert result.alphabet == "gsm7"
    for segment in result.segments:
        head = udh.parse(segment.octets)
        assert head.concatenation is not None
        assert segment.tlvs == ()


# Packed


PACKED = ConnectorProfile(gsm7_packed=True)


def test_packed_single_and_long() -> None:
    assert encoded("hellohello", PACKED).segments[0].octets.hex() == "e8329bfd4697d9ec37"
    assert lengths(encoded("a" * 160, PACKED)) == [140]
    result = encoded("a" * 161, PACKED)
    assert lengths(result) == [140, 6 + 8]  # 1 fill bit and 8 septets are 57 bits, with a padding carriage return 64
    for segment, text in zip(result.segments, ("a" * 153, "a" * 8), strict=True):
        assert gsm7.DEFAULT.decode(gsm7.unpack(segment.octets[6:], 1)) == text


def test_packing_needs_gsm7_octets() -> None:
    profile = ConnectorProfile(gsm7_packed=True, default_alphabet="latin1")
    assert encoded("hello", profile).segments[0].octets == b"hello"


# Transliteration


def test_transliteration_is_used_when_it_saves_segments() -> None:
    text = "“" + "a" * 100 + "”"
    assert encoded(text).air_segments == 2
    result = encoded(text, transliterate=True)
    assert (result.alphabet, result.air_segments) == ("gsm7", 1)
    assert result.segments[0].octets == b'"' + b"a" * 100 + b'"'
    assert [(change.position, change.replacement) for change in result.changes] == [(0, '"'), (101, '"')]
    assert result.why == "transliteration replaced 2 character(s): 1 segment(s) instead of 2 in ucs2"


def test_transliteration_leaves_alone_what_it_does_not_make_cheaper() -> None:
    assert encoded("“a”", transliterate=True).alphabet == "ucs2"
    assert encoded("日本語" * 30 + "“", transliterate=True).changes == ()
    two_either_way = encoded("“" + "{" * 100, transliterate=True)
    assert (two_either_way.alphabet, two_either_way.air_segments) == ("ucs2", 2)


def test_transliteration_may_be_what_makes_a_forced_encoding_possible() -> None:
    assert encoded("“a”", encoding="gsm7", transliterate=True).segments[0].octets == b'"a"'
    assert encoded("“é”", encoding="latin1", transliterate=True).segments[0].octets == b'"\xe9"'
    assert refused(EncodeRequest("m1", "4", text="“日”", encoding="gsm7", transliterate=True)) == (
        "not_encodable",
        "text",
    )


def test_look_alikes_only_when_asked() -> None:
    text = "СОС" * 30
    assert encoded(text, transliterate=True).alphabet == "ucs2"
    assert encoded(text, transliterate=True, lookalikes=True).segments[0].octets == b"COC" * 30


HINDI = ConnectorProfile(national_tables=("hindi",))
HINDI_TEXT = "“नमस्ते, आपका ऑर्डर तैयार है” " * 6


def test_with_a_national_table_only_what_it_does_not_hold_is_replaced() -> None:
    assert encoded(HINDI_TEXT, HINDI).alphabet == "ucs2"
    result = encoded(HINDI_TEXT, HINDI, transliterate=True)
    assert (result.alphabet, result.air_segments) == ("gsm7", 2)
    assert {change.original for change in result.changes} == {"“", "”"}
    words = "transliteration replaced 12 character(s), national language table: hindi"
    assert result.why.startswith(words)
    assert result.why.endswith("2 segment(s) instead of 3 in ucs2")


def test_of_equally_short_ways_the_one_that_changes_less_is_taken() -> None:
    text = "“Şişli'de görüşürüz, ağaçların altında.” " * 2
    result = encoded(text, TURKISH, transliterate=True)
    assert result.air_segments == encoded(text, PLAIN, transliterate=True).air_segments == 1
    assert {change.original for change in result.changes} == {"“", "”"}


def test_a_national_table_that_takes_more_segments_is_not_worth_the_fewer_changes() -> None:
    text = "ş" + "a" * 157  # no room for a header, but for 158 septets without one
    assert encoded(text, TURKISH).air_segments == 2
    result = encoded(text, TURKISH, transliterate=True)
    assert (result.air_segments, len(result.changes), result.esm_class) == (1, 1, 0)


def test_an_extension_character_may_be_cheaper_in_a_locking_table() -> None:
    text = "€" * 100
    assert encoded(text, TURKISH).air_segments == 1
    assert encoded(text).air_segments == 2


def test_payload_is_counted_as_it_will_be_cut_by_who_knows_no_clusters() -> None:
    text = "Ж" * 66 + "e\u0301" + "Ж" * 66
    assert encoded(text).air_segments == 3
    result = encoded(text, ConnectorProfile(long_message="payload"))
    assert (len(result.segments), result.air_segments) == (1, 2)
