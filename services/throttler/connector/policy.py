"""Pure: what the throttler needs to know of a connector's configuration."""

from dataclasses import dataclass

from schemas.gateway.connectors.kinds import Connector


@dataclass(frozen=True, slots=True)
class Policy:
    """One connector's rates and rules. Times in milliseconds; `retries_max` None = until validity."""

    connector_id: str
    kind: str
    provider: str
    tps: int
    window: int
    max_binds: int
    receipt_deadline_ms: int
    retry_delay_ms: int
    retries_max: int | None
    draining: bool

    @classmethod
    def of(cls, connector: Connector, *, draining: bool) -> "Policy":
        options = connector.options
        return cls(
            connector_id=connector.id,
            kind=connector.kind,
            provider=connector.provider,
            tps=connector.tps,
            window=connector.window,
            max_binds=connector.max_binds,
            receipt_deadline_ms=connector.receipt_deadline_s * 1000,
            retry_delay_ms=round(options.retry_delay_s * 1000),
            retries_max=options.retries_max,
            draining=draining,
        )
