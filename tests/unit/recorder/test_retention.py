"""Unit tests of for how long ClickHouse keeps what."""

import pytest

from services.recorder.retention import DAY_S, oldest_s, statements_for
from shared.process.settings import KEPT, SettingsError, read_settings

HOURS = ("hour_stats", "hour_latency", "hour_ends", "hour_segments", "hour_campaigns", "hour_missing")
TABLES = ("event_log", "message_log", "number_log", "minute_stats", *HOURS)
BARE = {name: f"CREATE TABLE sms.{name} (`hour` DateTime) ENGINE = MergeTree ORDER BY hour" for name in TABLES}


def kept(days: int) -> dict[str, str]:
    clause = f"ORDER BY hour TTL hour + toIntervalDay({days}) SETTINGS a = 1"
    return BARE | {name: f"CREATE TABLE sms.{name} (x) {clause}" for name in HOURS}


def test_nothing_is_changed_where_nothing_is_said() -> None:
    assert statements_for({}, BARE) == {}


def test_each_name_means_its_tables_and_a_second_start_changes_nothing() -> None:
    changes = statements_for({"hours": 90}, BARE)
    assert set(changes) == set(HOURS)
    assert changes["hour_ends"] == "ALTER TABLE sms.hour_ends MODIFY TTL hour + toIntervalDay(90)"
    assert statements_for({"hours": 90}, kept(90)) == {}
    assert set(statements_for(dict.fromkeys(KEPT, 30), BARE)) == set(TABLES)


def test_another_number_of_days_replaces_the_clause_and_none_removes_it() -> None:
    assert statements_for({"hours": 30}, kept(90))["hour_stats"].endswith("MODIFY TTL hour + toIntervalDay(30)")
    assert statements_for({}, kept(90))["hour_stats"] == "ALTER TABLE sms.hour_stats REMOVE TTL"


def test_an_hour_whose_messages_are_going_is_not_recomputed() -> None:
    assert oldest_s(0, 1_000_000_000) == 0
    assert oldest_s(30, 1_000_000_000) == 1_000_000_000 - 29 * DAY_S


def test_the_setting_names_days_by_what_is_kept() -> None:
    settings = read_settings(kafka_bootstrap_servers="k:1", clickhouse_retention="events=90, hours=1100")
    assert settings.retention == {"events": 90, "hours": 1100}
    assert read_settings(kafka_bootstrap_servers="k:1").retention == {}


@pytest.mark.parametrize(
    "wrong", ["events", "events=", "events=1", "events=1d", "event=90", "hours=36501", "events=٣٠"]
)
def test_a_wrong_retention_is_a_sentence(wrong: str) -> None:
    with pytest.raises(SettingsError, match="SMSGW_CLICKHOUSE_RETENTION"):
        read_settings(kafka_bootstrap_servers="k:1", clickhouse_retention=wrong)
