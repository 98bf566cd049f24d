"""Pure: the kinds of values in gateway.yaml, and the base of its models."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _no_taken_word(connector_id: str) -> str:
    """A connector `dlq` would have the dead letters' topics."""
    if connector_id == "dlq":
        raise ValueError("dlq is taken, choose another id")
    return connector_id


ConnectorId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"), AfterValidator(_no_taken_word)]
AccountId = Annotated[str, Field(min_length=1, max_length=64)]


def no_truth(value: object) -> object:
    """Refuse true and false where a number belongs: Python takes YAML's true for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


Whole = Annotated[int, BeforeValidator(no_truth)]
Number = Annotated[float, BeforeValidator(no_truth)]
Octet = Annotated[int, Field(ge=0, le=255), BeforeValidator(no_truth)]
NotNegative = Annotated[int, Field(ge=0), BeforeValidator(no_truth)]


class Strict(BaseModel):
    """A part of the file: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def one_or_more(value: object) -> object:
    """One text as a list of one; nothing as an empty list."""
    return () if value is None else (value,) if isinstance(value, str) else value


SECRET_PREFIX: Final = "SMSGW_SECRET_"  # noqa: S105  # of names
SECRET_ENV_VARIABLE: Final = f"{SECRET_PREFIX}ENV"
SECRET_DIR_VARIABLE: Final = f"{SECRET_PREFIX}DIR"


def is_secret_name(name: str, listed: str = "") -> bool:
    """Whether a configuration may name this environment variable: by its prefix, or because it is in the list of
    SMSGW_SECRET_ENV (names with commas between).
    """
    if name in {SECRET_ENV_VARIABLE, SECRET_DIR_VARIABLE}:
        return False
    return name.startswith(SECRET_PREFIX) or name in {one.strip() for one in listed.split(",")}


class SecretRef(Strict):
    """Where a secret is; never the secret. Exactly one of the two."""

    env: str | None = Field(default=None, min_length=1)
    file: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self
