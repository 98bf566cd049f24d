"""Pure: the requests of the load, each a function of the seed and its number."""

import random
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from tests.chaos.changes import ACCOUNT, EXTRA_PREFIX, TURNED

LONG: Final = "This text is longer than one segment. " * 8
PREFIXES: Final = ("44", "44", "44", "44", TURNED, EXTRA_PREFIX, EXTRA_PREFIX, "49")


@dataclass(frozen=True, slots=True)
class Request:
    """`value` is the JSON object of the record. `times`: how often a nervous application publishes it."""

    value: dict[str, Any]
    otp: bool
    times: int
    ahead_s: float = 0.0
    """How long after it is published it is to go."""

    @property
    def to(self) -> str:
        """In digits, as the SMSC's log has it."""
        return str(self.value["to"])[1:]

    @property
    def record_key(self) -> bytes | None:
        """`account:key`, as the documentation asks for; none without an idempotency key."""
        key = self.value.get("idempotency_key")
        return f"{self.value['account_id']}:{key}".encode() if key else None


def number_of(seed: int, index: int) -> str:
    """The destination of a message: its own, so that the SMSC's log tells messages apart."""
    prefix = random.Random(f"to {seed} {index}").choice(PREFIXES)
    return f"+{prefix}7{index:08d}"


def request(seed: int, index: int) -> Request:
    """One or several segments, OTPs too, with and without a key, for each sort of receipt, now and for later."""
    chance = random.Random(f"request {seed} {index}")
    value: dict[str, Any] = {
        "account_id": ACCOUNT if chance.random() < 0.4 else "shop",
        "to": number_of(seed, index),
        "text": LONG if chance.random() < 0.15 else f"message {index}",
    }
    if (receipt := chance.random()) < 0.2:
        value["receipt"] = "all" if receipt < 0.1 else "none"
    otp = chance.random() < 0.15
    if not otp and chance.random() < 0.2:
        value["lane"] = "bulk"
    times = 1
    if chance.random() < 0.5:
        value["idempotency_key"] = f"order-{seed}-{index}"
        times = 2 if chance.random() < 0.25 else 1
    ahead_s = chance.uniform(0.2, 4.0) if chance.random() < 0.2 else 0.0
    return Request(value, otp, times, ahead_s)


def librdkafka_partition(key: bytes, count: int) -> int:
    """Where librdkafka's default partitioner (`consistent_random`) puts a key: elsewhere than Java's, so that ingress
    has to move most requests.
    """
    return crc32(key) % count
