"""Options that do not go together, in sentences."""

from shared.sms.message import ConnectorProfile
from shared.sms.profile_check import profile_problems


def test_defaults_have_no_problem() -> None:
    assert profile_problems(ConnectorProfile()) == []
    assert profile_problems(ConnectorProfile(national_tables=("turkish", "urdu"), gsm7_packed=True)) == []


def test_a_misspelt_language_gets_the_nearest_one() -> None:
    (problem,) = profile_problems(ConnectorProfile(national_tables=("turkisch",)))
    assert problem == "national_tables: 'turkisch' is no language of TS 23.038; did you mean turkish?"
    (problem,) = profile_problems(ConnectorProfile(national_tables=("xx",)))
    assert "known are turkish, spanish" in problem


def test_what_needs_gsm7() -> None:
    profile = ConnectorProfile(default_alphabet="latin1", gsm7_packed=True, national_tables=("hindi",))
    assert len(profile_problems(profile)) == 2


def test_data_coding_map_out_of_range() -> None:
    assert profile_problems(ConnectorProfile(data_coding_map={0: 300})) == [
        "data_coding_map: 0: 300 is not within 0 to 255"
    ]
