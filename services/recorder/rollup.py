"""Pure: the hourly roll-up: which hours are recomputed when, and the SQL that does it.

Hours are recomputed from the messages, never incremented, so a repeat changes nothing. A recomputation reads all
messages of the hour; so the time between two grows with what one takes, and hours that late receipts touch wait for
each other.
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
HOUR_S: Final = 3600
LOOK_BACK_S: Final = 86_400
"""After a start: hours touched by events of the last day and not recomputed since are taken up again."""
OVERLAP_S: Final = 60

# An hour is dirty when an event of one of its messages came in after the hour was last recomputed, or shortly before.
DIRTY_HOURS: Final = """
SELECT toUnixTimestamp(touched.hour)
FROM
(
    SELECT toStartOfHour(accepted_at) AS hour, max(recorded_at) AS last_at
    FROM sms.event_log
    WHERE recorded_at >= now() - INTERVAL {back_s:Int64} SECOND AND toUnixTimestamp64Milli(accepted_at) > 0
    GROUP BY hour
) AS touched
LEFT JOIN
(
    SELECT hour, max(refreshed_at) AS last_at FROM sms.hour_stats GROUP BY hour
) AS refreshed ON refreshed.hour = touched.hour
WHERE touched.last_at + 5 >= refreshed.last_at
ORDER BY 1
"""

# The second half of the union writes zeroes over cells that have become empty.
REFRESH_HOUR: Final = """
INSERT INTO sms.hour_stats
SELECT
    toDateTime({hour_s:Int64}, 'UTC') AS hour, account_id, connector_id, country, sender,
    sum(n), sum(n_segments), sum(n_submitted), sum(n_delivered), sum(n_failed), sum(n_pending), now64(3, 'UTC')
FROM
(
    SELECT
        account_id, connector_id, country, sender,
        1 AS n,
        segments AS n_segments,
        submitted_at IS NOT NULL AS n_submitted,
        status = 'delivered' AS n_delivered,
        final AND status NOT IN ('delivered', 'submitted') AS n_failed,
        NOT final AS n_pending
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({hour_s:Int64}) AND accepted_at < fromUnixTimestamp({hour_s:Int64} + 3600)
    UNION ALL
    SELECT account_id, connector_id, country, sender, 0, 0, 0, 0, 0, 0
    FROM sms.hour_stats FINAL
    WHERE hour = toDateTime({hour_s:Int64}, 'UTC')
)
GROUP BY account_id, connector_id, country, sender
"""


@dataclass(slots=True)
class RollupPlan:
    """What is due when. Times are milliseconds of the process's own clock; hours are the seconds they begin at.

    How far events are looked at is told in seconds back from ClickHouse's now: it stamped them, by its own clock.
    """

    started_at_ms: int
    _due_at_ms: int | None = None
    _rest_until_ms: int = 0
    _old_at_ms: int | None = None
    _looked_at_ms: int | None = None
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

    def back_s(self, at_ms: int) -> int:
        """Events recorded in the last so many seconds are looked at for dirty hours."""
        if self._looked_at_ms is None:
            return LOOK_BACK_S
        return (at_ms - self._looked_at_ms) // 1000 + OVERLAP_S

    def choose(self, dirty: Iterable[int], at_ms: int, time_s: int) -> tuple[int, ...]:
        """Return the hours to recompute now, of those that are dirty and those that wait; the newest first.

        `time_s`: what time it is, by the clock by which messages are accepted: Kafka's.
        """
        self._waiting.update(dirty)
        self._looked_at_ms = at_ms
        self._due_at_ms = None
        current_s = time_s - time_s % HOUR_S - HOUR_S  # the last hour is still as good as open
        if self._old_at_ms is None or at_ms - self._old_at_ms >= OLD_EVERY_MS:
            self._old_at_ms = at_ms
            chosen = set(self._waiting)
        else:
            chosen = {hour for hour in self._waiting if hour >= current_s}
        self._waiting -= chosen
        return tuple(sorted(chosen, reverse=True))

    def failed(self, hours: Iterable[int], at_ms: int) -> None:
        """These chosen hours could not be recomputed: they stay due."""
        self._waiting.update(hours)
        self._old_at_ms = None
        self._due_at_ms = at_ms + REFRESH_MS

    def done(self, began_at_ms: int, at_ms: int) -> None:
        """The chosen hours are recomputed; the rest is in proportion to what it took."""
        self._rest_until_ms = at_ms + (at_ms - began_at_ms) * SHARE
