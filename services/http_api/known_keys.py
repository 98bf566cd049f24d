"""Pure: which idempotency keys were taken, as far as this door has seen `ingress.keys`; so that a repeat is answered.

What it does not know is ingress's to decide, and ingress decides the rest as well: this only spares a client the wait
for a status. Keys are per topic.
"""

from collections import deque
from typing import Final, Literal, NamedTuple

from schemas.topics import INGRESS_KEYS, INGRESS_KEYS_OTP, MT_REQUESTS, MT_REQUESTS_OTP
from shared.messages.idempotency import KeyStore, decide, restore

KEYS_MAX: Final = 1_000_000
"""Of each topic the newest so many are remembered, and up to a generation more."""
GENERATION: Final = 250_000

KEYS_OF: Final = {MT_REQUESTS: INGRESS_KEYS, MT_REQUESTS_OTP: INGRESS_KEYS_OTP}


class Claim(NamedTuple):
    """A request's wish for an idempotency key: the topic it goes to, hash of the key, hash of what the request says."""

    topic: str
    key: bytes
    body: bytes


class TakenBy(NamedTuple):
    """The key was taken: by which message, and whether that said the same."""

    message_id: str
    meaning: Literal["repeat", "conflict"]


class _Generations:
    """Stores in order of age. A store is let go of as a whole: entry by entry would take a second index."""

    def __init__(self, generation: int, keys_max: int) -> None:
        self._generation: Final = generation
        self._stores: Final = deque([KeyStore()], maxlen=keys_max // generation + 1)

    def saw(self, key: bytes | None, value: bytes | None) -> None:
        if len(self._stores[-1]) >= self._generation:
            self._stores.append(KeyStore())
        restore(self._stores[-1], key, value)

    def find(self, claim: Claim, at_ms: int) -> TakenBy | None:
        for store in reversed(self._stores):
            if (taken := store.find(claim.key, at_ms)) is not None:
                conflict = decide(taken, "", claim.body, -1) == "conflict"
                return TakenBy(taken.message_id, "conflict" if conflict else "repeat")
        return None


class KnownKeys:
    """The keys of both topics of requests."""

    def __init__(self, generation: int = GENERATION, keys_max: int = KEYS_MAX) -> None:
        self._by_topic: Final = {topic: _Generations(generation, keys_max) for topic in KEYS_OF.values()}

    def saw(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """One record of `ingress.keys` or `ingress.keys.otp`. What cannot be read is left out."""
        self._by_topic[topic].saw(key, value)

    def find(self, claim: Claim, at_ms: int) -> TakenBy | None:
        """Who took the key within 24 h before `at_ms` (Kafka's time); None where that is not known."""
        return self._by_topic[KEYS_OF[claim.topic]].find(claim, at_ms)
