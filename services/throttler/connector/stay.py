"""Pure: the stays that are under way: a message's stay in the throttler, from its first dispatch until it is decided.

Theory. A stay is named message_id/route_no/run, where `run` counts the stays of a route; all its dispatches lie in one
dispatch partition, so that its whole story is in the dispatch and the feedback log of that partition. Each of its
segments is

    waiting --dispatch--> in_flight --accepted-------------------> accepted
       ^                      |-------not_sent, throttled------> waiting
       |                      |-------temporary----------------> delayed
       |                      `-------permanent, unknown--------> failed
       `--- (a stay begins with its unfinished segments waiting)

A stay is *held* once a segment is delayed or failed: nothing more of it is dispatched. It is *over* when nothing is in
flight and it is held or nothing waits; what becomes of the rest is decided at that moment (`endings`), in the
transaction that consumes the answer. Whether it is over is a function of the set of its dispatches and answers, not of
how the two logs were interleaved: that is what lets `rebuild` derive it again.
"""

from typing import Final

import orjson

from schemas.feedback import Answer
from schemas.segment_results import SegmentResult
from schemas.segments import SegmentedMessage
from schemas.topics import RETRY_LANE
from services.throttler.connector.answers import ANSWER_KINDS, AnswerKind, StayStep
from shared.kafka.records import Headers


class SegmentProgress:
    """One segment in its stay."""

    __slots__ = ("answer", "attempt", "first", "index", "octets", "offset", "share", "step", "tlvs", "tries")

    def __init__(self, index: int, octets: str, tlvs: list[tuple[int, str]], step: StayStep, attempt: int, tries: int):
        self.index = index
        self.octets = octets
        self.tlvs = tlvs
        self.step = step
        self.attempt = attempt
        self.tries = tries
        self.answer: Answer | None = None
        self.offset = -1
        """Offset of its last dispatch; -1 until Kafka has told it."""
        self.share = 0
        """Tokens a second that its last dispatch allowed its bind."""


