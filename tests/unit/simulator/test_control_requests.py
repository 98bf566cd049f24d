"""What may be asked of the control endpoint."""

import pytest

from services.simulator.control_requests import Disconnect, SendMo, read_request


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b'{"system_id": "a", "from": "1", "to": "2"}', "exactly one of text and octets must be given"),
        (b'{"system_id": "a", "from": "1", "to": "2", "text": "x", "octets": "00"}', "exactly one of text and octets"),
        (b'{"system_id": "a", "from": "1", "to": "2", "text": "x", "data_coding": 8}', "text chooses its own"),
        (b'{"system_id": "a", "from": "1", "to": "", "text": "x"}', "to: must be 1 to 20 characters"),
        (b'{"system_id": "a", "from": "1", "to": "2", "text": "x", "txt": "y"}', "txt: Extra inputs"),
    ],
)
def test_a_wrong_request_is_told_by_key(body: bytes, problem: str) -> None:
    found = read_request(SendMo, body)
    assert isinstance(found, str)
    assert problem in found


def test_right_requests() -> None:
    wanted = read_request(SendMo, b'{"system_id": "a", "from": 447700900123, "to": 12345, "octets": "0x"}')
    assert isinstance(wanted, SendMo)
    assert wanted.bodies(1) == "octets: must be hexadecimal"
    assert read_request(Disconnect, b'{"system_id": "a"}') == Disconnect(system_id="a")
