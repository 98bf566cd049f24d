"""Pure: countries by prefix, against the library whose metadata they come from."""

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from shared.messages.country import CountryTable, country_table


@pytest.fixture(scope="module")
def table() -> CountryTable:
    return country_table()


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("447700900123", "GB"),
        ("447781123456", "GG"),
        ("447797712345", "JE"),
        ("12025550123", "US"),
        ("14165550123", "CA"),
        ("18765550123", "JM"),
        ("77012345678", "KZ"),
        ("79161234567", "RU"),
        ("4915112345678", "DE"),
        ("393123456789", "IT"),
        ("38349123456", "XK"),
        ("8821612345678", ""),
        ("9991234567", ""),
        ("", ""),
    ],
)
def test_known_numbers(table: CountryTable, number: str, country: str) -> None:
    assert table.of(number) == country


def test_the_mobile_example_of_every_country_is_found(table: CountryTable) -> None:
    wrong = []
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example is not None:
            digits = phonenumbers.format_number(example, PhoneNumberFormat.E164)[1:]
            if table.of(digits) != phonenumbers.region_code_for_number(example):
                wrong.append((region, digits, table.of(digits)))
    assert wrong == []


def test_valid_numbers_of_shared_codes_agree_with_the_library(table: CountryTable) -> None:
    """Random numbers of the codes that several countries share; a handful of Åland's blocks lie deeper than we look."""
    draw = random.Random(1)
    compared, wrong = 0, 0
    for _ in range(4000):
        code = draw.choice(["1", "44", "7", "590", "262", "39", "61", "358", "47", "212", "599", "290"])
        digits = code + "".join(draw.choice("0123456789") for _ in range(10))
        number = phonenumbers.parse(f"+{digits}")
        if phonenumbers.number_type(number) in (0, 1, 2):
            compared += 1
            wrong += table.of(digits) != phonenumbers.region_code_for_number(number)
    assert compared > 300
    assert wrong <= compared // 200


def test_no_prefix_begins_another(table: CountryTable) -> None:
    """Looking from short to long therefore finds the longest."""
    prefixes = table.prefixes
    assert not [p for p in prefixes for length in range(1, len(p)) if p[:length] in prefixes]
    assert len(prefixes) > 1000
