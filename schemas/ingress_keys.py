"""Pure: `ingress.keys` and `ingress.keys.otp`: idempotency keys, co-partitioned with the requests; compacted, 24 h."""

from pydantic import Field

from schemas.wire import Wire


class IdempotencyKey(Wire):
    """Record key: 32 hex digits of hash(account, key). The first message that used it and a hash of its body."""

    message_id: str
    body: str = Field(description="32 hex digits, hash of the request's meaning")
    accepted_at_ms: int
    offset: int | None = Field(default=None, description="of the record that took the key, in the requests' partition")
