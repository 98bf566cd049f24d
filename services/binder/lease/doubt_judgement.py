"""Pure: what a new owner of a dispatch partition makes of what the old one left (docs/guarantees.md, Binder).

L, X and epoch are those of `submit/journal.py`. Order of a takeover: commit `DoubtJudgement.mark` (Kafka refuses that
to anyone who does not own the partition), write a fence with its epoch, read the feedback from `mark.feedback_from` up
to the fence, read the dispatch records of [L, X), and answer those that are `doubtful` with `outcome_unknown`. A crash
anywhere in it leaves the old mark, or the same one with a higher epoch: the next owner judges again and finds what was
already answered.
"""

from collections.abc import Iterable

from schemas.commit_marks import BinderMark
from schemas.feedback import Feedback
from services.binder.submit.journal import Journal


def mark_of_unknown(committed: int, epoch: int) -> BinderMark:
    """The mark to go by where the commit has none of ours (no commit yet, or one by a tool): nothing below X is ours to
    judge, and every answer that was ever written may count. `epoch` is the greatest one known from elsewhere.
    """
    return BinderMark(committed, epoch, 0, 0)


class DoubtJudgement:
    """One takeover. `found` is the mark that the last owner committed, `committed` its X."""

    def __init__(self, found: BinderMark, committed: int) -> None:
        self._found = found
        self._committed = committed
        self._epoch_seen = found.oldest_epoch
        self._answered: set[int] = set()
        self._places: list[tuple[int, int]] = []
        self.mark = BinderMark(found.answered_below, found.epoch + 1, found.feedback_from, found.oldest_epoch)

    def read(self, feedback: Feedback, feedback_offset: int) -> None:
        """A record of the feedback partition between `mark.feedback_from` and the own fence, in order.

        The throttler reads them by the same rule: behind a fence, answers of older epochs are void.
        """
        if feedback.kind == "fence":
            self._epoch_seen = max(self._epoch_seen, feedback.epoch)
        elif feedback.kind == "answers" and feedback.epoch >= self._epoch_seen:
            offsets = [a.offset for a in feedback.answers if a.offset >= self._found.answered_below]
            if offsets:
                self._answered.update(offsets)
                self._places.append((feedback_offset, max(offsets)))

    def doubtful(self, offsets: Iterable[int]) -> list[int]:
        """Which of the dispatch records of [L, X) may have been sent and have no answer."""
        low, high = self._found.answered_below, self._committed
        return [o for o in offsets if low <= o < high and o not in self._answered]

    def journal(self, doubtful: Iterable[int], fence_offset: int) -> Journal:
        """The new owner's journal; the doubtful ones are claimed in it and wait for their answer."""
        journal = Journal(self.mark, self._committed, waiting=False, own_from=fence_offset)
        journal.inherit(doubtful, (o for o in self._answered if o >= self._committed), self._places)
        return journal
