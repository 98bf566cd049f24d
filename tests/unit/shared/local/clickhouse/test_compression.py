"""Unit tests of content encodings."""

import zlib

import pytest

from shared.local.clickhouse.compression import StreamDecoder, choose_encoding, pack
from shared.local.clickhouse.errors import ClickHouseError

OCTETS = b"some text, " * 1000


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
def test_streams_one_after_the_other_are_one_body_however_cut(encoding: str) -> None:
    body = pack(encoding, OCTETS) + pack(encoding, OCTETS)
    for size in (1, 7, len(body)):
        decoder = StreamDecoder(encoding)
        assert b"".join(decoder.feed(body[at : at + size]) for at in range(0, len(body), size)) == OCTETS * 2
        assert decoder.finished


def test_deflate_is_zlib() -> None:
    assert StreamDecoder("deflate").feed(zlib.compress(OCTETS)) == OCTETS


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
def test_a_missing_tail_is_noticed(encoding: str) -> None:
    decoder = StreamDecoder(encoding)
    decoder.feed(pack(encoding, OCTETS)[:-5])
    assert not decoder.finished


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4", "deflate"])
def test_damage_is_an_error(encoding: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        StreamDecoder(encoding).feed(b"this is not packed at all")
    assert caught.value.code == 271


def test_unknown_encodings_are_named() -> None:
    with pytest.raises(ClickHouseError, match="'br'; supported: gzip"):
        StreamDecoder("br")


def test_choice_of_the_answers_encoding() -> None:
    assert choose_encoding("gzip, deflate, LZ4") == "lz4"
    assert choose_encoding("br") == ""
    assert pack("", OCTETS) == OCTETS
