"""Properties of encode_message as a whole: what any request for any connector may and may not become."""

from hypothesis import given
from hypothesis import strategies as st

from shared.sms import gsm7, tlv_tags, udh
from shared.sms.inbound import read_inbound, text_of
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, NotEncodable
from shared.sms.national_tables import LANGUAGES
from shared.sms.preview import preview
from shared.sms.segmentation import encode_message

GSM7 = sorted(gsm7.DEFAULT.characters)
TURKISH = sorted(gsm7.alphabet(1, 1).characters)

texts = st.one_of(
    st.text(st.sampled_from(GSM7), max_size=500),
    st.text(st.sampled_from(TURKISH), max_size=300),
    st.lists(st.sampled_from(["Ж", "日", "😀", "👍🏽", "🇩🇪", "e\u0301", "“", "a", "{", " "]), max_size=200).map(
        "".join
    ),
    st.text(st.characters(), max_size=100),
    st.builds(lambda text, times: text * times, st.text(st.characters(), min_size=1, max_size=30), st.integers(1, 40)),
)
profiles = st.builds(
    ConnectorProfile,
    long_message=st.sampled_from(["udh8", "udh16", "sar", "payload"]),
    default_alphabet=st.sampled_from(["gsm7", "gsm7", "latin1", "ascii"]),
    gsm7_packed=st.booleans(),
    national_tables=st.lists(st.sampled_from([*LANGUAGES, "elvish"]), max_size=2, unique=True).map(tuple),
    data_coding_map=st.just({}),
    flash_variant=st.sampled_from(["data_coding", "dest_addr_subunit"]),
)
text_requests = st.builds(
    EncodeRequest,
    message_id=st.text(max_size=10),
    to=st.just("4915112345678"),
    text=texts,
    data=st.none(),
    udh=st.just(b""),
    data_coding=st.none(),
    encoding=st.sampled_from(["auto", "auto", "gsm7", "ucs2", "latin1"]),
    transliterate=st.booleans(),
    lookalikes=st.booleans(),
    flash=st.booleans(),
    max_segments=st.sampled_from([1, 3, 40, 255]),
)
headers = st.one_of(
    st.just(b""),
    st.binary(max_size=20),
    st.lists(st.tuples(st.sampled_from([0, 1, 4, 5, 8, 10, 0x22, 0x70]), st.binary(max_size=8)), max_size=3).map(
        lambda elements: udh.header(*(bytes((tag, len(octets))) + octets for tag, octets in elements))
    ),
)
data_requests = st.builds(
    EncodeRequest,
    message_id=st.text(max_size=10),
    to=st.just("4915112345678"),
    text=st.none(),
    data=st.binary(max_size=600),
    udh=headers,
    data_coding=st.one_of(st.none(), st.integers(-1, 256)),
    flash=st.booleans(),
    max_segments=st.sampled_from([1, 3, 40]),
)


def received(result: Encoded, profile: ConnectorProfile) -> tuple[list[bytes], list[udh.UserDataHeader], str | None]:
    """What a receiver makes of the segments: user data, headers, and the text where it is text."""
    parts, heads = [], []
    for segment in result.segments:
        parts.append(read_inbound(segment.octets, result.data_coding, result.esm_class, segment.tlvs, profile))
        heads.append(udh.parse(segment.octets) if result.esm_class else udh.UserDataHeader(0))
    return [part.user_data for part in parts], heads, text_of(parts)


def expected_text(request: EncodeRequest, result: Encoded) -> str:
    text = request.text or ""
    pieces, position = [], 0
    for change in result.changes:
        assert text[change.position :].startswith(change.original)
        pieces += [text[position : change.position], change.replacement]
        position = change.position + len(change.original)
    return "".join(pieces) + text[position:]


