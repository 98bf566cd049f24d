"""Edge: the dashboards of Grafana as data, and their queries as Grafana would send them."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tests.unit.deploy.manifests import TOP

DASHBOARDS: Final = TOP / "observability" / "dashboards"
Dashboard = dict[str, Any]


def dashboards() -> list[Dashboard]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(DASHBOARDS.glob("*.json"))]


def prometheus_queries(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Title of the panel and expression, over five minutes, of any connector."""
    for title, target in _targets(dashboard):
        if "expr" in target:
            yield title, target["expr"].replace("$__rate_interval", "5m").replace("$connector", "acme-1")


def clickhouse_queries(dashboard: Dashboard, choices: dict[str, str], hours: int) -> Iterator[tuple[str, bool, str]]:
    """Title, whether it is a time series, and SQL of the last `hours`; those that fill a choice come first."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], False, variable["query"]
    for title, target in _targets(dashboard):
        if "rawSql" in target:
            yield title, target["queryType"] == "timeseries", _expanded(target["rawSql"], choices, hours)


def _targets(dashboard: Dashboard) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target


def _expanded(sql: str, choices: dict[str, str], hours: int) -> str:
    for name, value in choices.items():
        sql = sql.replace(f"${{{name}:singlequote}}", f"'{value}'")
    between = rf"\1 >= toDateTime(now() - INTERVAL {hours} HOUR) AND \1 <= toDateTime(now())"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", between, sql)
    sql = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)", sql)
    assert "$" not in sql, sql
    return sql
