"""Pure: Kafka's clock, as far as a process has learned it from what the broker said about appends of its own.

A broker that keeps LogAppendTime says in its acknowledgement when it appended a record. That moment lies between the
sending and the acknowledgement, both by the process's own monotonic clock; so the distance of the two clocks is known
to within the round trip, and every later append narrows it, or follows a broker whose clock was set.
"""


class KafkaTime:
    """Milliseconds since the epoch by Kafka's clock. Times that go in are this process's own monotonic seconds."""

    __slots__ = ("_ahead_ms",)

    def __init__(self) -> None:
        self._ahead_ms: float | None = None

    def appended(self, at_ms: int, sent_s: float, acknowledged_s: float, wall_ms: int) -> None:
        """Kafka appended a record at `at_ms` that was sent and acknowledged then. `wall_ms`: our own wall clock at the
        acknowledgement, which is believed at first as far as it does not contradict.
        """
        least, most = at_ms - acknowledged_s * 1000, at_ms + 1 - sent_s * 1000
        guess = wall_ms - acknowledged_s * 1000 if self._ahead_ms is None else self._ahead_ms
        self._ahead_ms = min(max(guess, least), most)

    def now_ms(self, monotonic_s: float) -> int | None:
        """What Kafka's clock says now; None before anything was appended."""
        return None if self._ahead_ms is None else round(monotonic_s * 1000 + self._ahead_ms)
