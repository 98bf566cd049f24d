"""Pure: `correlator.searches`: receipts on their way from one key of the join to another; co-partitioned with the join.

How a receipt writes an id may differ from how the response wrote it, and it may have two. So a receipt that finds no
submission under one key is looked for under the next, in whatever partition that lies. Key `provider|smsc_id`.
"""

from typing import Literal

from pydantic import Field

from schemas.joins import SeenReceipt
from schemas.wire import Int64, Wire

SearchKind = Literal["search", "found", "matches", "replay"]


class ReceiptSearch(Wire):
    """`search`: look for the submission of `receipt` under this key. `found`: it was found under another, so what lies
    early here is to be dropped. `matches`: how many receipts of the provider were matched, by the format of their ids.
    `replay`: an operator wants the receipt in `raw` joined by today's options.
    """

    kind: SearchKind
    receipt: SeenReceipt | None = Field(default=None, description="search: the receipt")
    names: list[str] = Field(default_factory=list, description="search: ids to look under, in this order")
    parked: list[str] = Field(default_factory=list, description="search: ids under which it waits meanwhile")
    doubtful: list[str] = Field(
        default_factory=list, description="search: ids with a submission whose number is another one"
    )
    parks: bool = Field(default=True, description="search: wait under every id that has nothing yet")
    strict: bool = Field(default=False, description="search: only the right number counts")
    decided: bool = Field(default=False, description="search: it belongs here, whatever the number")
    origin: tuple[Int64, Int64] | None = Field(
        default=None, description="found, replay: partition and offset of the receipt in smsc.receipts"
    )
    record_at_ms: Int64 = Field(default=0, description="replay: time of its record there")
    raw: str = Field(default="", description="replay: its record there, as JSON text")
    matches: dict[str, Int64] = Field(default_factory=dict, description="matches: how many, by format")
