"""Pure: `mt.commands`, the public way to take back or move a message that was published. Key `account_id`."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from schemas.requests import ACCOUNT_ID_MAX, CAMPAIGN_ID_MAX, IDEMPOTENCY_KEY_MAX, VALIDITY_MAX_S, rfc3339_ms
from schemas.wire import Wire

MESSAGE_ID_PATTERN: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def _is_time(value: str) -> str:
    if rfc3339_ms(value) is None:
        raise ValueError("not an RFC 3339 time with a zone")
    return value


class Command(Wire):
    """What is to become of messages that were accepted before this record's time (docs/scheduling.md).

    Unknown fields are ignored; a null field is an absent one; types are strict. What is none goes to the dead letters.
    """

    model_config = ConfigDict(strict=True)

    schema_version: int = Field(default=1, ge=1, le=1)
    command: Literal["cancel", "reschedule", "cancel_campaign"]
    account_id: str = Field(min_length=1, max_length=ACCOUNT_ID_MAX, description="Whose messages they are")
    message_id: str | None = Field(
        default=None, pattern=MESSAGE_ID_PATTERN, description="Of cancel and reschedule: the message"
    )
    idempotency_key: str | None = Field(
        default=None, min_length=1, max_length=IDEMPOTENCY_KEY_MAX, description="Or the key that it was published with"
    )
    campaign_id: str | None = Field(
        default=None, min_length=1, max_length=CAMPAIGN_ID_MAX, description="Of cancel_campaign: all its messages"
    )
    send_at: Annotated[str, AfterValidator(_is_time)] | None = Field(
        default=None, description="Of reschedule: when it is to go, RFC 3339"
    )
    validity_s: int | None = Field(
        default=None, ge=1, le=VALIDITY_MAX_S, description="Of reschedule: a new validity, from the new send_at"
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.command == "cancel_campaign":
            if self.campaign_id is None or self.message_id is not None or self.idempotency_key is not None:
                raise ValueError("cancel_campaign takes campaign_id, and nothing else that names messages")
        elif (self.message_id is None) == (self.idempotency_key is None) or self.campaign_id is not None:
            raise ValueError(f"{self.command} takes exactly one of message_id and idempotency_key")
        if (self.send_at is not None) != (self.command == "reschedule"):
            raise ValueError("send_at goes with reschedule, and reschedule with send_at")
        if self.validity_s is not None and self.command != "reschedule":
            raise ValueError("validity_s goes with reschedule only")
        return self
