"""Pure: what every wire model has in common."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

NIL_UUID = "00000000-0000-0000-0000-000000000000"
"""The `message_id` of an event that belongs to no message."""

Lane = Literal["otp", "txn", "bulk"]
LANES: tuple[Lane, ...] = ("otp", "txn", "bulk")
"""Priority classes, first served first."""

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""JSON knows larger numbers; no column and no encoder of ours does. Its bounds win over those of a field: one that has
other bounds is an `int` with both of its own, or one of the next two."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Natural = Annotated[int, Field(ge=1, le=2**63 - 1)]

ReceiptWish = Literal["final", "all", "none"]
EncodingWish = Literal["auto", "gsm7", "ucs2", "latin1"]


class Wire(BaseModel):
    """A frozen record of a topic: JSON object, absent fields mean their default, unknown fields are ignored.

    `from_json` raises `pydantic.ValidationError` for anything else. `to_json` leaves out `None`, so that an absent
    field and a null one are the same thing on the wire.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    CURRENT_VERSION: ClassVar[int] = 1
    schema_version: int = 1

    @classmethod
    def from_json(cls, value: bytes | str) -> Self:
        found: Self = cls.__pydantic_validator__.validate_json(value)  # model_validate_json, but for its options
        return found

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self, exclude_none=True, by_alias=True)

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)
