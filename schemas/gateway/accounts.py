"""Pure: who may send, and whose the messages of handsets are."""

import re
from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from schemas.gateway.values import AccountId, ConnectorId, SecretRef, Strict, Whole, one_or_more
from schemas.gateway.windows import DailyWindow, TimeZoneName, is_time_zone
from schemas.requests import Sender
from schemas.wire import Lane

KEY_ACCOUNT_PATTERN: Final = "^[a-z0-9][a-z0-9-]{0,39}$"
"""Of accounts with keys: the id is a part of the key."""

RECIPIENT: Final = "recipient"
"""Not one time zone, but each number's own."""

REPLY_FIELDS: Final = ("from", "to", "text", "keyword", "connector_id", "account_id", "mo_id")
"""What a template may name, in braces: fields of the message that is answered."""


def _written_as_text(value: object) -> object:
    """A number without quotes is a number to YAML; a plus sign is only for people."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text.removeprefix("+") if isinstance(text, str) else text


def _template(text: str) -> str:
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(f"{error}; a brace that is meant is written twice") from None
    for name, spec, conversion in fields:
        if name not in REPLY_FIELDS or spec or conversion:
            known = ", ".join(f"{{{field}}}" for field in REPLY_FIELDS)
            raise ValueError(f"{{{name}}} is no field of a message (known: {known})")
    return text


NumberOrBlock = Annotated[str, BeforeValidator(_written_as_text), Field(pattern=r"^([0-9]{3,15}|[0-9]{2,14}\*)$")]
Keyword = Annotated[str, BeforeValidator(_written_as_text), Field(pattern=r"^\S{1,40}$")]
Template = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_template)]


class InboundNumber(Strict):
    """A number whose messages belong to the account; `447700900999` is short for `{number: "447700900999"}`."""

    number: NumberOrBlock = Field(
        description='Where handsets send to: digits, or the beginning of a block of numbers (`"4474009*"`)'
    )
    keyword: tuple[Keyword, ...] = Field(
        default=(), description="Only messages whose first word is this one, in any case; one or a list"
    )
    connector: ConnectorId | None = Field(default=None, description="Only what comes by this connector")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"number": value}

    @field_validator("keyword", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return one_or_more(value)


class AutomaticReply(Strict):
    """An answer to a keyword, once in 10 s to a number."""

    number: NumberOrBlock | None = Field(default=None, description="Only for messages to this number or block")
    keyword: tuple[Keyword, ...] = Field(
        min_length=1, description="The first word that is answered, in any case; one or a list"
    )
    text: Template = Field(
        description="The answer, with fields of the message in braces: "
        + ", ".join(f"`{{{name}}}`" for name in REPLY_FIELDS)
    )

    @field_validator("keyword", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return one_or_more(value)


class OptOutHandling(Strict):
    """What STOP, START and HELP do at the account's numbers."""

    enabled: bool = Field(default=True, description="`false`: STOP is a message like any other")
    scope: Literal["sender", "account"] = Field(
        default="sender",
        description="What STOP ends: messages from the number it was sent to, and from `default_sender` where that has "
        "letters and cannot be answered; or all messages of the account",
    )
    words: tuple[Keyword, ...] = Field(default=(), description="Further words for STOP")
    stop_text: Template | None = Field(default=None, description="Confirms an opt-out; none is sent unless given")
    start_text: Template | None = Field(default=None, description="Confirms an opt-in; none is sent unless given")
    help_text: Template | None = Field(default=None, description="Answers HELP; none is sent unless given")


def _is_zone(value: str) -> str:
    if value != RECIPIENT and not is_time_zone(value):
        raise ValueError(f"no time zone {value!r} is known; allowed: recipient, or a name as Europe/Berlin")
    return value


QuietLane = Literal["txn", "bulk"]


class QuietHours(DailyWindow):
    """When messages of an account wait."""

    lanes: tuple[QuietLane, ...] = Field(
        default=("bulk",),
        min_length=1,
        description="Which lanes wait: bulk, txn, one or a list, never otp; bulk unless given",
    )
    timezone: Annotated[str, AfterValidator(_is_zone)] = Field(
        default=RECIPIENT,
        description="`recipient`: that of the number (of several, it is quiet where it is in any), and where none is "
        "known `default_timezone` of the account; or a name (`Europe/Berlin`)",
    )

    @field_validator("lanes", mode="before")
    @classmethod
    def _as_lanes(cls, value: object) -> object:
        return one_or_more(value)


