"""Pure: command_status -> what became of the segment."""

import pytest

from services.binder.smpp.status_policy import status_policy
from services.binder.submit.feedback_record import Said
from shared.smpp.constants import SmppCommandStatus


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (0x00, "accepted"),
        (0x58, "throttled"),  # Q16 RTHROTTLED
        (0x14, "temporary"),  # Q17 RMSGQFUL
        (0x08, "temporary"),  # Q18 RSYSERR
        (0x64, "temporary"),  # Q18 RX_T_APPN
        (0x65, "permanent"),
        (0x0B, "permanent"),
        (0x401, "permanent"),
        (0xFFFFFFFF, "permanent"),
    ],
)
def test_q16_q17_q18_default_table(status: int, word: str) -> None:
    assert status_policy({}).word(status) == word


def test_q18_only_these_are_temporary() -> None:
    policy = status_policy({})
    assert {s.value for s in SmppCommandStatus if policy.word(s.value) == "temporary"} == {0x08, 0x14, 0x64}


def test_q16_rthrottled_is_about_the_rate_unless_the_option_says_otherwise() -> None:
    assert status_policy({}).word(0x58) == "throttled"
    assert status_policy({"RTHROTTLED": "temporary"}).word(0x58) == "temporary"
    assert status_policy({"0x14": "throttled", "0x401": "throttled"}).word(0x14) == "throttled"
    assert status_policy({"RTHROTTLED": "permanent"}).word(0x58) == "permanent"


def test_what_an_answer_says() -> None:
    policy = status_policy({"0x402": "accepted"})
    assert policy.said(0, "0A") == Said("accepted", None, None, ("0A",), ("a",))
    assert policy.said(0, None) == Said("accepted")
    assert policy.said(0, "x1") == Said("accepted", smsc_message_ids=("x1",)), "alike needs no saying"
    assert policy.said(0x402, "0A") == Said("accepted", "0x00000402", 0x402, ("0A",), ("a",))
    assert policy.said(0x14, "0A") == Said("temporary", "0x00000014", 0x14), "an id of what was not taken names nothing"


def test_q18_status_map_by_number_and_by_name() -> None:
    policy = status_policy(
        {"0x401": "temporary", "1026": "accepted", "rx_p_appn": "temporary", "ESME_RSYSERR": "permanent"}
    )
    assert [policy.word(s) for s in (0x401, 0x402, 0x65, 0x08)] == ["temporary", "accepted", "temporary", "permanent"]
    assert policy.problems == ()


@pytest.mark.parametrize(
    "entry", [{"0xZZ": "temporary"}, {"0x401": "later"}, {"ESME_ROK": "permanent"}, {"": "temporary"}]
)
def test_a_wrong_entry_is_a_problem_and_changes_nothing(entry: dict[str, str]) -> None:
    policy = status_policy({**entry, "0x402": "temporary"})
    assert len(policy.problems) == 1
    assert policy.word(0) == "accepted"
    assert policy.word(0x402) == "temporary"
