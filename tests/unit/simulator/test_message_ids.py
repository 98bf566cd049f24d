"""Ids of the SMSC."""

import pytest

from schemas.wire import KnownFormat
from services.simulator.message_ids import first_number, smsc_message_id
from services.simulator.scenario import IdFormat
from shared.sms.smsc_message_id import name_in_response, normalised


def test_each_format_in_response_and_receipt() -> None:
    assert smsc_message_id(255, "dec") == ("255", "255")
    assert smsc_message_id(255, "hex") == ("ff", "255")
    assert smsc_message_id(255, "padded") == ("00000000000000000255", "255")
    in_response, in_receipt = smsc_message_id(255, "uuid")
    assert in_response == in_receipt
    assert [len(group) for group in in_response.split("-")] == [8, 4, 4, 4, 12]


@pytest.mark.parametrize("message_id_format", ["dec", "hex", "uuid", "padded"])
def test_ids_differ_and_the_gateway_joins_them(message_id_format: IdFormat) -> None:
    first = first_number(1_800_000_000_000)
    names = [smsc_message_id(first + step, message_id_format) for step in range(2000)]
    ours: KnownFormat = "hex" if message_id_format == "hex" else "raw"
    keys = {normalised(one.in_response) for one in names}
    assert len(keys) == len(names)
    assert all(normalised(one.in_response) == name_in_response(one.in_receipt, ours) for one in names)
    assert all(len(one.in_response) <= 64 for one in names)


def test_a_later_start_counts_above_all_that_an_earlier_run_can_have_used() -> None:
    assert first_number(1_800_000_001_000) - first_number(1_800_000_000_000) == 100_000
    assert first_number(0) == 1
