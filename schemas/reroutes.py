"""Pure: `mt.reroutes`: a submission whose route ended before anything of it was in flight, back to ingress."""

from typing import Any

from schemas.submissions import Submission
from schemas.wire import Int64


class Reroute(Submission):
    """The submission of the ended route: ingress gives it `route_no` + 1 and another connector, or ends the message.

    `status` and `reason` become the final status when no connector is left.
    """

    status: str
    reason: str
    field: str | None = None
    smsc_error: str | None = None
    occurred_at_ms: Int64

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 held the submission as a member, of version 1 too."""
        submission = record.get("submission")
        return record | super().from_earlier(submission if isinstance(submission, dict) else {})
