"""`smsgw keys`: a key, and what to write into gateway.yaml."""

import json
import re
from hashlib import sha256

import pytest

from schemas.gateway.file import AppliedConfig
from services.cli.commands import keys
from shared.operations.config.gateway_yaml import GatewayFileError, parse_gateway
from shared.operations.errors import Invalid
from shared.operations.keys import listed_keys, new_key, twilio_account


def test_a_key_is_shown_with_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert keys.create("shop", "web", as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["account"], told["id"]) == ("shop", "web")
    assert re.fullmatch(r"smsgw_shop_[0-9A-Za-z]{43}", told["key"])
    assert told["sha256"] == sha256(told["key"].encode()).hexdigest()


def test_the_second_line_fits_into_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    keys.create("shop", "web", as_json=False)
    key, yaml = capsys.readouterr().out.splitlines()
    gateway = parse_gateway(f"version: 1\naccounts:\n  - id: shop\n    {yaml}\n")
    assert gateway.accounts[0].api_keys[0].sha256 == sha256(key.encode()).hexdigest()


@pytest.mark.parametrize(("account", "key_id"), [("Shop", "web"), ("shop", ""), ("shop", "a_b"), ("", "web")])
def test_what_is_no_id_is_refused(account: str, key_id: str) -> None:
    with pytest.raises(Invalid):
        keys.create(account, key_id, as_json=False)


def test_no_two_keys_are_alike() -> None:
    assert len({new_key("shop")[0] for _ in range(100)}) == 100


def test_keys_are_listed_by_what_is_kept_of_them() -> None:
    gateway = parse_gateway(
        f"version: 1\naccounts:\n  - id: shop\n    api_keys: [{{id: web, sha256: {'0' * 64}}}, {{id: cron, env: A}}]\n"
    )
    applied = AppliedConfig(hash="", applied_at_ms=0, gateway=gateway)
    assert [(one.account, one.key_id, one.kept) for one in listed_keys(applied)] == [
        ("shop", "web", f"sha256 {'0' * 64}"),
        ("shop", "cron", "env A"),
    ]
    assert listed_keys(applied, "bank") == [] and listed_keys(None) == []
    assert re.fullmatch("AC[0-9a-f]{32}", twilio_account("shop"))


@pytest.mark.parametrize(
    ("accounts", "line", "key"),
    [
        ("  - id: Shop\n    api_keys: [{id: a, env: X}]\n", 3, "accounts[0].id"),
        ("  - id: shop\n    api_keys:\n    - {id: a, env: X}\n    - {id: a, env: Y}\n", 6,
         "accounts[0].api_keys[1].id"),
        ("  - id: a\n    api_keys: [{id: a, env: X}]\n  - id: b\n    api_keys: [{id: a, env: X}]\n", 6,
         "accounts[1].api_keys[0].env"),
        ("  - id: shop\n    api_keys:\n    - {id: a}\n", 5, "accounts[0].api_keys[0]"),
        ("  - id: shop\n    api_keys:\n    - {id: a, sha256: abc}\n", 5, "accounts[0].api_keys[0].sha256"),
    ],
)  # fmt: skip
def test_mistakes_of_keys_are_told_with_their_line(accounts: str, line: int, key: str) -> None:
    with pytest.raises(GatewayFileError) as told:
        parse_gateway(f"version: 1\naccounts:\n{accounts}")
    assert [(one.line, one.key) for one in told.value.mistakes] == [(line, key)]
