"""Deaths in a row are answered ever more slowly, and never given up."""

import pytest

from shared.local.backoff import HEALTHY_AFTER_S, consecutive_failures, restart_delay_s


def test_delay_doubles_up_to_ten_seconds() -> None:
    delays = [restart_delay_s(failures) for failures in range(1, 9)]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])


def test_no_number_of_failures_is_too_many() -> None:
    assert restart_delay_s(1_000_000) == 10.0


def test_a_long_life_ends_a_row_of_failures() -> None:
    assert consecutive_failures(before=7, ran_for_s=HEALTHY_AFTER_S - 0.1) == 8
    assert consecutive_failures(before=7, ran_for_s=HEALTHY_AFTER_S) == 1
