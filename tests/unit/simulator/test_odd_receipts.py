"""Receipts as some carriers write them: the codec takes them, and the gateway reads the same out of each."""

from typing import get_args

import pytest

from services.binder.smpp.classify import DeliveredReceipt, classify
from services.simulator.odd_receipts import chosen_writing, odd_receipt
from services.simulator.receipts import receipt_octets
from services.simulator.scenario import ReceiptWriting
from shared.sms.receipt_text import parse_receipt
from tests.unit.simulator.test_receipts import AT_MS, delivered, message

WRITINGS: tuple[ReceiptWriting, ...] = get_args(ReceiptWriting)


@pytest.mark.parametrize("word", ["DELIVRD", "UNDELIV"])
@pytest.mark.parametrize("writing", WRITINGS)
def test_each_says_the_same(writing: ReceiptWriting, word: str) -> None:
    usual = receipt_octets(message(), word, AT_MS, "both", "021")
    octets = odd_receipt(usual, writing)
    body = delivered(octets)
    assert (octets == usual) == (writing == "usual" or (writing == "failed" and word == "none"))
    filed = classify(body, dlr_by_text=False)
    assert isinstance(filed, DeliveredReceipt)
    assert filed.id_in_text == "255"
    receipt = parse_receipt(
        body.short_message, [(tlv.tag, tlv.value) for tlv in body.tlvs], data_coding=body.data_coding
    )
    assert (receipt.id_in_text, receipt.word, receipt.sub) == ("255", word, 1)


def test_a_message_has_one_writing_and_all_occur() -> None:
    chosen = [chosen_writing(str(number), WRITINGS) for number in range(200)]
    assert set(chosen) == set(WRITINGS)
    assert chosen_writing("7", WRITINGS) == chosen_writing("7", WRITINGS)
    assert chosen_writing("7", ("ucs2",)) == "ucs2"
