"""Where septets and octets are cut, and how much room is left."""

import pytest

from shared.sms.cutting import cut_octets, cut_septets, septets_behind
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
    assert [len(piece) for piece in cut_septets(b"a" * 152 + b"\r" + b"b" * 60, 160, 153, packed=True)] == [152, 61]
    assert [len(piece) for piece in cut_septets(b"a" * 159 + b"\r", 160, 153, packed=False)] == [160]


def test_octets() -> None:
    assert cut_octets(b"", 140, 134) == [b""]
    assert [len(piece) for piece in cut_octets(bytes(141), 140, 134)] == [134, 7]