class Stay:
    """A message's stay. `partition` is None until its first dispatch; `value` is `message` as JSON."""

    __slots__ = (
        "_event_members",
        "_result_members",
        "due_steady_ms",
        "feedback_epoch",
        "feedback_from",
        "first_offset",
        "headers",
        "held",
        "in_flight",
        "key",
        "lane",
        "message",
        "partition",
        "queued",
        "segments",
        "value",
        "waiting",
    )

    def __init__(self, message: SegmentedMessage, value: bytes, headers: Headers = ()) -> None:
        self.message = message
        self.value = value
        self.headers = headers
        self.key = f"{message.context.message_id}/{message.route_no}/{message.run}"
        self.lane: str = RETRY_LANE if message.due_at_ms else message.context.lane
        self.due_steady_ms = 0
        """Not to be dispatched before, by the own clock of whoever read it."""
        self.partition: int | None = None
        self.first_offset = -1
        self.feedback_from = 0
        """Position and epoch of the partition's feedback when the stay began: its answers lie behind it."""
        self.feedback_epoch = 0
        self.held = False
        self.queued = False
        """Stands among the begun stays of its lane."""
        self.in_flight = 0
        self.segments = {
            s.index: SegmentProgress(s.index, s.octets, s.tlvs, _STEPS[s.step], s.attempt, s.tries)
            for s in message.segments
        }
        self.waiting = sum(1 for segment in self.segments.values() if segment.step is StayStep.WAITING)
        self._event_members: bytes | None = None
        self._result_members: bytes | None = None

    @property
    def over(self) -> bool:
        return self.in_flight == 0 and (self.held or self.waiting == 0)

    @property
    def dispatchable(self) -> bool:
        return self.waiting > 0 and not self.held

    @property
    def untouched(self) -> bool:
        """Nothing of this route was ever dispatched: whoever stops it ends the message."""
        return all(segment.attempt == 0 for segment in self.segments.values())

    @property
    def bound_to_route(self) -> bool:
        """A segment is in flight, accepted or in doubt: the message must be finished on this connector."""
        return any(segment.step in _BINDING for segment in self.segments.values())

    def is_in_flight(self, segment: SegmentProgress) -> bool:
        return segment.step is StayStep.IN_FLIGHT

    def next_waiting(self) -> SegmentProgress:
        """The waiting segment with the lowest index; only where `waiting` > 0."""
        for segment in self.segments.values():
            if segment.step is StayStep.WAITING:
                return segment
        raise LookupError(f"{self.key}: nothing waits")

    def dispatch_id(self, segment: SegmentProgress) -> str:
        return f"{self.message.context.message_id}/{self.message.route_no}/{segment.index}/{segment.attempt}"

    def sent(self, segment: SegmentProgress, attempt: int, share: int) -> None:
        """A dispatch of `segment` is (or was) written."""
        if segment.step is StayStep.WAITING:
            self.waiting -= 1
        if segment.step is not StayStep.IN_FLIGHT:
            self.in_flight += 1
        segment.step = StayStep.IN_FLIGHT
        segment.attempt = attempt
        segment.share = share
        segment.offset = -1

    def answered(self, segment: SegmentProgress, answer: Answer) -> AnswerKind:
        """Apply the answer to the dispatch that is in flight of `segment`."""
        kind = ANSWER_KINDS[answer.outcome]
        segment.step = kind.next_step
        segment.answer = answer
        self.in_flight -= 1
        if segment.step is StayStep.WAITING:
            self.waiting += 1
        elif segment.step is StayStep.DELAYED:
            segment.tries += 1
            self.held = True
        elif segment.step is StayStep.FAILED:
            self.held = True
        return kind

    @property
    def result_members(self) -> bytes:
        """What all results and outcomes of the message share (`schemas.segment_results`), as JSON members."""
        if self._result_members is None:
            message = self.message
            record = {
                "schema_version": SegmentResult.CURRENT_VERSION,
                "context": message.context.members(),
                "route_no": message.route_no,
                "connector_id": message.connector_id,
                "segments": len(self.segments),
            }
            if message.receipt_scope != "segment":
                record["receipt_scope"] = message.receipt_scope
            self._result_members = orjson.dumps(record)[1:-1]
        return self._result_members

    @property
    def event_members(self) -> bytes:
        """The columns that all events of the message share, as JSON members."""
        if self._event_members is None:
            message = self.message
            columns = {
                "connector_id": message.connector_id,
                "account_id": message.context.account_id,
                "lane": message.context.lane,
                "segments": len(self.segments),
            }
            self._event_members = orjson.dumps(columns)[1:-1]
        return self._event_members

    def next_stay(self, due_at_ms: int) -> SegmentedMessage:
        """The message as the next stay of it begins with: what is neither accepted nor failed waits again."""
        segments = [
            state.model_copy(
                update={
                    "step": segment.step.value if segment.step in _KEPT else "waiting",
                    "attempt": segment.attempt,
                    "tries": segment.tries,
                }
            )
            for state, segment in zip(self.message.segments, self.segments.values(), strict=True)
        ]
        return self.message.model_copy(
            update={"run": self.message.run + 1, "due_at_ms": due_at_ms, "segments": segments}
        )


_STEPS: Final = {"waiting": StayStep.WAITING, "accepted": StayStep.ACCEPTED, "failed": StayStep.FAILED}
_KEPT: Final = frozenset({StayStep.ACCEPTED, StayStep.FAILED})
_BINDING: Final = frozenset({StayStep.IN_FLIGHT, StayStep.ACCEPTED, StayStep.FAILED})


def read_stay(value: bytes | None, connector_id: str | None, headers: Headers = ()) -> Stay:
    """The stay that a record of this connector's lane begins. Raises `ValueError` for anything else."""
    message = SegmentedMessage.from_json(value or b"")
    if message.connector_id != connector_id:
        raise ValueError(f"a message for connector {message.connector_id!r} in a topic of {connector_id!r}")
    if not message.segments:
        raise ValueError("a message without segments")
    if len({segment.index for segment in message.segments}) != len(message.segments):
        raise ValueError("two segments have the same index")
    stay = Stay(message, value or b"", headers)
    if stay.waiting == 0:
        raise ValueError("no segment waits to be dispatched")
    return stay
