"""Pure: whose key it is, and who has guessed too often. Keys are found by their hash and compared in constant time."""

import hmac
import ipaddress
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from schemas.gateway.accounts import Account, ApiKey
from shared.operations.keys import twilio_account

ATTEMPTS_MAX: Final = 20
ATTEMPTS_WITHIN_S: Final = 60.0
ADDRESSES_MAX: Final = 100_000
"""Of which failures are remembered: whoever fails from more addresses than these pushes out the oldest."""

_KEY_OCTETS_MAX: Final = 512


class KeyRing:
    """The keys of one configuration. `hash_of` says the hash of a key, None where its secret is missing."""

    def __init__(
        self,
        accounts: Iterable[Account],
        hash_of: Callable[[ApiKey], bytes | None],
        token_of: Callable[[Account], str | None] = lambda account: None,
    ) -> None:
        """`token_of`: an account's auth token of Twilio's door, None where it has none."""
        self._owners: Final[dict[bytes, Account]] = {}
        self._tokens: Final[dict[str, tuple[Account, str]]] = {}
        for account in accounts:
            if (token := token_of(account)) is not None:
                self._tokens[account.id] = self._tokens[twilio_account(account.id)] = (account, token)
            for key in account.api_keys:
                if (hashed := hash_of(key)) is not None:
                    self._owners.setdefault(hashed, account)
        self._hashes: Final = {hashed: hashed for hashed in self._owners}

    def account_of(self, authorization: str | None) -> Account | None:
        """The account of an Authorization header: Bearer with the key, or Basic with account and key."""
        scheme, _, rest = (authorization or "").partition(" ")
        if len(rest) > _KEY_OCTETS_MAX:
            return None
        match scheme.lower():
            case "bearer":
                return self._found(rest.strip())
            case "basic":
                name, _, key = _basic(rest.strip()).partition(":")
                return self.account_with(name, key)
        return None

    def twilio_account(self, authorization: str | None) -> Account | None:
        """The account of a Basic header whose user is its AC sid, or its id, and whose password is its auth token, or
        one of its keys."""
        scheme, _, rest = (authorization or "").partition(" ")
        name, _, secret = _basic(rest.strip()).partition(":") if scheme.lower() == "basic" else ("", "", "")
        account, token = self._tokens.get(name, (None, ""))
        if account is not None and hmac.compare_digest(token.encode(), secret.encode("utf-8", "surrogatepass")):
            return account
        by_key = self._found(secret) if len(secret) <= _KEY_OCTETS_MAX else None
        return by_key if by_key is not None and name in (by_key.id, twilio_account(by_key.id)) else None

    def account_with(self, name: str, key: str) -> Account | None:
        """The account of this name, where this is one of its keys."""
        account = self._found(key) if len(key) <= _KEY_OCTETS_MAX else None
        return account if account is not None and account.id == name else None

    def _found(self, key: str) -> Account | None:
        hashed = sha256(key.encode("utf-8", "surrogatepass")).digest()
        known = self._hashes.get(hashed)
        return self._owners[known] if known is not None and hmac.compare_digest(known, hashed) else None


def _basic(encoded: str) -> str:
    try:
        return b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return ""


class Failures:
    """Wrong keys by address. Times are the process's own monotonic seconds."""

    def __init__(self) -> None:
        self._times: Final[OrderedDict[str, list[float]]] = OrderedDict()
        self._until: Final[dict[str, float]] = {}

    def failed(self, address: str, now_s: float) -> float:
        """A wrong key came from there. Returns for how many seconds wrong keys from there are not looked at; 0 when
        they are."""
        place = network_of(address)
        if (until := self._until.get(place, 0.0)) > now_s:
            return until - now_s
        self._until.pop(place, None)
        times = [at for at in self._times.pop(place, []) if at > now_s - ATTEMPTS_WITHIN_S]
        if len(times) >= ATTEMPTS_MAX:
            self._until[place] = now_s + ATTEMPTS_WITHIN_S
            return ATTEMPTS_WITHIN_S
        self._times[place] = [*times, now_s]
        if len(self._times) > ADDRESSES_MAX:
            self._times.popitem(last=False)
        if len(self._until) > ADDRESSES_MAX:
            del self._until[next(iter(self._until))]
        return 0.0


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, of IPv6 the /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def client_of(peer: str, forwarded_for: str, trusted: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    """Who asks: the peer, or where that is a trusted proxy, the last address in X-Forwarded-For that is none."""
    networks = tuple(trusted)
    asking = peer
    for hop in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not _within(asking, networks):
            break
        asking = hop
    return asking


def _within(address: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
