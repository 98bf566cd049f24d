"""Pure: the roll-ups: which hours are recomputed when, and the SQL that does it.

Hours are recomputed from the messages, never incremented, so a repeat changes nothing. A recomputation reads all
messages of the hour; so the time between two grows with what one takes, and hours that late receipts touch wait for
each other. An hour that is open has `sms.hour_stats` alone; the other roll-ups follow when it is closed: until then
reports read its messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

REFRESH_MS: Final = 10_000
"""How soon after a change the current hours are recomputed."""
SHARE: Final = 30
"""At most one part in so many of the time is spent on it: after 1 s of work, 30 s of rest."""
OLD_EVERY_MS: Final = 600_000
"""How often hours that are over are recomputed, where late events touch them."""
HOURS_MAX: Final = 12
IN_ONE_GO_MS: Final = 5_000
"""So many hours are recomputed in one go, and none is begun after so long: events wait meanwhile. After an update, all
hours there are have to be."""
HOUR_S: Final = 3600

# An hour is dirty when an event of one of its messages came in after the hour was last recomputed, or shortly before; a
# closed one also while it has not been recomputed since it was closed. With each, whether its numbers are in the index.
DIRTY_HOURS: Final = """
SELECT toUnixTimestamp(hour), hour NOT IN (SELECT hour FROM sms.unnumbered_hours)
FROM
(
    SELECT hour, max(touched_at) AS last_at FROM sms.hour_touched GROUP BY hour
) AS touched
LEFT JOIN
(
    SELECT hour, max(rolled_at) AS last_at, max(is_closed) AS has_closed FROM sms.hour_rolled GROUP BY hour
) AS rolled USING (hour)
WHERE (touched.last_at + 5 >= rolled.last_at OR (toUnixTimestamp(hour) < {open_s:Int64} AND NOT rolled.has_closed))
  AND toUnixTimestamp(hour) >= {oldest_s:Int64}
ORDER BY 1
"""

_OF_THE_HOUR: Final = """
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({hour_s:Int64}) AND accepted_at < fromUnixTimestamp({hour_s:Int64} + 3600)"""

_COUNTS: Final = """
        1 AS n,
        segments AS n_segments,
        submitted_at IS NOT NULL AS n_submitted,
        status = 'delivered' AS n_delivered,
        final AND status NOT IN ('delivered', 'submitted') AS n_failed,
        NOT final AS n_pending,
        status = 'rejected' AS n_rejected,
        status IN ('outcome_unknown', 'receipt_missing') AS n_unknown"""

# The second half of each union writes zeroes over cells that have become empty.
REFRESH_HOUR: Final = f"""
INSERT INTO sms.hour_stats
    (hour, account_id, connector_id, country, sender,
     messages, segments, submitted, delivered, failed, pending, rejected, unknown, refreshed_at)
SELECT
    toDateTime({{hour_s:Int64}}, 'UTC') AS hour, account_id, connector_id, country, sender,
    sum(n), sum(n_segments), sum(n_submitted), sum(n_delivered), sum(n_failed), sum(n_pending), sum(n_rejected),
    sum(n_unknown), now64(3, 'UTC')
FROM
(
    SELECT
        account_id, connector_id, country, sender,{_COUNTS}{_OF_THE_HOUR}
    UNION ALL
    SELECT account_id, connector_id, country, sender, 0, 0, 0, 0, 0, 0, 0, 0
    FROM sms.hour_stats FINAL
    WHERE hour = toDateTime({{hour_s:Int64}}, 'UTC')
)
GROUP BY account_id, connector_id, country, sender
"""  # noqa: S608  # no outside text in it

_CAMPAIGNS: Final = f"""
INSERT INTO sms.hour_campaigns
    (hour, campaign_id, account_id, connector_id, country,
     messages, segments, submitted, delivered, failed, pending, rejected, unknown, refreshed_at)
SELECT
    toDateTime({{hour_s:Int64}}, 'UTC') AS hour, campaign_id, account_id, connector_id, country,
    sum(n), sum(n_segments), sum(n_submitted), sum(n_delivered), sum(n_failed), sum(n_pending), sum(n_rejected),
    sum(n_unknown), now64(3, 'UTC')
