"""Edge: quirks are counted, and told at a bounded rate."""

import logging

import pytest

from services.binder.smpp.quirk_log import TELL_EVERY_S, QuirkLog
from shared.process.metrics import SMPP_QUIRKS


def test_every_one_counts_and_few_are_told(caplog: pytest.LogCaptureFixture) -> None:
    quirks = QuirkLog("quirky", 1)
    with caplog.at_level(logging.WARNING):
        for number in range(1000):
            quirks.noticed("surplus_nul", f"number {number}", number / 1000)
        quirks.noticed("broken_tlvs", "another kind", 1.0)
        quirks.noticed("surplus_nul", "a minute later", TELL_EVERY_S)
    assert [record.getMessage() for record in caplog.records] == [
        "connector quirky:1: surplus_nul: number 0",
        "connector quirky:1: broken_tlvs: another kind",
        "connector quirky:1: surplus_nul: a minute later (999 more before)",
    ]
    assert SMPP_QUIRKS.labels("quirky", "surplus_nul")._value.get() == 1001
