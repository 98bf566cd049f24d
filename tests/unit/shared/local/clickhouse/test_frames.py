"""Unit tests of ClickHouse's block framing."""

import struct

import pytest
from clickhouse_cityhash.cityhash import CityHash128

from shared.local.clickhouse.errors import ClickHouseError
from shared.local.clickhouse.frames import FrameDecoder, frame


def test_frames_survive_any_cut() -> None:
    octets = bytes(range(256)) * 8200  # more than one frame
    framed = frame(octets)
    for size in (1_000, 4_099, len(framed)):
        decoder = FrameDecoder()
        pieces = [decoder.feed(framed[at : at + size]) for at in range(0, len(framed), size)]
        assert b"".join(pieces) == octets
        assert decoder.finished


def test_layout_is_that_of_the_server() -> None:
    framed = frame(b"a" * 100)
    checksum, method, packed_size, size = framed[:16], framed[16], *struct.unpack_from("<II", framed, 17)
    value = CityHash128(framed[16:])
    assert checksum == struct.pack("<QQ", value >> 64, value & (1 << 64) - 1)
    assert (method, packed_size, size) == (0x82, len(framed) - 16, 100)


def test_a_missing_tail_is_noticed() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(frame(b"abc")[:-1]) == b""
    assert not decoder.finished


def test_damage_is_a_checksum_error() -> None:
    framed = bytearray(frame(b"abc" * 50))
    framed[-1] ^= 1
    with pytest.raises(ClickHouseError) as caught:
        FrameDecoder().feed(bytes(framed))
    assert caught.value.code == 40


@pytest.mark.parametrize("packed_size", [0, 1 << 31])
def test_impossible_sizes_are_refused_at_once(packed_size: int) -> None:
    with pytest.raises(ClickHouseError) as caught:
        FrameDecoder().feed(bytes(16) + struct.pack("<BII", 0x82, packed_size, 5))
    assert caught.value.code == 271


@pytest.mark.parametrize("method", [0x82, 0x90, 0x55])
def test_octets_that_cannot_be_unpacked_are_refused(method: int) -> None:
    body = struct.pack("<BII", method, 9 + 3, 99) + b"\xff\xff\xff"
    value = CityHash128(body)
    checksum = struct.pack("<QQ", value >> 64, value & (1 << 64) - 1)
    with pytest.raises(ClickHouseError) as caught:
        FrameDecoder().feed(checksum + body)
    assert caught.value.code == 271