FROM
(
    SELECT
        campaign_id, account_id, connector_id, country,{_COUNTS}{_OF_THE_HOUR} AND campaign_id != ''
    UNION ALL
    SELECT campaign_id, account_id, connector_id, country, 0, 0, 0, 0, 0, 0, 0, 0
    FROM sms.hour_campaigns FINAL
    WHERE hour = toDateTime({{hour_s:Int64}}, 'UTC')
)
GROUP BY campaign_id, account_id, connector_id, country
"""  # noqa: S608  # no outside text in it

_LATENCY: Final = f"""
INSERT INTO sms.hour_latency (hour, account_id, connector_id, country, delivered, latency, refreshed_at)
SELECT
    toDateTime({{hour_s:Int64}}, 'UTC') AS hour, account_id, connector_id, country,
    countIf(is_known), quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(ms, is_known), now64(3, 'UTC')
FROM
(
    SELECT
        account_id, connector_id, country,
        assumeNotNull(latency_ms) AS ms, latency_ms IS NOT NULL AS is_known{_OF_THE_HOUR}
        AND status = 'delivered'
    UNION ALL
    SELECT account_id, connector_id, country, 0, false
    FROM sms.hour_latency FINAL
    WHERE hour = toDateTime({{hour_s:Int64}}, 'UTC')
)
GROUP BY account_id, connector_id, country
"""  # noqa: S608  # no outside text in it

_ENDS: Final = f"""
INSERT INTO sms.hour_ends
    (hour, account_id, connector_id, country, status, reason, smsc_error, messages, refreshed_at)
SELECT
    toDateTime({{hour_s:Int64}}, 'UTC') AS hour, account_id, connector_id, country, status, reason, smsc_error,
    sum(n), now64(3, 'UTC')
FROM
(
    SELECT account_id, connector_id, country, status, reason, smsc_error, 1 AS n{_OF_THE_HOUR}
    UNION ALL
    SELECT account_id, connector_id, country, status, reason, smsc_error, 0
    FROM sms.hour_ends FINAL
    WHERE hour = toDateTime({{hour_s:Int64}}, 'UTC')
)
GROUP BY account_id, connector_id, country, status, reason, smsc_error
"""  # noqa: S608  # no outside text in it

_SEGMENTS: Final = f"""
INSERT INTO sms.hour_segments
    (hour, account_id, connector_id, country, encoding, segments, messages, refreshed_at)
SELECT
    toDateTime({{hour_s:Int64}}, 'UTC') AS hour, account_id, connector_id, country, encoding, segments,
    sum(n), now64(3, 'UTC')
FROM
(
    SELECT account_id, connector_id, country, encoding, segments, 1 AS n{_OF_THE_HOUR}
    UNION ALL
    SELECT account_id, connector_id, country, encoding, segments, 0
    FROM sms.hour_segments FINAL
    WHERE hour = toDateTime({{hour_s:Int64}}, 'UTC')
)
GROUP BY account_id, connector_id, country, encoding, segments
"""  # noqa: S608  # no outside text in it

_MINUTES: Final = f"""
INSERT INTO sms.minute_stats
    (minute, account_id, connector_id, country, messages, segments, submitted, delivered, refreshed_at)
SELECT
    minute, account_id, connector_id, country,
    sum(n), sum(n_segments), sum(n_submitted), sum(n_delivered), now64(3, 'UTC')
FROM
(
    SELECT
        toStartOfMinute(accepted_at) AS minute, account_id, connector_id, country,{_COUNTS}{_OF_THE_HOUR}
    UNION ALL
    SELECT minute, account_id, connector_id, country, 0, 0, 0, 0, 0, 0, 0, 0
    FROM sms.minute_stats FINAL
    WHERE minute >= toDateTime({{hour_s:Int64}}, 'UTC') AND minute < toDateTime({{hour_s:Int64}} + 3600, 'UTC')
)
GROUP BY minute, account_id, connector_id, country
"""  # noqa: S608  # no outside text in it

_MISSING: Final = f"""
INSERT INTO sms.hour_missing
    (hour, message_id, segment_index, account_id, connector_id, country, status, submitted_at, deadline_at, is_missing,
     refreshed_at)
SELECT
    toDateTime({{hour_s:Int64}}, 'UTC') AS hour, message_id, segment_index, max(account), max(connector),
    max(the_country), argMax(the_status, missing), max(submitted), max(deadline), max(missing), now64(3, 'UTC')
