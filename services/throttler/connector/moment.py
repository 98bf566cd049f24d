"""Pure: one moment by the two clocks that a throttler goes by."""

from typing import NamedTuple


class Moment(NamedTuple):
    """`at_ms` is Kafka's time, which validity counts by; it may be set, forward or back. `steady_ms` is this process's
    own monotonic clock: whatever waits, paces or comes again counts by it, and by nobody else's.
    """

    at_ms: int
    steady_ms: int

    def steady_of(self, at_ms: int) -> int:
        """When, by the own clock, Kafka's will show `at_ms`, unless it is set before."""
        return self.steady_ms + at_ms - self.at_ms
