"""Pure: `connector.states`: who holds which bind; compacted; key `connector|partition`."""

from typing import Final, Literal

from pydantic import Field

from schemas.wire import Wire

BindState = Literal["binding", "bound", "unbound", "auth_failed", "released"]
HELD_STATES: Final[tuple[BindState, ...]] = ("binding", "bound", "unbound", "auth_failed")


class ConnectorState(Wire):
    """A bind lease. `binding` is published, and acknowledged, before the owner connects;
    `released` after it has unbound.

    `unbound` = the owner holds the lease and has no link just now.
    """

    connector_id: str
    partition: int
    state: BindState
    owner: str = Field(description="instance|pid")
    epoch: int
    window: int = 0
    since_ms: int
    reason: str = ""
