"""Where septets and octets are cut, and how much room is left."""

import pytest

from shared.sms.cutting import cut_octets, cut_septets, septets_behind
from shared.sms.gsm7 import fill_bits_after, pack
from shared.sms.message import LongMessage
from shared.sms.room import room


@pytest.mark.parametrize(
    ("header", "septets"), [(0, 160), (4, 155), (6, 153), (7, 152), (9, 149), (12, 146), (13, 145)]
)
def test_septets_behind_a_header(header: int, septets: int) -> None:
    assert septets_behind(header) == septets


@pytest.mark.parametrize(
    ("long_message", "octets", "septets"),
    [("udh8", 134, 153), ("udh16", 133, 152), ("sar", 134, 153), ("payload", 134, 153)],
)
def test_room_of_a_segment(long_message: LongMessage, octets: int, septets: int) -> None:
    space = room(long_message, 0)
    assert (space.single_octets, space.single_septets) == (140, 160)
    assert (space.piece_octets, space.piece_septets) == (octets, septets)


def test_an_escape_never_ends_a_piece() -> None:
    septets = b"a" * 152 + b"\x1b\x65" + b"b" * 20
    assert cut_septets(septets, 160, 153, packed=False) == [b"a" * 152, b"\x1b\x65" + b"b" * 20]
    assert cut_septets(b"\x1b\x65" * 80, 160, 153, packed=False) == [b"\x1b\x65" * 80]
    assert [len(piece) for piece in cut_septets(b"\x1b\x65" * 81, 160, 153, packed=False)] == [152, 10]


def test_a_full_packed_piece_does_not_end_in_a_carriage_return() -> None:
    assert [len(piece) for piece in cut_septets(b"a" * 159 + b"\r", 160, 153, packed=True)] == [153, 7]
    assert [len(piece) for piece in cut_septets(b"a" * 152 + b"\r" + b"b" * 60, 160, 153, packed=True)] == [151, 62]
    assert [len(piece) for piece in cut_septets(b"a" * 159 + b"\r", 160, 153, packed=False)] == [160]


@pytest.mark.parametrize("tail", [b"\x1b\x65", b"\r", b"\x65\x1b\x65", b"\x1b\x65\x1b\x65", b"\x1b\x65\r"])
@pytest.mark.parametrize(("header", "piece_max"), [(6, 153), (7, 152), (9, 149), (12, 146)])
def test_a_packed_piece_before_the_last_is_read_as_it_was_written(header: int, piece_max: int, tail: bytes) -> None:
    """Whoever reads octets without a count of septets finds neither an '@' nor a carriage return between segments."""
    fill_bits = fill_bits_after(header)
    for before in range(piece_max - 4, piece_max + 1):
        septets = b"a" * before + tail + b"b" * 40
        pieces = cut_septets(septets, 160, piece_max, packed=True)
        for piece in pieces[:-1]:
            octets = pack(piece, fill_bits)
            count = (8 * len(octets) - fill_bits) // 7
            value = int.from_bytes(octets, "little") >> fill_bits
            assert bytes(value >> (7 * index) & 0x7F for index in range(count)) == piece


def test_octets() -> None:
    assert cut_octets(b"", 140, 134) == [b""]
    assert [len(piece) for piece in cut_octets(bytes(141), 140, 134)] == [134, 7]