@given(text_requests, profiles)
def test_any_text_is_sent_whole_or_refused_with_a_reason(request: EncodeRequest, profile: ConnectorProfile) -> None:
    result = encode_message(request, profile)
    assert result == encode_message(request, profile)
    if isinstance(result, NotEncodable):
        assert result.reason in ("text_too_long", "not_encodable", "invalid_field")
        assert result.field in ("text", "flash")
        return
    assert 1 <= result.air_segments <= request.max_segments
    assert [segment.index for segment in result.segments] == list(range(1, len(result.segments) + 1))
    bodies, heads, text = received(result, profile)
    packed_end = {"\r"} if profile.gsm7_packed and result.alphabet == "gsm7" else set()
    assert text == expected_text(request, result) or (packed_end and text == expected_text(request, result) + "\r")
    for segment, body, head in zip(result.segments, bodies, heads, strict=True):
        if not any(tag == tlv_tags.MESSAGE_PAYLOAD for tag, _ in segment.tlvs):
            assert_fits(result, profile, segment.octets, body, head)


def assert_fits(
    result: Encoded, profile: ConnectorProfile, octets: bytes, body: bytes, head: udh.UserDataHeader
) -> None:
    if result.alphabet != "gsm7":
        assert len(octets) <= 140
        return
    septets = len(body)
    if profile.default_alphabet != "gsm7":
        septets = len(gsm7.DEFAULT.encode(body.decode("latin-1")) or b"")
    elif profile.gsm7_packed:
        assert len(octets) <= 140
    else:
        assert not body.endswith(b"\x1b")
    assert 8 * head.length + gsm7.fill_bits_after(head.length) + 7 * septets <= 8 * 140 + (
        7 if profile.gsm7_packed else 0
    )


@given(text_requests, profiles)
def test_segments_of_one_message_belong_together(request: EncodeRequest, profile: ConnectorProfile) -> None:
    result = encode_message(request, profile)
    if isinstance(result, NotEncodable) or len(result.segments) == 1:
        return
    found = []
    for segment in result.segments:
        inbound = read_inbound(segment.octets, result.data_coding, result.esm_class, segment.tlvs, profile)
        assert inbound.concatenation is not None
        assert inbound.oddities == ()
        found.append((inbound.concatenation.ref, inbound.concatenation.total, inbound.concatenation.index))
    ref, total, _ = found[0]
    assert found == [(ref, total, index) for index in range(1, total + 1)]
    assert total == len(result.segments)


@given(data_requests, profiles)
def test_any_data_is_sent_whole_or_refused_with_a_reason(request: EncodeRequest, profile: ConnectorProfile) -> None:
    result = encode_message(request, profile)
    if isinstance(result, NotEncodable):
        assert result.field in ("data", "udh", "data_coding", "flash", "text")
        return
    joined = b"".join(
        dict(segment.tlvs).get(tlv_tags.MESSAGE_PAYLOAD, segment.octets[udh.parse(segment.octets).length :])
        if result.esm_class
        else dict(segment.tlvs).get(tlv_tags.MESSAGE_PAYLOAD, segment.octets)
        for segment in result.segments
    )
    assert joined == request.data
    assert all(len(segment.octets) <= 140 for segment in result.segments)


@given(text_requests, profiles)
def test_national_tables_and_transliteration_never_cost_segments(
    request: EncodeRequest, profile: ConnectorProfile
) -> None:
    plain = encode_message(
        EncodeRequest(request.message_id, request.to, text=request.text, max_segments=255),
        ConnectorProfile(long_message=profile.long_message, default_alphabet=profile.default_alphabet),
    )
    rich = encode_message(
        EncodeRequest(request.message_id, request.to, text=request.text, max_segments=255, transliterate=True), profile
    )
    if isinstance(plain, Encoded) and not (profile.gsm7_packed and set(request.text or "") & set("\r\f^{}\\[~]|€")):
        assert isinstance(rich, Encoded)
        assert rich.air_segments <= plain.air_segments


@given(st.one_of(text_requests, data_requests), profiles)
def test_a_preview_agrees_with_what_is_sent(request: EncodeRequest, profile: ConnectorProfile) -> None:
    seen = preview(request, profile)
    result = encode_message(request, profile)
    if isinstance(result, NotEncodable):
        assert seen.refused == result
    else:
        assert (seen.segments, seen.submissions) == (result.air_segments, result.segments)
        assert seen.units_left >= 0
        assert bool(seen.forcing) == (result.alphabet == "ucs2" and request.encoding == "auto")
    for forcing in seen.forcing:
        assert request.text is not None
        assert request.text.index(forcing.character) == forcing.position
        assert request.text.count(forcing.character) == forcing.times
