"""Pure: `mt.feedback.<connector>`: what became of dispatched segments; same partitions as dispatch."""

from typing import Literal

from pydantic import Field

from schemas.wire import Int64, Wire

AnswerWord = Literal["accepted", "not_sent", "temporary", "permanent", "outcome_unknown"]


class Answer(Wire):
    """One dispatched segment's answer. `offset` is that of its dispatch record in the same partition number."""

    id: str
    offset: Int64
    outcome: AnswerWord
    reason: str | None = Field(default=None, description="in_doubt or no_submit_response where unknown; why not_sent")
    command_status: Int64 | None = None
    smsc_message_id: str | None = None
    submitted_at_ms: Int64 | None = Field(default=None, description="When the first octet was written to the socket")
    answered_at_ms: Int64


class Feedback(Wire):
    """One record per batch of answers.

    kind `answers`: from the bind that owns the partition. `fence`: a new owner with a higher `epoch`; answers of older
    epochs behind it are void. `closed`: written by the throttler itself, names the runs (message_id/route_no/run) that
    it ended without an answer, so that its successor does not end them again; the binder ignores it.
    """

    kind: Literal["answers", "fence", "closed"]
    connector_id: str
    partition: Int64
    epoch: Int64 = 0
    owner: str = Field(default="", description="instance|pid")
    answers: list[Answer] = Field(default_factory=list)
    closed: list[str] = Field(default_factory=list)
