"""Pure: what is in flight, derived again from the logs of one dispatch partition by whoever takes the connector over.

Every committed transaction of the predecessor consumed feedback up to the committed offset and wrote what follows from
it. So answers below that offset are only marked: the stays they made over are dropped, because what followed from them
is written. What is left is acted on as if nothing had happened. Answers behind the committed offset come through the
front door.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.commit_marks import ThrottlerMark
from schemas.dispatch import Dispatch
from schemas.feedback import Feedback
from schemas.topics import dispatch_topic
from services.throttler.connector.pacing import share_of
from services.throttler.connector.stay import Stay, read_stay
from shared.kafka.records import In, trace_headers


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The open stays of a partition in the order of their first dispatch, and where its logs stand.

    `next_offset` is behind the last dispatch, `position` the committed feedback offset, `epoch` the highest before it.
    """

    stays: tuple[Stay, ...]
    position: int
    epoch: int
    next_offset: int


def rebuild(
    mark: ThrottlerMark, dispatches: Iterable[In], dispatch_end: int, feedback: Iterable[In], committed: int
) -> Rebuilt:
    """`dispatches`: from `mark.dispatch_from` to the partition's end; `feedback`: from `mark.feedback_from` to its end.

    Dispatches of a stay whose first one lies before the mark are passed over: the stay is finished. `closed` records
    count wherever they lie, also behind `committed`: each stands in the transaction that ended its stays.
    """
    stays: dict[str, Stay] = {}
    for record in dispatches:
        _dispatched(stays, mark, record)
    last = _LastDispatches(stays.values())
    epoch = mark.epoch
    for record in feedback:
        found = _feedback(record)
        if found is None:
            continue
        if found.kind == "closed":
            for key in found.closed:
                stays.pop(key, None)
        elif record.offset < committed:
            if found.epoch >= epoch:
                last.answered(found)
            epoch = max(epoch, found.epoch)
    return Rebuilt(tuple(stay for stay in stays.values() if not stay.over), committed, epoch, dispatch_end)


def _dispatched(stays: dict[str, Stay], mark: ThrottlerMark, record: In) -> None:
    try:
        dispatch = Dispatch.from_json(record.value or b"")
        key = f"{dispatch.message_id}/{dispatch.route_no}/{dispatch.run}"
        stay = stays.get(key)
        if stay is None:
            if dispatch.message is None:
                return
            connector_id = record.topic.removeprefix(dispatch_topic(""))
            stay = read_stay(dispatch.message.encode(), connector_id, trace_headers(record))
            stay.first_offset = record.offset
            stay.feedback_from = mark.feedback_from
            stay.feedback_epoch = mark.epoch
            stays[key] = stay
        segment = stay.segments[dispatch.index]
    except (ValueError, KeyError):
        return  # not ours; its bind answers it as permanent and keeps it as a dead letter
    stay.sent(segment, dispatch.attempt, share_of(dispatch.spacing_us))
    segment.offset = record.offset


def _feedback(record: In) -> Feedback | None:
    try:
        return Feedback.from_json(record.value or b"")
    except ValueError:
        return None


class _LastDispatches:
    """The last dispatch of every segment, by its id and by its offset."""

    def __init__(self, stays: Iterable[Stay]) -> None:
        places = [(stay, segment) for stay in stays for segment in stay.segments.values() if segment.offset >= 0]
        self._by_id = {stay.dispatch_id(segment): (stay, segment) for stay, segment in places}
        self._by_offset = {segment.offset: (stay, segment) for stay, segment in places}

    def answered(self, feedback: Feedback) -> None:
        for answer in feedback.answers:
            found = self._by_id.get(answer.id) if answer.id else self._by_offset.get(answer.offset)
            if found is not None and found[0].is_in_flight(found[1]):
                found[0].answered(found[1], answer)
