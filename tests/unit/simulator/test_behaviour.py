"""What becomes of a submit, with chance in hand."""

from collections.abc import Callable

import pytest

from services.simulator.behaviour import Behaviour, SubmitVerdict, Throttle, asks_for_final
from services.simulator.scenario import parse_scenario


def behaviour(keys: str) -> Behaviour:
    return Behaviour.of(parse_scenario(f"{{version: 1, accounts: [{{system_id: a, {keys}}}]}}").accounts[0])


def drawing(*chances: float) -> Callable[[], float]:
    return iter(chances).__next__


def test_latency_word_and_delay_are_drawn_in_this_order() -> None:
    one = behaviour("latency_ms: [10, 20], receipts: {delay_ms: [100, 300], mix: {DELIVRD: 0.9, UNDELIV: 0.1}}")
    assert one.judge(1, drawing(0.5, 0.89, 0.0)) == SubmitVerdict(0, 0.015, True, "DELIVRD", 0.1, True, False)
    assert one.judge(1, drawing(0.0, 0.9, 0.5)) == SubmitVerdict(0, 0.01, True, "UNDELIV", 0.2, True, False)


def test_an_error_has_its_share_and_nothing_follows_it() -> None:
    one = behaviour("errors: [{command_status: 0x14, share: 0.1}, {command_status: 0x45, share: 0.2}]")
    assert one.judge(1, drawing(0.09)) == SubmitVerdict(0x14, 0.0)
    assert one.judge(1, drawing(0.1)) == SubmitVerdict(0x45, 0.0)
    assert one.judge(1, drawing(0.31, 0.5)).command_status == 0


def test_an_unanswered_submit_is_accepted_all_the_same() -> None:
    one = behaviour("unanswered: 0.25")
    assert one.judge(1, drawing(0.24, 0.0))[:4] == (0, 0.0, False, "DELIVRD")
    assert one.judge(1, drawing(0.25, 0.0)).is_answered


def test_no_gap_is_left_above_the_last_word() -> None:
    one = behaviour("receipts: {delay_ms: 0, mix: {DELIVRD: 0.333, UNDELIV: 0.333, none: 0.3335}}")
    assert one.judge(1, drawing(0.999999))[3:6] == ("none", 0.0, False)


@pytest.mark.parametrize(
    ("registered_delivery", "word", "tells"),
    [
        (0, "DELIVRD", False),
        (1, "DELIVRD", True),
        (1, "UNDELIV", True),
        (2, "DELIVRD", False),
        (2, "UNDELIV", True),
        (3, "DELIVRD", True),
        (0x10, "DELIVRD", False),
        (0x11, "EXPIRED", True),
    ],
)
def test_who_asks_for_which_final_receipt(registered_delivery: int, word: str, tells: bool) -> None:
    assert asks_for_final(registered_delivery, word) is tells


def test_an_intermediate_receipt_needs_its_bit_and_its_share() -> None:
    one = behaviour("receipts: {delay_ms: 0, intermediate: 0.5}")
    assert [one.judge(asked, drawing(chance)).tells_intermediate for asked, chance in ((0x11, 0.4), (0x11, 0.6))] == [
        True,
        False,
    ]
    assert not one.judge(1, drawing()).tells_intermediate


def test_a_throttle_admits_a_second_of_its_rate_at_once_and_then_its_rate() -> None:
    throttle = Throttle(10)
    assert sum(throttle.admits(0.0) for _ in range(20)) == 10
    assert sum(throttle.admits(0.1 * step) for step in range(1, 101)) == 100
    assert not throttle.admits(10.0)
    assert all(Throttle(None).admits(0.0) for _ in range(1000))


def test_what_is_refused_does_not_count() -> None:
    throttle = Throttle(1)
    assert throttle.admits(0.0)
    assert not any(throttle.admits(0.9) for _ in range(100))
    assert throttle.admits(1.0)
