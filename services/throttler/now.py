"""Edge: reads the two clocks of a throttler."""

from services.throttler.connector.moment import Moment
from shared.process.clock import monotonic_s, now_ms


def this_moment() -> Moment:
    """Now."""
    return Moment(now_ms(), steady_ms())


def steady_ms() -> int:
    """The own clock, which also counts while the machine sleeps."""
    return int(monotonic_s() * 1000)
