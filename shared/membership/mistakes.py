"""Edge: mistakes of ours (`internal_error`): one costs a record, many in a row stop the consumer.

One record that no code of ours expected is a dead letter, and those behind it go on. When `SMSGW_INTERNAL_ERRORS_MAX`
records in a row end so, it is not the records: the consumer stops, and the batch in hand is neither produced nor
committed, so its records come again. The process is started again by its supervisor; for that, the length of the row is
committed with the offsets. A successor goes on counting where this process was, and stops again at the next mistake
instead of turning some more records into dead letters every time. The first record that is decided ends the row.
"""

import logging
from collections.abc import Iterable
from typing import Final

from schemas.commit_marks import StageMark
from shared.kafka.records import In, Out, dead_letter_of_mistake
from shared.process.service import CannotGoOn, Service

log = logging.getLogger(__name__)


class TooManyMistakes(CannotGoOn):
    """So many records in a row ended in a mistake of ours that the consumer stops."""


class Mistakes:
    """The mistakes of one consumer (`group`)."""

    def __init__(self, service: Service, group: str) -> None:
        self._service: Final = service
        self._group: Final = group
        self._in_a_row = 0

    def resume(self, marks: Iterable[StageMark]) -> None:
        """Count on from what was committed with the offsets of the assigned partitions."""
        latest = max(marks, key=lambda mark: mark.appended_at_ms, default=None)
        if latest is not None:
            self._in_a_row = max(self._in_a_row, latest.mistakes)

    @property
    def in_a_row(self) -> int:
        """How many records, up to now."""
        return self._in_a_row

    def decided(self) -> None:
        """A record was decided: the row ends."""
        self._in_a_row = 0

    def dead_letter(self, record: In, error: Exception, at_ms: int) -> Out:
        """What becomes of a record that raised `error`. Raises TooManyMistakes when it is one too many."""
        place = f"{record.topic}:{record.partition} offset {record.offset}"
        log.error("%s: a mistake of ours", place, exc_info=error)
        self._in_a_row += 1
        if self._in_a_row >= self._service.settings.internal_errors_max:
            raise TooManyMistakes(
                f"{self._group} stopped: {self._in_a_row} records in a row ended in a mistake of ours, "
                f"the last one, {place}, in {error!r}"
            ) from error
        return dead_letter_of_mistake(record, error, at_ms=at_ms, service=self._service.name)
