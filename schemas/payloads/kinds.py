"""Pure: which payload a kind of connector has: its model, and how it is made from a record of a lane."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from schemas.payloads.smpp import SmppPayload, smpp_payload
from schemas.segments import SegmentedMessage

MakePayload: TypeAlias = Callable[[SegmentedMessage, int, str, list[tuple[int, str]]], dict[str, Any]]
"""The payload of one unit of a message: its index, its octets (base64) and parameters."""

PAYLOAD_MODELS: Final[Mapping[str, type[BaseModel]]] = {"smpp": SmppPayload}
PAYLOAD_MAKERS: Final[Mapping[str, MakePayload]] = {"smpp": smpp_payload}
