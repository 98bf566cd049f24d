"""Edge: dashboards name metrics, labels and data sources that are there, and no metric is forgotten."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.process.metrics import METRICS
from tests.unit.deploy.dashboards import DASHBOARDS, dashboards, prometheus_queries
from tests.unit.deploy.manifests import TOP
from tests.unit.deploy.promql import metrics_of, wrong_in
from tests.unit.deploy.test_alerts import promtool

OBSERVABILITY = TOP / "observability"
EVERY = [pytest.param(one, id=one["uid"]) for one in dashboards()]


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize("dashboard", EVERY)
def test_panels_have_a_place_of_their_own(dashboard: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not [(a, b) for i, a in enumerate(places) for b in places[:i] if _overlap(a, b)]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)


@pytest.mark.parametrize("dashboard", EVERY)
def test_what_a_dashboard_names_is_provisioned(dashboard: dict[str, Any]) -> None:
    sources = yaml.safe_load((OBSERVABILITY / "grafana" / "datasources.yaml").read_text())["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    named = [target["datasource"] for panel in dashboard["panels"] for target in panel["targets"]]
    named += [one["datasource"] for one in dashboard["templating"]["list"] if "datasource" in one]
    assert {(one["type"], one["uid"]) for one in named} <= known
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(dashboard["panels"])))
    assert used == variables


@pytest.mark.parametrize("dashboard", EVERY)
def test_every_query_of_prometheus_reads_what_is_there(dashboard: dict[str, Any]) -> None:
    assert [(title, problem) for title, query in prometheus_queries(dashboard) for problem in wrong_in(query)] == []


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    queries = [query for one in dashboards() for _, query in prometheus_queries(one)]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "rules.yaml", folder=tmp_path)


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {name for one in dashboards() for _, query in prometheus_queries(one) for name in metrics_of(query)}
    assert {one.name for one in METRICS} - shown == set(), f"{DASHBOARDS.relative_to(TOP)}: give it a panel"
