"""Properties of the SMPP codec and of the framing of a session."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.smpp import pdu
from shared.smpp.codec import FramingLost, NeedMore, UnparsablePdu, decode_frame, decode_next, encode
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.events import Event
from shared.smpp.fields import COMMAND_SPECS, CommandSpec, FieldKind, FieldSpec
from shared.smpp.hot import decode_message_id
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.tlv import Tlv

octets = st.integers(0, 255)
c_octet_strings = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=70)
tlvs = st.lists(st.builds(Tlv, st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=4).map(tuple)
destinations = st.one_of(
    st.builds(pdu.DestinationAddress, octets, octets, c_octet_strings), st.builds(pdu.DistributionList, c_octet_strings)
)
unsuccess_smes = st.builds(pdu.UnsuccessSme, octets, octets, c_octet_strings, st.integers(0, 0xFFFFFFFF))
KINDS: dict[FieldKind, st.SearchStrategy[Any]] = {
    FieldKind.C_OCTET_STRING: c_octet_strings,
    FieldKind.INTEGER: octets,
    FieldKind.SHORT_MESSAGE: st.binary(max_size=255),
    FieldKind.DEST_ADDRESSES: st.lists(destinations, max_size=5).map(tuple),
    FieldKind.UNSUCCESS_SMES: st.lists(unsuccess_smes, max_size=5).map(tuple),
}


def values(row: FieldSpec) -> st.SearchStrategy[Any]:
    return KINDS[row.kind]


def bodies(spec: CommandSpec) -> st.SearchStrategy[pdu.Body]:
    return st.builds(spec.body_class, **{row.name: values(row) for row in spec.fields}, tlvs=tlvs)


any_body = st.sampled_from(list(COMMAND_SPECS.values())).flatmap(bodies)
any_pdu = st.builds(pdu.Pdu, st.integers(0, 0xFFFFFFFF), any_body, st.integers(0, 0xFFFFFFFF))


@given(any_pdu)
def test_decoding_undoes_encoding(value: pdu.Pdu) -> None:
    assert decode_frame(encode(value)) == value


@given(any_pdu, st.binary(max_size=40))
def test_octets_around_a_pdu_do_not_matter(value: pdu.Pdu, behind: bytes) -> None:
    frame = encode(value)
    assert decode_next(b"xyz" + frame + behind, 3) == (value, 3 + len(frame))


@given(
    st.one_of(
        st.binary(max_size=200), st.builds(lambda tail: b"\0\0\0\x40" + tail, st.binary(min_size=60, max_size=60))
    )
)
def test_any_octets_are_one_of_four_outcomes(data: bytes) -> None:
    outcome, following = decode_next(data)
    assert isinstance(outcome, NeedMore | pdu.Pdu | UnparsablePdu | FramingLost)
    assert 0 <= following <= len(data)


@given(st.sampled_from(sorted(COMMAND_SPECS)), st.binary(max_size=120))
def test_any_body_of_a_known_command_is_a_pdu_or_unparsable(command_id: int, body: bytes) -> None:
    frame = (16 + len(body)).to_bytes(4, "big") + command_id.to_bytes(4, "big") + bytes(8) + body
    outcome = decode_frame(frame)
    assert isinstance(outcome, pdu.Pdu | UnparsablePdu)
    if isinstance(outcome, pdu.Pdu):
        again = decode_frame(encode(outcome))
        assert isinstance(again, pdu.Pdu)
        assert encode(again) == encode(outcome)
    elif outcome.is_response:
        raise AssertionError("a response is always readable")


@given(st.binary(max_size=60))
def test_the_quick_reader_of_message_ids_agrees_with_the_table(body: bytes) -> None:
    frame = (16 + len(body)).to_bytes(4, "big") + pdu.SubmitSmResp.command_id.to_bytes(4, "big") + bytes(8) + body
    decoded = decode_frame(frame)
    assert isinstance(decoded, pdu.Pdu)
    assert isinstance(decoded.body, pdu.SubmitSmResp)
    assert decode_message_id(frame) == (decoded.body.message_id or None, decoded.body.tlvs)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


@settings(max_examples=60)
@given(st.lists(any_pdu, min_size=1, max_size=6), st.lists(st.integers(0, 10_000), max_size=12), st.booleans())
def test_a_session_does_not_care_how_the_stream_is_cut(pdus: list[pdu.Pdu], cuts: list[int], server: bool) -> None:
    data = b"".join(encode(one) for one in pdus)

    def run(pieces: list[bytes]) -> tuple[list[Event], bytes]:
        session = SmscSession(SmscConfig(), now=0.0) if server else EsmeSession(EsmeConfig(), now=0.0)
        if isinstance(session, EsmeSession):
            session.bind(0.0)
        events = [event for piece in pieces for event in session.receive_data(piece, 0.0)]
        return events, session.data_to_send()

    assert run(chunks(data, cuts)) == run([data])
