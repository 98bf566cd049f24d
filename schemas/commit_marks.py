"""Pure: the metadata of offset commits: what a successor, or an operator's tool, learns from them beside the offset.

A text that is not ours (no commit yet, or one by a tool) reads as None.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

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
class Writer:
    """The producer of one run of a process, as Kafka knows it: its `transactional.id` and the producer id behind that.

    No other run has the same, so whoever fences it fences nobody else.
    """

    transactional_id: str
    producer_id: int


@dataclass(frozen=True, slots=True)
class StageMark:
    """The commit of a stage that writes at least once (ingress, encoder, recorder).

    `appended_at_ms`: Kafka's time of the last append before the commit. What follows from records behind the committed
    offset was appended then or later. `mistakes`: how many records in a row, up to then, had ended in a mistake of ours
    (`internal_error`). `writer`: who may still append what follows from records behind the committed offset; None =
    nobody, the partition was given back.
    """

    appended_at_ms: int
    mistakes: int = 0
    writer: Writer | None = None

    def to_text(self) -> str:
        """Less than 400 octets; a broker takes 4,096."""
        fields: dict[str, object] = {"t": self.appended_at_ms}
        if self.mistakes:
            fields["m"] = self.mistakes
        if self.writer is not None:
            fields |= {"w": self.writer.transactional_id, "p": self.writer.producer_id}
        return orjson.dumps(fields).decode()

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        fields = _object(text)
        writer_id = fields.pop("w", None)
        if not _all_whole(fields) or "t" not in fields or (writer_id is None) != ("p" not in fields):
            return cls._from_earlier(text)
        writer = None
        if writer_id is not None:
            if not isinstance(writer_id, str):
                return None
            writer = Writer(writer_id, fields["p"])
        return cls(fields["t"], fields.get("m", 0), writer)

    @classmethod
    def _from_earlier(cls, text: str) -> Self | None:
        """Earlier versions wrote the wall clock at the commit, and the mistakes behind it where there were any."""
        numbers = text.split(" ")
        if len(numbers) > 2 or not all(n.isascii() and n.isdigit() and len(n) <= _DIGITS_MAX for n in numbers):
            return None
        at_ms, mistakes = map(int, (*numbers, "0")[:2])
        return cls(at_ms, mistakes)


def _numbers(text: str) -> dict[str, int]:
    """The fields of a JSON object whose values are all numbers from 0 up; none for any other text."""
    fields = _object(text)
    return fields if _all_whole(fields) else {}


def _object(text: str) -> dict[str, Any]:
    """The fields of a JSON object; none for any other text."""
    try:
        fields = orjson.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _all_whole(fields: dict[str, Any]) -> bool:
    return all(type(value) is int and value >= 0 for value in fields.values())
