"""Dates of receipts."""

import pytest

from shared.sms.receipt_time import epoch_ms

NOON = 1_704_196_800_000  # 2024-01-02 12:00 UTC


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2401021200", NOON),
        ("240102120000", NOON),
        ("20240102120000", NOON),
        ("2401021200+", NOON),
        ("240102120005", NOON + 5_000),
        ("2024-01-02 12:00:00", NOON),
        ("24/01/02 12:00", NOON),
        ("240102120000000+", NOON),
        ("240102140000508+", NOON + 500),
        ("240102070000020-", NOON),
        ("240102120000049+", None),
        ("2413021200", None),
        ("2402301200", None),
        ("000000000000000R", None),
        ("", None),
        ("soon", None),
        ("²401021200", None),
    ],
)
def test_forms(written: str, expected: int | None) -> None:
    assert epoch_ms(written) == expected
