"""Edge: alerts read metrics that are there, each has its tests and its section of the runbook, none is forgotten."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.manifests import COMPOSE, SERVICES, TOP, compose
from tests.unit.deploy.promql import wrong_in

ALERTS = TOP / "observability" / "alerts.yaml"
RULE_TESTS = TOP / "observability" / "alerts_test.yaml"
RUNBOOK = TOP / "docs" / "runbook.md"
SECTION = re.compile(r"^### (Smsgw\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


NAMES = sorted({rule["alert"] for rule in rules()})


def promtool(*arguments: str, folder: Path = ALERTS.parent) -> None:
    """Runs it there; skips the test where it is not to be had."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not there: it is in Debian's package prometheus")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_expression_that_names_what_is_not_there_is_told() -> None:
    assert list(wrong_in('rate(smsgw_nothing_total{event="accepted"}[5m])')) == ["no metric smsgw_nothing_total"]
    assert list(wrong_in('smsgw_events_total{stage="ingress"}')) == ["smsgw_events_total has no label stage"]
    assert list(wrong_in('smsgw_events_total{event=~"accepted|sent"}')) == ['no event "sent"']
    assert list(wrong_in("sum by (topic) (smsgw_ready)")) == ["no label topic"]
    assert list(wrong_in("smsgw_batch_seconds")) == ["no metric smsgw_batch_seconds"]


def test_every_alert_reads_what_is_there() -> None:
    assert [(rule["alert"], problem) for rule in rules() for problem in wrong_in(rule["expr"])] == []


def test_promtool_takes_them() -> None:
    promtool("check", "rules", ALERTS.name)


def test_promtool_takes_what_compose_mounts(tmp_path: Path) -> None:
    for volume in compose()["services"]["prometheus"]["volumes"]:
        source, target, _ = volume.split(":")
        shutil.copy(COMPOSE / source, tmp_path / Path(target).name)
    promtool("check", "config", "prometheus.yaml", folder=tmp_path)


def test_they_fire_when_they_should_and_not_otherwise() -> None:
    promtool("test", "rules", RULE_TESTS.name)


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    seen = defaultdict(set)
    for case in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        for expected in case["alert_rule_test"]:
            seen[expected["alertname"]].add(bool(expected["exp_alerts"]))
    assert seen == {name: {True, False} for name in NAMES}


def test_every_service_that_is_not_there_is_told() -> None:
    watched = [rule["labels"]["service"] for rule in rules() if rule["alert"] == "SmsgwServiceDown"]
    assert watched == list(SERVICES), "observability/alerts.yaml: a service needs its own SmsgwServiceDown"
    for rule in rules():
        if rule["alert"] == "SmsgwServiceDown":
            assert f'service="{rule["labels"]["service"]}"' in rule["expr"]


def test_every_alert_has_its_section_in_the_runbook_and_the_reverse() -> None:
    sections = SECTION.findall(RUNBOOK.read_text())
    assert [name for name, _ in sections] == list(dict.fromkeys(rule["alert"] for rule in rules()))
    for name, text in sections:
        for part in ("**What it means.**", "**Look at.**", "**Do.**"):
            assert part in text, f"{name}: {part}"
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")
