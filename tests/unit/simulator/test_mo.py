"""Messages from handsets, as the gateway reads them."""

from services.simulator.mo import octets_message, text_message
from shared.smpp.pdu import DeliverSm
from shared.sms.inbound import read_inbound
from shared.sms.message import ConnectorProfile


def one(bodies: list[DeliverSm] | str) -> DeliverSm:
    assert isinstance(bodies, list)
    (body,) = bodies
    return body


def texts(bodies: list[DeliverSm] | str) -> list[str | None]:
    assert isinstance(bodies, list)
    profile = ConnectorProfile()
    return [read_inbound(mo.short_message, mo.data_coding, mo.esm_class, (), profile).text for mo in bodies]


def test_text_goes_in_the_best_alphabet_and_as_many_segments_as_it_takes() -> None:
    body = one(text_message("+447700900123", "12345", "Stop €", 1))
    assert (body.source_addr_ton, body.source_addr_npi, body.source_addr) == (1, 1, "447700900123")
    assert (body.dest_addr_ton, body.destination_addr, body.data_coding) == (3, "12345", 0)
    assert texts([body]) == ["Stop €"]
    text = "заказ " * 30
    parts = text_message("447700900123", "12345", text, 2)
    assert "".join(part or "" for part in texts(parts)) == text
    assert all(isinstance(mo, DeliverSm) and mo.esm_class == 0x40 for mo in parts)


def test_two_long_messages_in_a_row_have_different_references() -> None:
    references = set()
    for number in range(1, 11):
        bodies = text_message("447700900123", "12345", "x" * 200, number)
        assert isinstance(bodies, list)
        references.add(bodies[0].short_message[3])
    assert len(references) > 5


def test_octets_go_as_they_are() -> None:
    body = one(octets_message("1", "2", b"\x00\xff", 4, 0x40))
    assert (body.short_message, body.data_coding, body.esm_class) == (b"\x00\xff", 4, 0x40)
    assert octets_message("1", "2", bytes(255), 4) == "octets: 255 are too many, at most 254"
