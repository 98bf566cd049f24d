"""Pure: closed marks of join and fold as the few octets that are held in memory for days."""

from struct import Struct, error
from typing import Final, get_args

from schemas.folds import ClosedFold, OpenFold
from schemas.joins import ClosedEntry
from schemas.outcomes import OutcomeWord
from schemas.statuses import FinalStatus
from services.correlator.join.entries import Entries
from services.correlator.state.table import ColdForm

_WORDS: Final = tuple(dict.fromkeys((*get_args(OutcomeWord), *get_args(FinalStatus))))
_NUMBERS: Final = {word: number for number, word in enumerate(_WORDS)}

_JOIN: Final = Struct(">qq16sHHHBQhq")
"""deadline_at_ms, accepted_at_ms, message_id, route_no, segment_index, attempt, final, to with a 1 before it, partition
and offset of the receipt."""
_FOLD: Final = Struct(">qHB")
"""forget_at_ms, route_no, final."""


def _shrink_entries(entries: Entries) -> bytes | None:
    if len(entries) != 1 or not isinstance(entry := entries[0], ClosedEntry):
        return None
    try:
        identity = bytes.fromhex(entry.message_id.replace("-", ""))
        if _uuid(identity) != entry.message_id or not f"1{entry.to}".isalnum() or not entry.to.isascii():
            return None
        return _JOIN.pack(
            entry.deadline_at_ms,
            entry.accepted_at_ms,
            identity,
            entry.route_no,
            entry.segment_index,
            entry.attempt,
            _NUMBERS[entry.final],
            int(f"1{entry.to}"),
            entry.receipt_partition,
            entry.receipt_offset,
        )
    except (ValueError, KeyError, error):
        return None


def _grow_entries(octets: bytes) -> Entries:
    deadline_at_ms, accepted_at_ms, identity, route_no, index, attempt, final, to, *receipt = _JOIN.unpack(octets)
    message_id = _uuid(identity)
    told = deadline_at_ms, message_id, route_no, index, attempt, accepted_at_ms, _WORDS[final], str(to)[1:]
    return [ClosedEntry("closed", *told, *receipt)]


def _shrink_fold(entry: OpenFold | ClosedFold) -> bytes | None:
    if not isinstance(entry, ClosedFold):
        return None
    try:
        return _FOLD.pack(entry.forget_at_ms, entry.route_no, _NUMBERS[entry.final])
    except (KeyError, error):
        return None


def _grow_fold(octets: bytes) -> OpenFold | ClosedFold:
    forget_at_ms, route_no, final = _FOLD.unpack(octets)
    return ClosedFold("closed", forget_at_ms, route_no, _WORDS[final])


def _uuid(identity: bytes) -> str:
    digits = identity.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


JOIN_MARKS: Final = ColdForm(b'[["closed",', _shrink_entries, _grow_entries)
FOLD_MARKS: Final[ColdForm[OpenFold | ClosedFold]] = ColdForm(b'["closed",', _shrink_fold, _grow_fold)
