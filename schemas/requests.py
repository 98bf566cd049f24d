"""Pure: `mt.requests` and `mt.requests.otp`, the public way in. One JSON object per message to send."""

from pydantic import Field

from schemas.wire import EncodingWish, Lane, ReceiptWish, Wire


class Request(Wire):
    """What a producer publishes (architecture section 3). Unknown fields are ignored; the Kafka key is never read.

    This model is the published contract. Ingress does its own field-by-field admission, because a wrong field must
    end in a status that names it, and accepts exactly what this model accepts.
    """

    account_id: str = Field(description="Whose message it is")
    idempotency_key: str | None = Field(
        default=None, max_length=128, description="Same account + same key = same message, for 24 h"
    )
    to: str = Field(pattern=r"^\+?[1-9]\d{6,14}$", description="Destination, E.164")
    sender: str | None = Field(
        default=None,
        alias="from",
        description="3-15 digits, or 1-11 GSM-7 characters with a letter; default from the account",
    )
    text: str | None = Field(default=None, description="Exactly one of text and data; never normalised or trimmed")
    data: str | None = Field(default=None, description="Binary message, base64")
    udh: str | None = Field(default=None, description="User data header for data, base64, begins with its length octet")
    data_coding: int | None = Field(
        default=None, ge=0, le=255, description="data_coding of a binary message, default 4"
    )
    lane: Lane | None = Field(default=None, description="Priority class; default txn, on mt.requests.otp otp")
    encoding: EncodingWish = Field(default="auto", description="auto = gsm7 where every character is in it, else ucs2")
    transliterate: bool | None = Field(
        default=None, description="Replace characters outside GSM-7 where that saves segments; default from the account"
    )
    send_at: str | None = Field(default=None, description="RFC 3339")
    validity_s: int = Field(default=86_400, ge=1, le=604_800, description="No attempt later than acceptance plus this")
    receipt: ReceiptWish = "final"
    connector_id: str | None = Field(default=None, description="Pin a route")
    flash: bool = False
    metadata: dict[str, str] = Field(
        default_factory=dict, description="At most 16 entries, 1 KiB in all; comes back on every status"
    )
