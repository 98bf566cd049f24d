"""Pure: same account and same idempotency key = same message, for 24 hours of record time.

One `KeyStore` per partition of the requests. A key costs 48 octets: 16 of hash(account, key), 16 of the message_id
(whose first six octets are the acceptance time in milliseconds: it is a UUIDv7), 10 of the body's hash and 6 of the
offset of the record that took the key. They lie in
order of arrival in 16,384 small byte arrays chosen by the hash: looking up searches one array in C, expiring cuts off
its front, growing never rehashes. A dict of the same entries takes four times the memory.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, TypeAlias

import orjson

from schemas.requests import VALIDITY_DEFAULT_S
from shared.messages.admission import Admitted

KEEP_MS: Final = 24 * 3_600_000
HASH_OCTETS: Final = 16
_BODY_OCTETS: Final = 10
_OFFSET_OCTETS: Final = 6
_ROW_OCTETS: Final = 32
_UNKNOWN_OFFSET: Final = (1 << 8 * _OFFSET_OCTETS) - 1
"""Of a key that an earlier version wrote."""

_SHARDS: Final = 1 << 14

_NOT_BODY: Final = frozenset({"account_id", "idempotency_key"})
_DEFAULTS: Final = {
    "encoding": "auto",
    "validity_s": VALIDITY_DEFAULT_S,
    "receipt": "final",
    "flash": False,
    "metadata": {},
}
"""By name of the field; None for the others."""

Decision: TypeAlias = Literal["first", "replay", "copy", "repeat", "conflict"]
"""first = unknown key; replay = the very record that took the key; copy = another record of the same message, moved
here twice; repeat = another message with the same body; conflict = another body."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Who took a key, and with what."""

    message_id: str
    body: bytes
    """The first octets of the body's hash."""
    accepted_at_ms: int
    offset: int | None = None
    """Of the record that took it, in the key's partition; None where that is not known."""


def key_hash(account_id: str, idempotency_key: str) -> bytes:
    """128 bits that name a key. The separator cannot be forged: the account's length comes first."""
    return blake2b(
        f"{len(account_id)}:{account_id}:{idempotency_key}".encode("utf-8", "surrogatepass"), digest_size=HASH_OCTETS
    ).digest()


def body_hash(request: Admitted) -> bytes:
    """128 bits of what the request means: order of fields, white space and spelled-out defaults make no difference.

    Nor does the plus sign of `to`. Metadata counts: it comes back on every status. What has its default is left out, so
    that a version with more fields gives the same hash.
    """
    meaning = {
        name: value
        for name, value in request._asdict().items()
        if name not in _NOT_BODY and value != _DEFAULTS.get(name)
    }
    return blake2b(orjson.dumps(meaning, option=orjson.OPT_SORT_KEYS), digest_size=HASH_OCTETS).digest()


def decide(taken: Taken | None, message_id: str, body: bytes, offset: int) -> Decision:
    """What a request with a key is, given who took the key. The body is compared first."""
    if taken is None:
        return "first"
    if taken.body[:_BODY_OCTETS] != body[:_BODY_OCTETS]:
        return "conflict"
    if taken.message_id != message_id:
        return "repeat"
    return "replay" if taken.offset in (None, offset) else "copy"


