"""Pure: `config.optouts`: numbers that want no messages; compacted; key `account_id|to` or `account_id|from|to`.

`*` for the account means every one. A tombstone is an opt-in.
"""

from typing import Final

from pydantic import Field

from schemas.wire import Wire

EVERY_ACCOUNT: Final = "*"


class OptOut(Wire):
    """`to` wants nothing of the account any more; of its sender `from` only, where that is given."""

    account_id: str
    sender: str | None = Field(default=None, alias="from", description="The sender it is about; any unless given")
    to: str = Field(description="The number that wants nothing, digits")
    since_ms: int
    source: str = Field(default="", description="Who says so: `handset`, `cli`, `import`")
    confirmation: str | None = Field(
        default=None, description="Idempotency key of the one request that may still be sent: what confirms it"
    )

    @property
    def key(self) -> bytes:
        """The record's key."""
        return opt_out_key(self.account_id, self.sender, self.to)


def opt_out_key(account_id: str, sender: str | None, to: str) -> bytes:
    """The key of what `to` says to an account, or to one sender of it."""
    return "|".join((account_id, to) if sender is None else (account_id, sender, to)).encode()
