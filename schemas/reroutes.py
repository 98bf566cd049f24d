"""Pure: `mt.reroutes`: a submission whose route ended before anything of it was in flight, back to ingress."""

from schemas.submissions import Submission
from schemas.wire import Int64, Wire


class Reroute(Wire):
    """`submission` is that of the ended route; ingress gives it `route_no` + 1 and another connector, or ends it.

    `status` and `reason` become the final status when no connector is left.
    """

    submission: Submission
    status: str
    reason: str
    field: str | None = None
    smsc_error: str | None = None
    occurred_at_ms: Int64
