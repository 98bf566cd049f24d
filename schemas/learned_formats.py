"""Pure: `correlator.formats`: how the ids of a provider's receipts are written, as learned; key provider; compacted."""

from pydantic import Field

from schemas.wire import Int64, KnownFormat, Wire


class LearnedFormat(Wire):
    """What `message_id_format: auto` has come to for one provider. `format` absent: it is being learned anew."""

    provider: str
    format: KnownFormat | None = None
    counts: dict[str, Int64] = Field(default_factory=dict, description="Matches that speak for each format")
    decided_at_ms: Int64
