"""Pure: a receipt that is looked for under several keys, as records of `correlator.searches`."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from schemas.joins import SeenReceipt
from schemas.receipt_searches import ReceiptSearch, SearchKind
from schemas.topics import SEARCHES
from shared.kafka.records import Out

ReceiptPlace = tuple[int, int]
"""Partition and offset of a receipt's record in `smsc.receipts`."""

_SEPARATOR: Final = "|"
MATCHES_NAME: Final = "|formats"
"""Where a provider's matches are counted: no id has a bar."""


class Search(NamedTuple):
    """A receipt under way; fields as in `schemas.receipt_searches`."""

    receipt: SeenReceipt
    names: tuple[str, ...]
    parked: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    parks: bool = True
    strict: bool = False
    decided: bool = False


def key_of(provider: str, name: str) -> bytes:
    """The join key of what a response called `name`."""
    return f"{provider}|{name}".encode()


def provider_and_name(key: bytes) -> tuple[str, str]:
    """The two halves of a join key."""
    provider, _, name = key.decode().partition(_SEPARATOR)
    return provider, name


def place_of(seen: SeenReceipt) -> ReceiptPlace:
    return seen.partition, seen.offset


def search_out(provider: str, name: str, search: Search) -> Out:
    """Look for it under `name` next."""
    return _out("search", provider, name, search._asdict() | {"receipt": tuple(search.receipt)})


def found_out(provider: str, name: str, seen: SeenReceipt) -> Out:
    """It was found under another name: it waits no more under this one."""
    return _out("found", provider, name, {"origin": place_of(seen)})


def matches_out(provider: str, matches: Mapping[str, int]) -> Out:
    """So many receipts of the provider were matched, by the format of their ids."""
    return _out("matches", provider, MATCHES_NAME, {"matches": matches})


def _out(kind: SearchKind, provider: str, name: str, fields: Mapping[str, Any]) -> Out:
    record = {"schema_version": ReceiptSearch.CURRENT_VERSION, "kind": kind, **fields}
    return Out(SEARCHES, key_of(provider, name), orjson.dumps(record))


def read_search(record: ReceiptSearch) -> Search:
    """The search in a record of kind `search`; raises ValueError where it has no receipt or nothing to look under."""
    if record.receipt is None or not record.names:
        raise ValueError("a search without a receipt or without names")
    return Search(
        record.receipt,
        tuple(record.names),
        tuple(record.parked),
        tuple(record.doubtful),
        record.parks,
        record.strict,
        record.decided,
    )
