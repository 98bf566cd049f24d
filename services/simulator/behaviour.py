"""Pure: what the SMSC does with a submit_sm: refuse, accept, not answer; when; and which receipts follow.

A `Behaviour` is an account of the scenario made ready for speed. It keeps no state; chance is an argument (`draw` gives
a number in [0, 1) at each call).
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

from services.simulator.scenario import AccountScenario
from shared.smpp.constants import RegisteredDelivery

Draw: TypeAlias = Callable[[], float]

THROTTLE_DEPTH_S: Final = 1.0
"""How much of its rate an account may use at once: the second that operators count in."""

_FINAL: Final = RegisteredDelivery.FINAL.value
_FAILURE_ONLY: Final = RegisteredDelivery.FAILURE_ONLY.value
_INTERMEDIATE: Final = RegisteredDelivery.INTERMEDIATE.value
_DELIVERED: Final = "DELIVRD"
NO_RECEIPT: Final = "none"


class SubmitVerdict(NamedTuple):
    """What to do with one submit; delays are seconds from its arrival.

    command_status 0 = accepted. `is_answered` False: accepted, but its response gets lost. `word` is what becomes of
    the message (`none`: nobody ever learns it), at `final_s`; `tells_final` and `tells_intermediate` say whether a
    receipt goes out about that.
    """

    command_status: int
    latency_s: float
    is_answered: bool = True
    word: str = NO_RECEIPT
    final_s: float = 0.0
    tells_final: bool = False
    tells_intermediate: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One account of the scenario. Thresholds are cumulative shares, in the order of the file.

    Spans are (least, width) in seconds. `words` has one item more than `word_thresholds`: the last takes the rest, so
    that rounding leaves no gap.
    """

    latency_s: tuple[float, float]
    error_thresholds: tuple[float, ...]
    errors: tuple[int, ...]
    unanswered: float
    word_thresholds: tuple[float, ...]
    words: tuple[str, ...]
    delay_s: tuple[float, float]
    intermediate: float

    @classmethod
    def of(cls, account: AccountScenario) -> "Behaviour":
        receipts = account.receipts
        mix = {word: share for word, share in receipts.mix.items() if share > 0}
        return cls(
            latency_s=_span_s(account.latency_ms),
            error_thresholds=tuple(accumulate(one.share for one in account.errors)),
            errors=tuple(one.command_status for one in account.errors),
            unanswered=account.unanswered,
            word_thresholds=tuple(accumulate(mix.values()))[:-1],
            words=tuple(mix),
            delay_s=_span_s(receipts.delay_ms),
            intermediate=receipts.intermediate,
        )

    def judge(self, registered_delivery: int, draw: Draw) -> SubmitVerdict:
        """What becomes of a submit with this registered_delivery (SMPP 3.4 section 5.2.17)."""
        least, width = self.latency_s
        latency_s = least + width * draw() if width else least
        if self.errors:
            refused = bisect_right(self.error_thresholds, draw())
            if refused < len(self.errors):
                return SubmitVerdict(self.errors[refused], latency_s)
        is_answered = not self.unanswered or draw() >= self.unanswered
        word = self.words[bisect_right(self.word_thresholds, draw())] if self.word_thresholds else self.words[0]
        least, width = self.delay_s
        return SubmitVerdict(
            0,
            latency_s,
            is_answered,
            word,
            least + width * draw() if width else least,
            registered_delivery != 0 and word != NO_RECEIPT and asks_for_final(registered_delivery, word),
            bool(self.intermediate and registered_delivery & _INTERMEDIATE and draw() < self.intermediate),
        )


def asks_for_final(registered_delivery: int, word: str) -> bool:
    """Whether a final receipt with this word is wanted; the reserved value 3 is read as 1."""
    if registered_delivery & 3 == _FAILURE_ONLY:
        return word != _DELIVERED
    return bool(registered_delivery & _FINAL)


class Throttle:
    """At most `tps` a second, and THROTTLE_DEPTH_S of it at once: a bucket that refills steadily (GCRA)."""

    def __init__(self, tps: float | None) -> None:
        self._interval_s = 1 / tps if tps else 0.0
        self._empty_at = float("-inf")

    def admits(self, now: float) -> bool:
        """Count one submit at `now`; False, and nothing counted, when it is one too many."""
        if not self._interval_s:
            return True
        empty_at = max(self._empty_at, now) + self._interval_s
        if empty_at - now > THROTTLE_DEPTH_S + 1e-9:
            return False
        self._empty_at = empty_at
        return True


def _span_s(span_ms: tuple[float, float]) -> tuple[float, float]:
    least, most = span_ms
    return least / 1000, (most - least) / 1000
