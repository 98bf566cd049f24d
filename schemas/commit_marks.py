"""Pure: the metadata of offset commits: what a successor, or an operator's tool, learns from them beside the offset.

A text that is not ours (no commit yet, or one by a tool) reads as None.
"""

from dataclasses import dataclass
from typing import Final, Self

import orjson

_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class ThrottlerMark:
    """The throttler's commit of a feedback partition: where its successor begins to read.

    `dispatch_from`: lowest dispatch offset of an unfinished stay in the partition. `feedback_from` and `epoch`:
    position in the feedback, and the highest binder epoch seen before it, when that stay began.
    """

    dispatch_from: int = 0
    feedback_from: int = 0
    epoch: int = 0

    def to_text(self) -> str:
        return f'{{"L":{self.dispatch_from},"f":{self.feedback_from},"e":{self.epoch}}}'

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        numbers = _numbers(text)
        if not {"L", "f", "e"} <= numbers.keys():
            return None
        return cls(numbers["L"], numbers["f"], numbers["e"])


@dataclass(frozen=True, slots=True)
class BinderMark:
    """The binder's commit of a dispatch partition. The committed offset says what is claimed; this, what is answered.

    `answered_below`: every offset below it has its answer in Kafka. `feedback_from`: the answers for offsets from there
    on are in the feedback partition at this offset or behind it. `oldest_epoch`: feedback of older epochs at
    `feedback_from` or behind it is void; it differs from `epoch` only while an owner judges what an older one left.
    """

    answered_below: int
    epoch: int
    feedback_from: int
    oldest_epoch: int

    def to_text(self) -> str:
        """Less than 100 bytes."""
        fields = {"L": self.answered_below, "e": self.epoch, "f": self.feedback_from}
        if self.oldest_epoch != self.epoch:
            fields["v"] = self.oldest_epoch
        return orjson.dumps(fields).decode()

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        numbers = _numbers(text)
        if not {"L", "e", "f"} <= numbers.keys():
            return None
        return cls(numbers["L"], numbers["e"], numbers["f"], numbers.get("v", numbers["e"]))


@dataclass(frozen=True, slots=True)
class CommitTime:
    """The commit of ingress and encoder: when it was made, wall clock.

    `mistakes`: how many records in a row, up to then, had ended in a mistake of ours (`internal_error`).
    """

    at_ms: int
    mistakes: int = 0

    def to_text(self) -> str:
        return f"{self.at_ms} {self.mistakes}" if self.mistakes else str(self.at_ms)

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        numbers = text.split(" ")
        if len(numbers) > 2 or not all(n.isascii() and n.isdigit() and len(n) <= _DIGITS_MAX for n in numbers):
            return None
        return cls(*map(int, numbers))


def _numbers(text: str) -> dict[str, int]:
    """The fields of a JSON object whose values are all numbers from 0 up; none for any other text."""
    try:
        fields = orjson.loads(text)
    except ValueError:
        return {}
    if not isinstance(fields, dict) or not all(type(value) is int and value >= 0 for value in fields.values()):
        return {}
    return fields
