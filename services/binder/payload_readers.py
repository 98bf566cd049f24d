"""Pure: the kinds of connector that a binder can serve, and how each reads its payload of a dispatch."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.binder.smpp.payload import read_payload

PAYLOAD_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {"smpp": read_payload}
"""The reader of each kind. It raises `ValueError` (pydantic's is one) for a payload that is not of its kind."""
