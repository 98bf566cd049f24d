"""Pure: the message context: what statuses and events say of a message. Made once, in ingress, and carried whole.

A record of one message has it as its member `context`, an array in the order of the fields here: some of them wait in
memory by the million, and names would cost as much as the values. A new field goes to the end and has a default, so
that a shorter array is one of an earlier version; what stands behind the known fields was written by a later one.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from schemas.wire import LANES, RECEIPT_WISHES, Json, Lane, ReceiptWish


class MessageContext(NamedTuple):
    """What is the same on all records of a message, whatever its route. An empty text stands for an absent field; in
    the context of a rejected request also for a field that could not be read.
    """

    message_id: str
    accepted_at_ms: int
    account_id: str
    to: str
    """Digits, no plus sign."""
    sender: str
    country: str
    """ISO 3166 alpha-2 of the destination, empty when unknown."""
    lane: Lane
    receipt: ReceiptWish
    idempotency_key: str
    metadata: dict[str, str]
    campaign_id: str = ""

    def members(self) -> tuple[Any, ...]:
        """The array as it is written: absent fields at its end are left out."""
        end = len(_FIELDS)
        while end > _LEAST and not self[end - 1]:
            end -= 1
        return self[:end]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            read_context, serialization=core_schema.plain_serializer_function_ser_schema(cls.members)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        items = [{"title": name} | _JSON_TYPES[kind] for name, kind in zip(_FIELDS, _TYPES, strict=True)]
        return {"type": "array", "prefixItems": items, "minItems": _LEAST}


_FIELDS: Final = MessageContext._fields
_LEAST: Final = _FIELDS.index("metadata") + 1
"""Fields without a default: those that there were in the beginning."""
_TYPES: Final = tuple({"accepted_at_ms": int, "metadata": dict}.get(name, str) for name in _FIELDS)
_JSON_TYPES: Final[dict[type, Json]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    dict: {"type": "object", "additionalProperties": {"type": "string"}},
}
_TEXTS: Final = frozenset({str})
_INT64: Final = range(-(2**63), 2**63)


def context_of(members: Sequence[Any]) -> MessageContext:
    """The context in an array that this software wrote. Raises TypeError where it is too short."""
    if len(members) == len(_FIELDS):
        return MessageContext._make(members)
    return MessageContext(*members[: len(_FIELDS)])


def read_context(found: Any) -> MessageContext:
    """The context in an array as it was read. Raises ValueError, with a sentence, for anything else."""
    if type(found) is MessageContext:
        return found
    if type(found) is not list and type(found) is not tuple:
        raise ValueError("the context is not an array")
    try:
        context = context_of(found)
    except TypeError as error:
        raise ValueError(f"the context has only {len(found)} members") from error
    if (
        tuple(map(type, context)) != _TYPES
        or context.lane not in LANES
        or context.receipt not in RECEIPT_WISHES
        or context.accepted_at_ms not in _INT64
        or not _TEXTS.issuperset(map(type, context.metadata.values()))
    ):
        raise ValueError(f"the context has a wrong {_first_wrong(context)}")
    return context


def _first_wrong(context: MessageContext) -> str:
    for name, value, expected in zip(_FIELDS, context, _TYPES, strict=True):
        if type(value) is not expected:
            return name
    if context.lane not in LANES:
        return "lane"
    if context.receipt not in RECEIPT_WISHES:
        return "receipt"
    return "accepted_at_ms" if context.accepted_at_ms not in _INT64 else "metadata"


_OF_VERSION_1: Final = _FIELDS[:_LEAST]
_ABSENT: Final[Json] = {"sender": "", "country": "", "receipt": "final", "idempotency_key": "", "metadata": {}}


def context_of_version_1(record: Json) -> list[Any]:
    """The context of a record that spells these fields as members of its own, as those of version 1 did."""
    return [_ABSENT.get(name) if (value := record.get(name)) is None else value for name in _OF_VERSION_1]
