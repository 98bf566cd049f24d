"""Pure: the record key of a request that has an idempotency key."""


def home_key(account_id: str, idempotency_key: str) -> bytes:
    """With this record key the default partitioner brings a request to where its idempotency key is looked after."""
    return f"{account_id}:{idempotency_key}".encode()