FROM
(
    SELECT
        message_id, segment_index, account_id AS account, sent_over AS connector, country AS the_country,
        status AS the_status, submitted, deadline, true AS missing
    FROM
    (
        SELECT
            message_id, segment_index,
            argMaxIf(connector_id, occurred_at, event = 'submitted') AS sent_over,
            maxIf(occurred_at, event = 'submitted') AS submitted,
            maxIf(deadline_at, event = 'submitted') AS deadline
        FROM sms.event_log
        WHERE segment_index > 0 AND event IN ('submitted', 'receipt', 'late_receipt')
          AND accepted_at >= fromUnixTimestamp({{hour_s:Int64}})
          AND accepted_at < fromUnixTimestamp({{hour_s:Int64}} + 3600)
        GROUP BY message_id, segment_index
        HAVING toUnixTimestamp64Milli(deadline) > 0 AND countIf(event != 'submitted') = 0
    ) AS sent
    INNER JOIN
    (
        SELECT message_id, account_id, country, status{_OF_THE_HOUR} AND status != 'delivered'
    ) AS state USING (message_id)
    UNION ALL
    SELECT
        message_id, segment_index, account_id, connector_id, country, status, submitted_at, deadline_at, false
    FROM sms.hour_missing FINAL
    WHERE hour = toDateTime({{hour_s:Int64}}, 'UTC') AND is_missing
)
GROUP BY message_id, segment_index
"""  # noqa: S608  # no outside text in it

# Once of an hour that had messages before there was an index of numbers.
NUMBERS: Final = """
INSERT INTO sms.number_log (to, accepted_at)
SELECT to, accepted_at FROM sms.message_log
WHERE to != '' AND accepted_at >= fromUnixTimestamp({hour_s:Int64})
  AND accepted_at < fromUnixTimestamp({hour_s:Int64} + 3600)
"""

# What was touched after the recomputation began has to be recomputed once more. It is said last: reports go by it.
MARK_HOUR: Final = """
INSERT INTO sms.hour_rolled (hour, is_closed, rolled_at)
SELECT toDateTime({hour_s:Int64}, 'UTC'), {is_closed:Bool}, now64(3, 'UTC') - toIntervalMillisecond({took_ms:Int64})
"""
OPEN_HOUR: Final = (REFRESH_HOUR,)
CLOSED_HOUR: Final = (REFRESH_HOUR, _CAMPAIGNS, _LATENCY, _ENDS, _SEGMENTS, _MINUTES, _MISSING)


def open_since_s(time_s: int) -> int:
    """When the hours that are open began: this one, and the last one is still as good as open. Epoch seconds."""
    return time_s - time_s % HOUR_S - HOUR_S


@dataclass(slots=True)
class RollupPlan:
    """What is due when. Times are milliseconds of the process's own clock; hours are the seconds they begin at."""

    started_at_ms: int
    _due_at_ms: int | None = None
    _rest_until_ms: int = 0
    _old_at_ms: int | None = None
    _waiting: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """The first look is due at once: an earlier process may have left hours behind."""
        self._due_at_ms = self.started_at_ms

    def changed(self, at_ms: int) -> None:
        """Events were recorded."""
        if self._due_at_ms is None:
            self._due_at_ms = max(at_ms + REFRESH_MS, self._rest_until_ms)

    def due_at_ms(self) -> int | None:
        """When the next look is due; None while nothing has changed."""
        if self._due_at_ms is not None or not self._waiting:
            return self._due_at_ms
        return (self._old_at_ms or 0) + OLD_EVERY_MS

    def choose(self, dirty: Iterable[int], at_ms: int, time_s: int) -> tuple[int, ...]:
        """Return the hours to recompute now, of those that are dirty and those that wait; the newest first.

        `time_s`: what time it is, by the clock by which messages are accepted: Kafka's.
        """
        self._waiting.update(dirty)
        self._due_at_ms = None
        if self._old_at_ms is None or at_ms - self._old_at_ms >= OLD_EVERY_MS:
            self._old_at_ms = at_ms
            chosen = set(self._waiting)
        else:
            chosen = {hour for hour in self._waiting if hour >= open_since_s(time_s)}
        newest = tuple(sorted(chosen, reverse=True)[:HOURS_MAX])
        self._waiting.difference_update(newest)
        if len(newest) < len(chosen):
            self._old_at_ms = None
            self._due_at_ms = at_ms + REFRESH_MS
        return newest

    def put_back(self, hours: Iterable[int], at_ms: int) -> None:
        """These chosen hours could not be recomputed yet: they stay due."""
        self._waiting.update(hours)
        self._old_at_ms = None
        self._due_at_ms = at_ms + REFRESH_MS

    def done(self, began_at_ms: int, at_ms: int) -> None:
        """The chosen hours are recomputed; the rest is in proportion to what it took."""
        self._rest_until_ms = at_ms + (at_ms - began_at_ms) * SHARE
        if self._due_at_ms is not None:
            self._due_at_ms = max(self._due_at_ms, self._rest_until_ms)
