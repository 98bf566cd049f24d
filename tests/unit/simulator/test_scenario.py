"""The scenario file: what it says, and what it says about mistakes."""

import re
from pathlib import Path

import pytest

from services.simulator.scenario import ScenarioError, parse_scenario

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "services/cli/demo/data/scenario.yaml"
DOCS = ROOT / "docs/simulator.md"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text)
    return caught.value.mistakes


def test_the_demo_is_a_scenario() -> None:
    scenario = parse_scenario(DEMO.read_text(encoding="utf-8"))
    assert [account.system_id for account in scenario.accounts] == ["alpha", "beta", "gamma", "*"]
    assert scenario.accounts[1].receipts.delay_ms == (0.0, 2500.0)
    assert scenario.accounts[2].errors[1].command_status == 0x45


def test_the_scenario_of_the_docs_is_one_and_shows_every_key() -> None:
    text = DOCS.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    parse_scenario(text)
    scenario = parse_scenario(re.sub(r"^(\s*)# (\w+:)", r"\1\2", text, flags=re.MULTILINE))
    for model in (scenario, scenario.session, scenario.accounts[0], scenario.accounts[0].receipts):
        assert set(type(model).model_fields) == model.model_fields_set


def test_defaults_accept_everybody_and_deliver_everything() -> None:
    (account,) = parse_scenario('{version: 1, accounts: [{system_id: "*"}]}').accounts
    assert account.receipts.mix == {"DELIVRD": 1.0}
    assert (account.latency_ms, account.tps, account.max_binds, account.receipts.format) == ((0, 0), None, None, "both")


def test_the_first_account_that_fits_counts() -> None:
    text = '{version: 1, accounts: [{system_id: a, tps: 1}, {system_id: "*", tps: 2}, {system_id: b, tps: 3}]}'
    scenario = parse_scenario(text)
    assert [getattr(scenario.account_of(name), "tps", None) for name in ("a", "b", "c")] == [1, 2, 2]
    assert parse_scenario("{version: 1, accounts: [{system_id: a}]}").account_of("b") is None


def test_numbers_names_and_null_are_understood() -> None:
    (account,) = parse_scenario(
        """
version: 1
accounts:
  - system_id: a
    latency_ms: 7
    refuse_binds: ESME_RSYSERR
    receipts: {mix: {~: 0.5, DELIVRD: 0.5}}
    mo: [{from: 447700900123, to: 12345, text: hi}]
"""
    ).accounts
    assert (account.latency_ms, account.refuse_binds) == ((7.0, 7.0), 8)
    assert account.receipts.mix == {"none": 0.5, "DELIVRD": 0.5}
    assert (account.mo[0].from_, account.mo[0].to) == ("447700900123", "12345")


def test_every_mistake_is_named_with_its_key_and_what_is_allowed() -> None:
    found = mistakes(
        """
version: 1
sed: 3
accounts:
  - system_id: a
    latency_ms: [20, 5]
    message_id_format: octal
    receipts: {delay: 3, mix: {DELIVERED: 1}}
    errors: [{command_status: FOO, share: 1.5}]
    mo: [{from: "+44 77", to: 1}]
  - {}
"""
    )
    assert sorted(found) == sorted(
        [
            "sed: is unknown; did you mean seed? allowed: version, accounts, seed, tls, session",
            "accounts[0].latency_ms: must be [least, most] with 0 <= least <= most <= 3600000 (given: [20, 5])",
            "accounts[0].message_id_format: input should be 'dec', 'hex', 'uuid' or 'padded' (given: 'octal')",
            "accounts[0].receipts.delay: is unknown; did you mean delay_ms? allowed: delay_ms, mix, intermediate, "
            "format, writings, err, redeliver_after_s, window, queue_max",
            "accounts[0].receipts.mix.DELIVERED: input should be 'DELIVRD', 'UNDELIV', 'EXPIRED', 'REJECTD', "
            "'DELETED', 'ENROUTE', 'ACCEPTD', 'UNKNOWN' or 'none' (given: 'DELIVERED')",
            "accounts[0].errors[0].command_status: must be a command_status other than 0, like 0x58 or "
            "ESME_RTHROTTLED (given: 'FOO')",
            "accounts[0].errors[0].share: input should be less than or equal to 1 (given: 1.5)",
            "accounts[0].mo[0].from: must be 1 to 20 characters of Latin-1 without spaces (given: '+44 77')",
            "accounts[0].mo[0].text: is missing",
            "accounts[1].system_id: is missing",
        ]
    )


def test_shares_must_add_up() -> None:
    accounts = "{version: 1, accounts: [{system_id: a, %s}]}"
    assert mistakes(accounts % "receipts: {mix: {DELIVRD: 0.9}}") == [
        "accounts[0].receipts: mix: the shares add up to 0.9, must be 1"
    ]
    shares = "errors: [{command_status: 8, share: 0.6}, {command_status: 9, share: 0.6}]"
    assert mistakes(accounts % shares) == ["accounts[0]: errors: the shares add up to 1.2, must not exceed 1"]


def test_a_literal_password_is_refused_and_not_repeated() -> None:
    (mistake,) = mistakes("{version: 1, accounts: [{system_id: a, password: hunter2}]}")
    assert mistake.startswith("accounts[0].password: must be {env: NAME}")
    assert "hunter2" not in mistake


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "must be a mapping with version and accounts"),
        ("[1]", "must be a mapping with version and accounts"),
        ("{version: 2, accounts: [{system_id: a}]}", "version: input should be 1 (given: 2)"),
        ("{version: 1, accounts: []}", "accounts: must be a list of at least one account (given: [])"),
        ("{version: 1, accounts: [3]}", "accounts[0]: must be a mapping (given: 3)"),
        ("version: 1\naccounts: [", "line 2: not YAML: expected the node content, but found '<stream end>'"),
        ("a: \x00", "not YAML: unacceptable character #x0000: special characters are not allowed"),
    ],
)
def test_files_that_are_no_scenario(text: str, mistake: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith(mistake.removesuffix(" (given: 3)"))
