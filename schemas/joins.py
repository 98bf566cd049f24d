"""Pure: `correlator.joins`, changelog of the join; co-partitioned with submit_results and receipts; compacted."""

from typing import Literal

from pydantic import Field

from schemas.receipts import RawReceipt
from schemas.submit_results import SubmitResult
from schemas.wire import Wire


class JoinEntry(Wire):
    """Record key: the join key, `#`, and the segment id (or the receipt's place, for an early one).

    `open`: accepted, waits for its receipt. `early`: receipts that came before the response. `closed`: its final is
    written; kept until one day after the deadline so that later receipts are recognised as late.
    """

    kind: Literal["open", "early", "closed"]
    join_key: str
    entry_id: str
    order: int = Field(default=0, description="Rises with every entry of the partition: the newest has the highest")
    result: SubmitResult | None = None
    receipt: RawReceipt | None = None
    receipt_at_ms: int = 0
    final: str = ""
    expires_at_ms: int = Field(description="When this entry is decided or forgotten, record time")
