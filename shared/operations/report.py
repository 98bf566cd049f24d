"""Edge: the numbers of any day at a glance, from the views that every analyst has."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.process.settings import ClickHouseSettings

_CHOSEN: Final = (
    "accepted_at >= now64(3) - toIntervalSecond({seconds:UInt32}) "
    "AND ({campaign:String} = '' OR campaign_id = {campaign:String})"
)

_BY_CONNECTOR: Final = f"""
SELECT connector_id, country, count() AS messages, sum(segments) AS segments_sum,
       countIf(status = 'rejected') AS rejected, countIf(isNotNull(submitted_at)) AS submitted,
       countIf(status = 'delivered') AS delivered,
       countIf(status IN ('undeliverable', 'expired', 'partially_delivered', 'cancelled')) AS failed,
       countIf(status IN ('outcome_unknown', 'receipt_missing')) AS unknown, countIf(NOT final) AS pending,
       quantileExactIf(0.5)(latency_ms, status = 'delivered') AS p50,
       quantileExactIf(0.95)(latency_ms, status = 'delivered') AS p95,
       quantileExactIf(0.99)(latency_ms, status = 'delivered') AS p99
FROM sms.message_state WHERE {_CHOSEN} GROUP BY connector_id, country ORDER BY connector_id, country
"""  # noqa: S608  # no outside text in it
_REASONS: Final = f"""
SELECT status, reason, count() AS messages FROM sms.message_state
WHERE {_CHOSEN} AND reason != '' GROUP BY status, reason ORDER BY status, messages DESC
"""  # noqa: S608  # no outside text in it


@dataclass(frozen=True, slots=True)
class ConnectorNumbers:
    """Messages of one connector to one country. Latencies in ms, of what was delivered; None or NaN: nothing was."""

    connector_id: str
    country: str
    messages: int
    segments_sum: int
    rejected: int
    submitted: int
    delivered: int
    failed: int
    unknown: int
    pending: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many messages have a status for this reason."""

    status: str
    reason: str
    messages: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the messages of a span of time."""

    by_connector: list[ConnectorNumbers]
    reasons: list[ReasonCount]


def read_report(settings: ClickHouseSettings, seconds: int, campaign_id: str = "") -> Report:
    """The report of the messages that were accepted in the last `seconds`, of one campaign where it is named. Blocks;
    raises `Unreachable`.
    """
    chosen = {"seconds": seconds, "campaign": campaign_id}
    with closing(clickhouse(settings)) as client, clickhouse_errors(settings):
        return Report(
            [ConnectorNumbers(**row) for row in _rows(client, _BY_CONNECTOR, chosen)],
            [ReasonCount(**row) for row in _rows(client, _REASONS, chosen)],
        )


def _rows(client: Client, sql: str, chosen: dict[str, Any]) -> Iterable[Mapping[str, Any]]:
    found: Iterable[Mapping[str, Any]] = client.query(sql, parameters=chosen).named_results()
    return found
