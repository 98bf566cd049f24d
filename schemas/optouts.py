"""Pure: `config.optouts`: numbers that want no messages; compacted; key `account_id|to` or `*|to`.

A tombstone is an opt-in.
"""

from schemas.wire import Wire


class OptOut(Wire):
    account_id: str
    to: str
    since_ms: int
    source: str = ""
