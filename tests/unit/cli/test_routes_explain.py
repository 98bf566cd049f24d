"""`smsgw routes explain`: every rule with why, and who gets the message."""

import json
import sys
from pathlib import Path

import pytest

from services.cli import app

GATEWAY = """
version: 1
connectors:
  - {id: acme, host: 127.0.0.1, port: 2775, system_id: shop, password: {env: PASSWORD}}
  - {id: beta, host: 127.0.0.1, port: 2775, system_id: shop, password: {env: PASSWORD}}
accounts:
  - {id: shop, default_sender: SHOP, limits: {lanes: [txn, bulk]}}
routes:
  - {match: {prefix: ["49"], lane: otp, country: FR}, to: [{connector: beta}]}
  - {match: {country: GB, sender: SHOP}, to: [{connector: acme, weight: 3}, {connector: beta}]}
  - {match: {prefix: "4477"}, to: [{connector: beta}], policy: first}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY, encoding="utf-8")
    return path


def explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path, *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["smsgw", "routes", "explain", "--config", str(file), *arguments])
    with pytest.raises(SystemExit) as left:
        app.main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_every_rule_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path) -> None:
    code, out, _ = explained(monkeypatch, capsys, file, "--to", "+447700900123", "--account", "shop", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["country"], found["sender"], found["refused"]) == ("GB", "SHOP", "")
    assert found["shares"] == {"acme": 75.0, "beta": 25.0}
    assert [(r["number"], r["matches"], r["chosen"]) for r in found["routes"]] == [
        (1, False, False),
        (2, True, True),
        (3, True, False),
    ]
    assert found["routes"][0]["why"] == [
        "prefix: 447700900123 begins with none of 49",
        "lane: txn is not among otp",
        "country: GB is not among FR",
    ]


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (("--to", "33612345678", "--account", "shop"), "no_route"),
        (("--to", "447700900123", "--account", "shop", "--lane", "otp"), "lane_not_allowed"),
    ],
)
def test_what_would_be_rejected_is_said_and_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: Path,
    arguments: tuple[str, ...],
    refused: str,
) -> None:
    code, out, _ = explained(monkeypatch, capsys, file, *arguments)
    assert code == 1
    assert f"rejected: {refused}" in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--to", "447700900123", "--account", "shpo"), "--account: 'shpo' is not defined"),
        (("--to", "447700900123", "--account", "shop", "--lane", "slow"), "--lane: 'slow' is unknown"),
        (("--to", "nowhere", "--account", "shop"), "--to: 'nowhere' is no destination"),
    ],
)
def test_what_no_request_could_ask_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: Path,
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    code, _, err = explained(monkeypatch, capsys, file, *arguments)
    assert code == 2
    assert problem in err