class KeyStore:
    """The keys of one partition. Times are record times: nothing expires while nothing arrives."""

    def __init__(self) -> None:
        self._hashes: list[bytearray | None] = [None] * _SHARDS
        self._rows: list[bytearray | None] = [None] * _SHARDS
        self._count = 0

    def __len__(self) -> int:
        """Keys held, expired ones that no neighbour has pushed out yet included."""
        return self._count

    def find(self, key: bytes, at_ms: int) -> Taken | None:
        """Who took `key` within 24 hours before `at_ms`; None when nobody did."""
        shard = _shard_of(key)
        hashes, rows = self._hashes[shard], self._rows[shard]
        if hashes is None or rows is None or (place := _place(hashes, key)) < 0:
            return None
        taken = _taken(rows, place)
        return None if taken.accepted_at_ms < at_ms - KEEP_MS else taken

    def take(self, key: bytes, message_id: str, body: bytes, at_ms: int, offset: int | None) -> None:
        """Remember that `message_id` took `key`, replacing an earlier entry, and forget what is over 24 h old."""
        shard = _shard_of(key)
        hashes, rows = self._hashes[shard], self._rows[shard]
        if hashes is None or rows is None:
            hashes = self._hashes[shard] = bytearray()
            rows = self._rows[shard] = bytearray()
        before = len(hashes)
        self._forget(hashes, rows, key, at_ms - KEEP_MS)
        hashes += key
        place = _UNKNOWN_OFFSET if offset is None else offset
        rows += bytes.fromhex(message_id.replace("-", "")) + body[:_BODY_OCTETS] + place.to_bytes(_OFFSET_OCTETS)
        self._count += (len(hashes) - before) // HASH_OCTETS

    @staticmethod
    def _forget(hashes: bytearray, rows: bytearray, key: bytes, oldest_ms: int) -> None:
        while rows and int.from_bytes(rows[:6]) < oldest_ms:
            del hashes[:HASH_OCTETS], rows[:_ROW_OCTETS]
        place = _place(hashes, key)
        if place >= 0:
            del hashes[place * HASH_OCTETS : (place + 1) * HASH_OCTETS]
            del rows[place * _ROW_OCTETS : (place + 1) * _ROW_OCTETS]


def _shard_of(key: bytes) -> int:
    return (key[0] << 8 | key[1]) & (_SHARDS - 1)


def _place(hashes: bytearray, key: bytes) -> int:
    """The index of `key`, -1 when it is not there. A hash that is found across two entries is no hit."""
    at = hashes.find(key)
    while at >= 0 and at % HASH_OCTETS:
        at = hashes.find(key, at + 1)
    return at // HASH_OCTETS if at >= 0 else -1


def _taken(rows: bytearray, place: int) -> Taken:
    row = rows[place * _ROW_OCTETS : (place + 1) * _ROW_OCTETS]
    digits = row[:16].hex()
    message_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    offset = int.from_bytes(row[-_OFFSET_OCTETS:])
    return Taken(
        message_id,
        bytes(row[16 : 16 + _BODY_OCTETS]),
        int.from_bytes(row[:6]),
        None if offset == _UNKNOWN_OFFSET else offset,
    )


def changelog_value(message_id: str, body: bytes, accepted_at_ms: int, offset: int) -> bytes:
    """The value of a record of `ingress.keys` (`schemas.ingress_keys.IdempotencyKey`)."""
    entry = {
        "schema_version": 1,
        "message_id": message_id,
        "body": body.hex(),
        "accepted_at_ms": accepted_at_ms,
        "offset": offset,
    }
    return orjson.dumps(entry)


def restore(store: KeyStore, key: bytes | None, value: bytes | None) -> bool:
    """Put one record of `ingress.keys` (`schemas.ingress_keys.IdempotencyKey`) back into `store`.

    What the topic still holds is worth keeping.

    False where the record cannot be read (it is then no key of ours and is left out).
    """
    if value is None:
        return True
    try:
        entry = orjson.loads(value)  # a model takes six times as long, and there may be a hundred million of them
        message_id, accepted_at_ms = entry["message_id"], entry["accepted_at_ms"]
        hashed = bytes.fromhex((key or b"").decode("ascii"))
        body = bytes.fromhex(entry["body"])
        identity = bytes.fromhex(message_id.replace("-", ""))
        offset = entry.get("offset")
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
    if not len(hashed) == len(body) == len(identity) == HASH_OCTETS or type(accepted_at_ms) is not int:
        return False
    if offset is not None and not (type(offset) is int and 0 <= offset < _UNKNOWN_OFFSET):
        return False
    store.take(hashed, message_id, body, accepted_at_ms, offset)
    return True
