"""Pure: what a client asks of Kafka, by the first octets of its request."""

from struct import Struct
from typing import Final

from schemas.topics import SERVICE_STATES
from tests.chaos.plan import Moment

_HEADER: Final = Struct("!ih")
_PRODUCE: Final = 0
_COMMITS: Final = frozenset({8, 26, 28})
"""OffsetCommit, EndTxn, TxnOffsetCommit."""


def is_moment(request: bytes, moment: Moment) -> bool:
    """Whether the request writes records (other than beats), or commits."""
    if len(request) < _HEADER.size:
        return False
    _, api_key = _HEADER.unpack_from(request)
    if moment == "commit":
        return api_key in _COMMITS
    return api_key == _PRODUCE and SERVICE_STATES.encode() not in request
