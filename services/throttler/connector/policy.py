"""Pure: what the throttler needs to know of a connector's configuration."""

from dataclasses import dataclass

from schemas.gateway.connectors.kinds import Connector
from shared.sms.smsc_message_id import MessageIdFormat, response_key


@dataclass(frozen=True, slots=True)
class Policy:
    """One connector's rates and rules. Times in milliseconds; `retries_max` None = until validity.

    `message_id_format` is for answers of version 1, which bring no join id.
    """

    connector_id: str
    kind: str
    provider: str
    tps: int
    window: int
    max_binds: int
    receipt_deadline_ms: int
    retry_delay_ms: int
    retries_max: int | None
    message_id_format: MessageIdFormat
    draining: bool

    def join_id_of(self, smsc_message_id: str) -> str:
        """The join id of an answer that brings none."""
        return response_key(smsc_message_id, self.message_id_format)

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
            message_id_format=options.message_id_format,
            draining=draining,
        )
