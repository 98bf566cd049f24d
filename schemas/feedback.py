"""Pure: `mt.feedback.<connector>`: what became of dispatched segments; same partitions as dispatch.

Answers say what the throttler decides by in words that every kind of connector shares; what else the channel said is
carried for statuses, events and the join with receipts. Version 1 was SMPP's alone; `Feedback.from_json` reads it as
version 2.
"""

from collections.abc import Callable
from typing import ClassVar, Final, Literal, Self

from pydantic import Field

from schemas.wire import Int64, Wire

AnswerWord = Literal["accepted", "not_sent", "throttled", "temporary", "permanent", "outcome_unknown"]
"""throttled = not taken, the connector is too fast; temporary = not taken, this segment may be tried again later;
permanent = refused for good; outcome_unknown = it may have been sent, and nobody will tell."""


class Answer(Wire):
    """One dispatched segment's answer. `offset` is that of its dispatch record in the same partition number."""

    id: str
    offset: Int64
    outcome: AnswerWord
    reason: str | None = Field(default=None, description="in_doubt or no_submit_response where unknown; why not_sent")
    smsc_error: str | None = Field(default=None, description="The channel's error as a status shows it")
    error_code: Int64 | None = Field(default=None, description="The same as a number, where it has one")
    smsc_message_ids: tuple[str, ...] = Field(
        default=(),
        description="What the channel calls what it accepted, as written; several where it cuts a message itself",
    )
    join_ids: tuple[str, ...] = Field(
        default=(),
        description="The same ids in that order, as the keys of their receipts have them; absent where that is alike",
    )
    submitted_at_ms: Int64 | None = Field(default=None, description="When the first octet was written to the socket")
    answered_at_ms: Int64


class Feedback(Wire):
    """One record per batch of answers.

    kind `answers`: from the bind that owns the partition. `fence`: a new owner with a higher `epoch`; answers of older
    epochs behind it are void. `closed`: written by the throttler itself, names the stays (message_id/route_no/run) that
    it ended without an answer, so that its successor does not end them again; the binder ignores it.
    """

    CURRENT_VERSION: ClassVar[int] = 2
    schema_version: int = 2
    kind: Literal["answers", "fence", "closed"]
    connector_id: str
    partition: Int64
    epoch: Int64 = 0
    owner: str = Field(default="", description="instance|pid")
    answers: list[Answer] = Field(default_factory=list)
    closed: list[str] = Field(default_factory=list)

    @classmethod
    def from_json(cls, value: bytes | str, join_id_of: Callable[[str], str] = str) -> Self:
        """`join_id_of` makes the join id of an answer of version 1, which had only the SMSC's."""
        found = super().from_json(value)
        if found.schema_version >= cls.CURRENT_VERSION:
            return found
        answers = [answer.upgraded(join_id_of) for answer in _FeedbackV1.from_json(value).answers]
        return found.model_copy(update={"schema_version": cls.CURRENT_VERSION, "answers": answers})


_THROTTLED_V1: Final = 0x58
"""The command_status ESME_RTHROTTLED, SMPP 3.4 section 5.1.3."""


class _AnswerV1(Wire):
    id: str
    offset: Int64
    outcome: Literal["accepted", "not_sent", "temporary", "permanent", "outcome_unknown"]
    reason: str | None = None
    command_status: Int64 | None = None
    smsc_message_id: str | None = None
    submitted_at_ms: Int64 | None = None
    answered_at_ms: Int64

    def upgraded(self, join_id_of: Callable[[str], str]) -> Answer:
        status = self.command_status
        throttled = self.outcome == "temporary" and status == _THROTTLED_V1
        named = (self.smsc_message_id,) if self.smsc_message_id else ()
        return Answer(
            id=self.id,
            offset=self.offset,
            outcome="throttled" if throttled else self.outcome,
            reason=self.reason,
            smsc_error=f"0x{status:08x}" if status else None,
            error_code=status or None,
            smsc_message_ids=named,
            join_ids=tuple(map(join_id_of, named)),
            submitted_at_ms=self.submitted_at_ms,
            answered_at_ms=self.answered_at_ms,
        )


class _FeedbackV1(Wire):
    answers: list[_AnswerV1] = Field(default_factory=list)
