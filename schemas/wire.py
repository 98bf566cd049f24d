"""Pure: what every wire model has in common."""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

NIL_UUID = "00000000-0000-0000-0000-000000000000"
"""The `message_id` of an event that belongs to no message."""

Lane = Literal["otp", "txn", "bulk"]
LANES: tuple[Lane, ...] = ("otp", "txn", "bulk")
"""Priority classes, first served first."""

Json: TypeAlias = dict[str, Any]
"""A JSON object, as it was read."""

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""JSON knows larger numbers; no column and no encoder of ours does. Its bounds win over those of a field: one that has
other bounds is an `int` with both of its own, or one of the next two."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Natural = Annotated[int, Field(ge=1, le=2**63 - 1)]

ReceiptWish = Literal["final", "all", "none"]
RECEIPT_WISHES: tuple[ReceiptWish, ...] = ("final", "all", "none")
ReceiptScope = Literal["segment", "message"]
"""What one receipt is about: each segment has its own, or one speaks for the whole message."""
KnownFormat = Literal["raw", "hex", "dec"]
"""How ids of receipts are written, seen from the response's: alike, in decimal beside hexadecimal, or the reverse."""
EncodingWish = Literal["auto", "gsm7", "ucs2", "latin1"]


class Wire(BaseModel):
    """A frozen record of a topic: JSON object, absent fields mean their default, unknown fields are ignored.

    `from_json` raises `pydantic.ValidationError` for anything else. `to_json` leaves out `None`, so that an absent
    field and a null one are the same thing on the wire.

    A record of an earlier version (`schema_version`, absent = 1) may still lie in its topic during an upgrade:
    `from_earlier` of its model says what it would be now. That costs nothing where the record is of today.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    CURRENT_VERSION: ClassVar[int] = 1
    schema_version: int = 1

    @classmethod
    def from_json(cls, value: bytes | str) -> Self:
        try:
            found: Self = cls.__pydantic_validator__.validate_json(value)  # model_validate_json, but for its options
        except ValidationError:
            earlier = cls._of_earlier_version(value)
            if earlier is None:
                raise
            return cls.model_validate(cls.from_earlier(earlier) | {"schema_version": cls.CURRENT_VERSION})
        return found

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """A record of an earlier version in the shape of the current one. What it lacks, the model finds missing."""
        return record

    @classmethod
    def _of_earlier_version(cls, value: bytes | str) -> dict[str, Any] | None:
        if cls.CURRENT_VERSION == 1:
            return None
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(record, dict):
            return None
        version = record.get("schema_version", 1)
        return record if type(version) is int and version < cls.CURRENT_VERSION else None

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self, exclude_none=True, by_alias=True)

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)
