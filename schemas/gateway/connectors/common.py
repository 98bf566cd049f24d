"""Pure: what every connector has, whatever its kind."""

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, JsonValue, model_validator

from schemas.gateway.values import ConnectorId, NotNegative, Number, Strict, Whole

OptionPath: TypeAlias = tuple[str, ...]
"""Keys from the connector down."""


def _key_part(provider: str) -> str:
    """A provider stands before `|` in the keys of receipts."""
    if "|" in provider or not provider.isprintable():
        raise ValueError("must not contain | or control characters")
    return provider


Provider = Annotated[str, AfterValidator(_key_part)]


def read_by(*services: str) -> dict[str, JsonValue]:
    """Metadata of a field: the services that act by it. A test keeps it true, the reference shows it."""
    return {"read_by": [*services]}


DEFAULT_KIND: Final = "smpp"
"""The kind of a connector that names none."""


class CommonOptions(Strict):
    """Options that a connector of any kind has."""

    retries_max: NotNegative | None = Field(
        default=None,
        description="Further tries after temporary errors, throttling not counted; then `retries_exhausted`. "
        "Unless given, until the message's validity is over",
        json_schema_extra=read_by("throttler"),
    )
    retry_delay_s: Number = Field(
        default=30,
        gt=0,
        description="Wait after a temporary error; others pass meanwhile",
        json_schema_extra=read_by("throttler"),
    )
    inbound_timeout_s: Number = Field(
        default=600,
        gt=0,
        le=604_800,
        description="A message from a handset whose parts are not all there so long after the first is told as it is",
        json_schema_extra=read_by("correlator"),
    )


class CommonConnector(Strict):
    """One account at one provider, over up to `max_binds` binds. A kind says what it is reached by."""

    id: ConnectorId = Field(
        description="In topic names, statuses and views: lower-case letters, digits and `-`, at most 40",
        json_schema_extra=read_by("ingress", "encoder", "throttler", "binder"),
    )
    kind: str = Field(
        default=DEFAULT_KIND,
        description="How it is reached; `smpp` is the only kind today",
        json_schema_extra=read_by("throttler", "binder"),
    )
    provider: Provider = Field(
        default="",
        description="Whose account it is: receipts are joined across all connectors of one provider; unless given, "
        "the id",
        json_schema_extra=read_by("throttler", "binder"),
    )
    max_binds: Whole = Field(
        default=1,
        ge=1,
        le=100,
        description="Never more binds than this, however many binders run",
        json_schema_extra=read_by("throttler", "binder"),
    )
    window: Whole = Field(
        default=10,
        ge=1,
        le=10_000,
        description="Unanswered segments a bind",
        json_schema_extra=read_by("throttler", "binder"),
    )
    tps: Whole = Field(
        default=50,
        ge=1,
        le=100_000,
        description="Segments in any second, over all binds",
        json_schema_extra=read_by("throttler"),
    )
    receipt_deadline_s: Whole = Field(
        default=172_800,
        ge=1,
        le=604_800,
        description="Without a final receipt for so long after the answer a segment ends as `receipt_missing`",
        json_schema_extra=read_by("throttler", "binder"),
    )
    options: CommonOptions = Field(default=CommonOptions(), description="How this one differs, see below")

    def same_for_provider(self) -> dict[OptionPath, object]:
        """What must be alike in all connectors of one provider: the place of each option, and its value here."""
        return {}

    @model_validator(mode="before")
    @classmethod
    def _provider_default(cls, value: object) -> object:
        if isinstance(value, dict) and not value.get("provider"):
            return {**value, "provider": value.get("id", "")}
        return value
