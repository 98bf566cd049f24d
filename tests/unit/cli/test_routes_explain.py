"""`smsgw routes explain`: every rule with why, and who gets the message."""

import json
import sys
from datetime import UTC, datetime
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


def test_hours_are_told_with_the_time_by_their_own_clock(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    monkeypatch.setattr("services.cli.commands.routes.now_ms", lambda: 1_790_000_000_000)
    hours = 'time: {from: "08:00", to: "16:00", days: [mo], timezone: Europe/London}'
    file.write_text(GATEWAY.replace('prefix: ["49"], lane: otp, country: FR', hours), encoding="utf-8")
    _, out, _ = explained(monkeypatch, capsys, file, "--to", "+447700900123", "--account", "shop", "--json")
    assert json.loads(out)["routes"][0]["matches"] is True  # 15:13:20 on a Monday in London
    file.write_text(file.read_text(encoding="utf-8").replace("16:00", "15:13"), encoding="utf-8")
    _, out, _ = explained(monkeypatch, capsys, file, "--to", "+447700900123", "--account", "shop", "--json")
    assert json.loads(out)["routes"][0]["why"] == ["time: Mon 15:13 (Europe/London) is not from 08:00 to 15:13 on mo"]


NIGHT = 'quiet_hours: {from: "21:00", to: "08:00", timezone: Europe/Berlin}'


@pytest.mark.parametrize("command", [["preview"], ["routes", "explain"]])
@pytest.mark.parametrize(
    ("at", "hours", "goes_at", "waits_for"),
    [
        ("2026-07-01T20:59:59+02:00", NIGHT, "2026-07-01T18:59:59", ""),
        ("2026-07-01T21:00:00+02:00", NIGHT, "2026-07-02T06:00:00", "quiet_hours"),
        ("2026-10-24T23:00:00+02:00", NIGHT, "2026-10-25T07:00:00", "quiet_hours"),
        ("2026-07-01T21:00:00+02:00", NIGHT.replace("08:00", "21:00"), "1970-01-01T00:00:00", "quiet_hours"),
    ],
)
def test_when_it_would_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path, command: list[str], at: str,
    hours: str, goes_at: str, waits_for: str,
) -> None:  # fmt: skip
    file.write_text(GATEWAY.replace("limits:", hours + ", limits:"), encoding="utf-8")
    asked = ["--to", "+447700900123", "--account", "shop", "--lane", "bulk", "--at", at, "--json"]
    monkeypatch.setattr(sys, "argv", ["smsgw", *command, "--config", str(file), *asked])
    with pytest.raises(SystemExit):
        app.main()
    found = json.loads(capsys.readouterr().out)
    moment = datetime.fromtimestamp(found["goes_at_ms"] / 1000, UTC).isoformat()
    assert (moment, found["waits_for"]) == (f"{goes_at}+00:00", waits_for)


@pytest.mark.parametrize("arguments", [["--to", "447700900123"], ["--to", "447700900123", "--account", "shop", "x"]])
def test_a_number_goes_with_an_account_and_without_a_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["smsgw", "preview", "--config", str(file), *arguments])
    with pytest.raises(SystemExit) as left:
        app.main()
    assert (left.value.code, "--to goes with --account" in capsys.readouterr().err) == (2, True)


def test_a_time_without_a_zone_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    code, _, err = explained(
        monkeypatch, capsys, file, "--to", "447700900123", "--account", "shop", "--at", "2026-07-01T12:00:00"
    )
    assert (code, "RFC 3339" in err) == (2, True)
