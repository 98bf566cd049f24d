"""Pure: who is bound is read from the wire, in whatever pieces it comes; and how many at once is counted."""

import math
from struct import pack

import pytest

from tests.chaos.smpp_binds import BindChange, BindWatch, Excess, excesses


def pdu(command: int, status: int, body: bytes = b"") -> bytes:
    return pack("!4I", 16 + len(body), command, status, 1) + body


BIND = pdu(0x09, 0, b"quick\0secret\0\0\x34\0\0\0")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("status", "bound"), [(0, True), (0x0D, False)])
def test_a_bind_and_its_answer_in_pieces(size: int, status: int, bound: bool) -> None:
    watch = BindWatch()
    answer = pdu(0x8000_0009, status, b"smsc\0")
    for start in range(0, len(BIND), size):
        watch.from_client(BIND[start : start + size])
    told = [watch.from_smsc(answer[start : start + size]) for start in range(0, len(answer), size)]
    assert (watch.system_id, watch.bound, any(told)) == ("quick", bound, bound)


def test_what_is_no_bind_is_none() -> None:
    watch = BindWatch()
    watch.from_client(pdu(0x15, 0))
    assert not watch.from_smsc(pdu(0x8000_0015, 0))
    assert watch.system_id == ""
    watch.from_client(b"GET / HTTP/1.1\r\n\r\n" * 3)
    assert not watch.bound


def test_more_than_are_allowed_from_when_to_when() -> None:
    changes = [
        BindChange(1.0, "quick", +1),
        BindChange(2.0, "quick", +1),
        BindChange(3.0, "picky", +1),
        BindChange(4.0, "quick", +1),
        BindChange(6.0, "quick", -1),
        BindChange(7.0, "picky", +1),
    ]
    allowed = {"quick": 2, "picky": 1}
    assert excesses(changes, allowed) == [Excess("quick", 4.0, 6.0, 3), Excess("picky", 7.0, math.inf, 2)]
    assert excesses(changes, {"quick": 3, "picky": 2}) == []
