"""Byte equality with implementations nobody here wrote, where they are right."""

from datetime import timedelta

import aiosmpplib
import pytest
import smpplib.smpp
from aiosmpplib.state import NPI, TON

from shared.smpp import pdu
from shared.smpp.codec import encode_body
from shared.smpp.errors import UnencodablePdu
from shared.smpp.hot import decode_message_id, encode_deliver_sm_resp, encode_submit_sm_resp

TEXT = "Hello, this is one hundred characters of text, all of them in the default alphabet, to the very end."


class _Client:
    """What smpplib wants of its client when it makes a PDU."""

    def next_sequence(self) -> int:
        return 7


def test_submit_sm_equals_smpplib() -> None:
    theirs = smpplib.smpp.make_pdu(
        "submit_sm",
        client=_Client(),
        source_addr_ton=5,
        source_addr="SHOP",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="447700900123",
        validity_period="000001000000000R",
        registered_delivery=True,
        esm_class=0x40,
        data_coding=8,
        short_message=b"\x05\x00\x03\x42\x02\x01\x00x",
    ).generate()
    ours = encode_body(
        pdu.SubmitSm(
            source_addr_ton=5,
            source_addr="SHOP",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="447700900123",
            validity_period="000001000000000R",
            registered_delivery=1,
            esm_class=0x40,
            data_coding=8,
            short_message=b"\x05\x00\x03\x42\x02\x01\x00x",
        ),
        7,
    )
    assert ours == theirs


def test_submit_sm_equals_aiosmpplib() -> None:
    theirs = aiosmpplib.SubmitSm(
        sequence_num=7,
        short_message=TEXT,
        source=aiosmpplib.PhoneNumber("SHOP", TON.ALPHANUMERIC, NPI.UNKNOWN),
        destination=aiosmpplib.PhoneNumber("447700900123", TON.INTERNATIONAL, NPI.ISDN),
        service_type="CMT",
        validity_period=timedelta(days=1),
        registered_delivery=1,
    )
    theirs.set_encoded_message(TEXT.encode())
    ours = pdu.SubmitSm(
        service_type="CMT",
        source_addr_ton=5,
        source_addr="SHOP",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="447700900123",
        validity_period="000001000000000R",
        registered_delivery=1,
        short_message=TEXT.encode(),
    )
    assert encode_body(ours, 7) == theirs.pdu()


@pytest.mark.parametrize(
    ("mode", "theirs"),
    [
        ("transmitter", aiosmpplib.BindTransmitter),
        ("receiver", aiosmpplib.BindReceiver),
        ("transceiver", aiosmpplib.BindTransceiver),
    ],
)
def test_binds_equal_aiosmpplib_and_smpplib(mode: str, theirs: type) -> None:
    classes = {"transmitter": pdu.BindTransmitter, "receiver": pdu.BindReceiver, "transceiver": pdu.BindTransceiver}
    ours = encode_body(classes[mode](system_id="shop", password="secret", system_type="VMA"), 7)
    assert ours == theirs(sequence_num=7, system_id="shop", password="secret", system_type="VMA").pdu()
    command = f"bind_{mode}"
    other = smpplib.smpp.make_pdu(
        command, client=_Client(), system_id="shop", password="secret", system_type="VMA", interface_version=0x34
    )
    assert ours == other.generate()


def test_hand_packed_responses_equal_the_table_driven_ones() -> None:
    for message_id in (None, "", "7F3A0001"):
        expected = encode_body(pdu.SubmitSmResp(message_id), 9, 0x401)
        assert encode_submit_sm_resp(9, 0x401, message_id) == expected
    assert encode_deliver_sm_resp(9, 0x64) == encode_body(pdu.DeliverSmResp(), 9, 0x64)
    data_sm_resp = encode_body(pdu.DataSmResp(""), 9)
    assert encode_deliver_sm_resp(9, 0, pdu.DataSmResp.command_id) == data_sm_resp


@pytest.mark.parametrize("message_id", ["a\0b", "a€"])
def test_a_message_id_that_is_no_octet_string_is_refused(message_id: str) -> None:
    with pytest.raises(UnencodablePdu):
        encode_submit_sm_resp(1, 0, message_id)


@pytest.mark.parametrize(
    ("body", "message_id"), [(b"", None), (b"\0", None), (b"a\0", "a"), (b"a", "a"), (b"a\0\0", "a"), (b"\xff\0", "ÿ")]
)
def test_q27_message_id_is_read_from_any_body(body: bytes, message_id: str | None) -> None:
    assert decode_message_id(bytes(16) + body) == (message_id, ())
