"""Edge: every query of the dashboards on the real views, with a message in them."""

from typing import Any

import pytest

from tests.integration.database_rig import Database, Story
from tests.unit.deploy.dashboards import clickhouse_queries, dashboards

pytestmark = pytest.mark.clickhouse

ABOUT_THE_MESSAGE = {"Message", "Segments", "Events", "Events recorded", "Tables", "Disk by day of messages"}
"""Panels that must show something when there is a message."""


@pytest.mark.parametrize("dashboard", [pytest.param(one, id=one["uid"]) for one in dashboards()])
async def test_every_query_is_answered(database: Database, dashboard: dict[str, Any]) -> None:
    story = Story().accepted().submitted(60).receipt(1000).status(1500, "delivered", True, segments_delivered=1)
    await database.clickhouse.insert(story.events)
    choices = {"connector": "acme-1", "account": "shop", "message_id": story.message_id}
    for title, is_series, query in clickhouse_queries(dashboard, choices, hours=24):
        rows = await database.all(query)
        assert rows or title not in ABOUT_THE_MESSAGE, title
        if is_series and rows:
            assert next(iter(rows[0])) == "time", f"{title}: Grafana wants the time first"
            assert hasattr(rows[0]["time"], "year"), title
