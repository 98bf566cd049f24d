"""Edge: keys of the HTTP door: made from the machine's randomness, and listed from the configuration."""

import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from schemas.gateway.file import AppliedConfig

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_OCTETS: Final = 32
_LENGTH: Final = 43
"""62^43 is just above 256^32: every random number has its own digits."""


def new_key(account: str) -> tuple[str, str]:
    """A key and its SHA-256 (of the whole key in UTF-8, hexadecimal). The key is kept nowhere."""
    number = int.from_bytes(secrets.token_bytes(_RANDOM_OCTETS))
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    key = f"smsgw_{account}_{''.join(reversed(digits))}"
    return key, sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One key as the configuration has it. `kept`: its hash, or where its value is."""

    account: str
    key_id: str
    kept: str
    twilio_account: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def listed_keys(applied: AppliedConfig | None, account: str = "") -> list[ListedKey]:
    """The keys of all accounts, or of one, in the order of the file."""
    accounts = applied.gateway.accounts if applied else ()
    return [
        ListedKey(one.id, key.id, _kept(key.sha256, key.env, key.file), twilio_account(one.id))
        for one in accounts
        if not account or one.id == account
        for key in one.api_keys
    ]


def _kept(hashed: str | None, env: str | None, file: str | None) -> str:
    return f"sha256 {hashed}" if hashed else f"env {env}" if env else f"file {file}"


def twilio_account(account: str) -> str:
    """What Twilio's clients call an account: `AC` and 32 hexadecimal digits."""
    return f"AC{sha256(account.encode()).hexdigest()[:32]}"