class Limits(Strict):
    """What an account may use."""

    tps: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="Single requests a second that a process of the HTTP door takes, a second's worth at once; further "
        "ones are `rate_limited`. Neither lane otp nor batches are held to it",
    )

    lanes: tuple[Lane, ...] | None = Field(
        default=None,
        min_length=1,
        description="Lanes it may use, one or a list; requests for others are `lane_not_allowed`; all unless given",
    )

    @field_validator("lanes", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return None if value is None else one_or_more(value)


class ApiKey(Strict):
    """A key of the HTTP door. The whole key is never here: its SHA-256, or where a secret is that holds the key."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="What it is called in logs and lists")
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Of the whole key as printed, in hexadecimal"
    )
    env: str | None = Field(default=None, min_length=1, description="Or the variable that holds the key")
    file: str | None = Field(default=None, min_length=1, description="Or the file that holds the key")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(given is not None for given in (self.sha256, self.env, self.file)) != 1:
            raise ValueError("give exactly one of sha256, env and file (`smsgw keys create` writes it)")
        return self


class TwilioAccess(Strict):
    """What the door in Twilio's language knows an account by."""

    auth_token: SecretRef = Field(description="Where the secret is that Twilio's clients call auth token")


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
    numbers: tuple[InboundNumber, ...] = Field(
        default=(), description="Whose messages of handsets are the account's, see below"
    )
    replies: tuple[AutomaticReply, ...] = Field(default=(), description="Automatic answers to keywords, see below")
    opt_outs: OptOutHandling = Field(default=OptOutHandling(), description="STOP, START and HELP, see below")
    quiet_hours: QuietHours | None = Field(
        default=None, description="When its messages wait, see below; never unless given"
    )
    default_timezone: TimeZoneName | None = Field(
        default=None, description="Time zone of numbers of which none is known; quiet hours of `recipient` need it"
    )
    limits: Limits = Field(default=Limits(), description="What it may use, see below; everything unless given")
    api_keys: tuple[ApiKey, ...] = Field(
        default=(), description="Keys of the HTTP door, several so that they can be changed without a gap"
    )
    twilio: TwilioAccess | None = Field(
        default=None, description="`{auth_token: {env: ...}}`: a password of its own for the door in Twilio's language"
    )

    @model_validator(mode="after")
    def _knows_a_zone(self) -> Self:
        if self.quiet_hours and self.quiet_hours.timezone == RECIPIENT and self.default_timezone is None:
            raise ValueError(
                "quiet_hours by the time zone of the recipient need default_timezone, for numbers of which none is "
                "known (or quiet_hours.timezone: a name as Europe/Berlin)"
            )
        return self


def claims(account: Account) -> list[tuple[int, tuple[str, str, str]]]:
    """Number, keyword (folded; empty for none) and connector of everything in `numbers`, with its place there."""
    return [
        (place, (entry.number, word.casefold(), entry.connector or ""))
        for place, entry in enumerate(account.numbers)
        for word in (entry.keyword or ("",))
    ]


def claimed_twice(accounts: Mapping[int, Account]) -> list[tuple[int, int, str]]:
    """Entries of `numbers` that another one has claimed before: place of the account, of the entry, and whose it is."""
    first: dict[tuple[str, str, str], str] = {}
    found = []
    for place, account in accounts.items():
        for entry, claim in claims(account):
            if claim in first:
                found.append((place, entry, first[claim]))
            first.setdefault(claim, account.id)
    return found


def key_conflicts(accounts: Mapping[int, Account]) -> list[tuple[int, tuple[str | int, ...], str]]:
    """What is wrong between keys, and with the ids of accounts that have some: place of the account, of the mistake
    in it, and a sentence that goes on from the key."""
    owners: dict[str, str] = {}
    found: list[tuple[int, tuple[str | int, ...], str]] = []
    for place, account in accounts.items():
        if account.api_keys and re.fullmatch(KEY_ACCOUNT_PATTERN, account.id) is None:
            found.append((place, ("id",), f"{account.id!r} has keys, so it must match {KEY_ACCOUNT_PATTERN}"))
        names: set[str] = set()
        for number, key in enumerate(account.api_keys):
            if key.id in names:
                found.append((place, ("api_keys", number, "id"), f"{key.id} is there twice"))
            names.add(key.id)
            for field in ("sha256", "env", "file"):
                value = getattr(key, field)
                if value is None:
                    continue
                if (owner := owners.get(f"{field} {value}")) is not None:
                    found.append((place, ("api_keys", number, field), f"is a key of account {owner} already"))
                owners.setdefault(f"{field} {value}", account.id)
    return found
