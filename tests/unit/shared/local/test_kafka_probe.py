"""The one question put to a broker, and what is made of the answer."""

import socket
import struct
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.local.kafka_probe import BrokerAnswer, metadata_request, parse_metadata_response, probe
from shared.local.ports import LOOPBACK


def answer(brokers: int, cluster_id: bytes | None) -> bytes:
    frame = struct.pack(">iii", 0x534D53, 0, brokers)
    for node in range(brokers):
        frame += struct.pack(">ih", node, 4) + b"host" + struct.pack(">ih", 9092, -1)
    return frame + (struct.pack(">h", -1) if cluster_id is None else struct.pack(">h", len(cluster_id)) + cluster_id)


def test_request_has_its_length_in_front() -> None:
    request = metadata_request()
    assert struct.unpack_from(">ihh", request) == (len(request) - 4, 3, 4)


@pytest.mark.parametrize(("brokers", "cluster_id"), [(1, "abc"), (0, "abc"), (3, None)])
def test_answer_is_read(brokers: int, cluster_id: str | None) -> None:
    frame = answer(brokers, cluster_id.encode() if cluster_id else None) + b"topics follow"
    assert parse_metadata_response(frame) == BrokerAnswer(cluster_id, brokers)


def test_a_cut_answer_is_an_error_at_every_length() -> None:
    frame = answer(2, b"cluster")
    for length in range(len(frame)):
        with pytest.raises(ValueError, match="answer"):
            parse_metadata_response(frame[:length])


@given(st.binary(max_size=200))
def test_any_octets_are_an_answer_or_an_error(frame: bytes) -> None:
    try:
        parse_metadata_response(frame)
    except ValueError as error:
        assert type(error) is ValueError


def probe_a_server(serve: Callable[[socket.socket], None]) -> BrokerAnswer | None:
    """What `probe` says about a server that treats its one connection with `serve`."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def accept() -> None:
            link, _ = server.accept()
            with link:
                serve(link)

        thread = threading.Thread(target=accept)
        thread.start()
        result = probe(LOOPBACK, server.getsockname()[1], timeout_s=5)
        thread.join()
    return result


def test_probe_puts_an_answer_in_pieces_together() -> None:
    def serve(link: socket.socket) -> None:
        link.recv(1000)
        frame = answer(1, b"cluster")
        for octet in struct.pack(">i", len(frame)) + frame:
            link.sendall(bytes([octet]))

    assert probe_a_server(serve) == BrokerAnswer("cluster", 1)


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x04abcd"])
def test_probe_of_another_server_is_no_answer(garbage: bytes) -> None:
    def serve(link: socket.socket) -> None:
        link.recv(1000)
        link.sendall(garbage)

    assert probe_a_server(serve) is None
