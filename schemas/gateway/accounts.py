"""Pure: who may send."""

from pydantic import Field

from schemas.gateway.values import AccountId, Strict, Whole
from schemas.requests import Sender


class Account(Strict):
    """Who may send."""

    id: AccountId = Field(description="`account_id` of its requests, at most 64 characters")
    default_sender: Sender | None = Field(
        default=None,
        description="Sender of requests without `from`: 3-15 digits, or 1-11 GSM-7 characters with a letter; "
        "unless given, such requests are `invalid_sender`",
    )
    max_segments: Whole = Field(default=40, ge=1, le=255, description="Longer messages are `text_too_long`")
    transliterate: bool = Field(default=False, description="Default of the request's field of that name")
    lookalikes: bool = Field(
        default=False,
        description="Transliteration may also put Latin letters in place of Cyrillic and Greek ones of the same shape, "
        "and Greek capitals for small letters, as GSM-7 has them; nothing without `transliterate`, the account's or "
        "the request's",
    )
    short_codes: bool = Field(
        default=False, description="`to` may also be a short code, 3-6 digits; else that is `invalid_destination`"
    )
