"""The user data header: built octet by octet, parsed whatever the octets."""

import pytest

from shared.sms import udh


def test_the_elements_octet_by_octet() -> None:
    assert udh.header(udh.concatenation_8bit(0xA7, 3, 2)).hex() == "050003a70302"
    assert udh.header(udh.concatenation_16bit(0xBEEF, 3, 2)).hex() == "060804beef0302"
    assert udh.header(udh.application_ports(0x0B84, 0x23F0)).hex() == "0605040b8423f0"
    assert udh.header(udh.application_ports(240, 241)).hex() == "040402f0f1"
    assert udh.national_shift(1, 1).hex() == "240101250101"
    assert udh.national_shift(0, 2).hex() == "240102"
    assert udh.national_shift(3, 0).hex() == "250103"
    assert udh.header() == b""


def test_what_is_built_is_parsed() -> None:
    octets = udh.header(
        udh.concatenation_16bit(513, 9, 4), udh.application_ports(2948, 9200), udh.national_shift(13, 12)
    )
    head = udh.parse(octets + b"text")
    assert head.length == len(octets)
    assert head.concatenation == udh.Concatenation(513, 9, 4, 16)
    assert head.ports == udh.Ports(2948, 9200)
    assert (head.locking_shift, head.single_shift) == (13, 12)
    assert head.malformed == ""
    assert b"".join(element.to_bytes() for element in head.elements) == octets[1:]


@pytest.mark.parametrize("octets", ["", "05", "0500", "ff0003010201"])
def test_a_header_longer_than_the_user_data_takes_nothing_away(octets: str) -> None:
    head = udh.parse(bytes.fromhex(octets))
    assert head.length == 0
    assert head.malformed


def test_a_header_with_an_element_over_its_end_is_none() -> None:
    head = udh.parse(bytes.fromhex("070003a70302 0509".replace(" ", "")) + b"xyz")
    assert (head.length, head.elements, head.concatenation) == (0, (), None)
    assert head.malformed


@pytest.mark.parametrize("octets", ["050003010000", "050003010200", "050003010203"])
def test_an_impossible_concatenation_is_none(octets: str) -> None:
    assert udh.parse(bytes.fromhex(octets)).concatenation is None


def test_of_repeated_elements_the_last_counts() -> None:
    head = udh.parse(bytes.fromhex("0a0003010201 0003020202".replace(" ", "")))
    assert head.concatenation == udh.Concatenation(2, 2, 2, 8)


def test_an_element_of_another_length_is_kept_and_not_read() -> None:
    head = udh.parse(bytes.fromhex("040002a703"))
    assert head.concatenation is None
    assert head.elements == (udh.InformationElement(0, b"\xa7\x03"),)
