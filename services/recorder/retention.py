"""Pure: for how long ClickHouse keeps what: TTL clauses, applied at every start, and only where they differ.

What is kept longer than it should be is dropped by ClickHouse itself, by whole partitions where they are days.
"""

import re
from collections.abc import Mapping
from typing import Final

DAY_S: Final = 86_400

_EVENT_TIME: Final = "toDateTime(if(toUnixTimestamp64Milli(accepted_at) = 0, occurred_at, accepted_at))"
_HOURS: Final = ("hour_stats", "hour_latency", "hour_ends", "hour_segments", "hour_campaigns", "hour_missing")
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "events": {"event_log": _EVENT_TIME},
    "messages": {"message_log": "toDateTime(accepted_at)"},
    "numbers": {"number_log": "toDateTime(accepted_at)"},
    "hours": dict.fromkeys(_HOURS, "hour"),
    "minutes": {"minute_stats": "minute"},
}
"""What `SMSGW_CLICKHOUSE_RETENTION` names, the tables behind each name, and the time that counts in each."""

TABLE_DEFINITIONS: Final = "SELECT name, create_table_query FROM system.tables WHERE database = 'sms'"

_TTL: Final = re.compile(r"\bTTL\b.*? \+ toIntervalDay\((\d+)\)", re.DOTALL)


def statements_for(retention: Mapping[str, int], definitions: Mapping[str, str]) -> dict[str, str]:
    """Return table -> what makes it be kept for the days of `retention`, where it is not so yet.

    `definitions` are the tables' `CREATE` statements as ClickHouse tells them. What `retention` does not name is kept
    for ever. The clause applies to what is there too, at the next merges.
    """
    changes = {}
    for name, tables in _TABLES.items():
        wanted = retention.get(name, 0)
        for table, time in tables.items():
            if wanted == _days_of(definitions.get(table, "")):
                continue
            clause = f"MODIFY TTL {time} + toIntervalDay({wanted})" if wanted else "REMOVE TTL"
            changes[table] = f"ALTER TABLE sms.{table} {clause}"
    return changes


def oldest_s(keep_days: int, time_s: int) -> int:
    """The oldest hour that may be recomputed from its messages, in epoch seconds: of an older one some may be gone."""
    return (time_s - (keep_days - 1) * DAY_S) if keep_days else 0


def _days_of(definition: str) -> int:
    found = _TTL.search(definition)
    return int(found[1]) if found else 0
