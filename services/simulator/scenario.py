"""Pure: the scenario file: who may bind and how the SMSC behaves to each, with every mistake named by its key.

docs/simulator.md explains the keys for people; this model is what counts.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.smpp.constants import SmppCommandStatus

ANYBODY = "*"
SHARES_TOLERANCE = 0.001
DELAY_MS_MAX = 3_600_000
ADDRESS_MAX = 20
"""Without its NUL (SMPP 3.4 section 5.2.8)."""

IdFormat: TypeAlias = Literal["dec", "hex", "uuid", "padded"]
ReceiptFormat: TypeAlias = Literal["standard", "tlv", "both"]
ReceiptWriting: TypeAlias = Literal[
    "usual",
    "ascii_as_ucs2",
    "ucs2",
    "ucs2_behind_header",
    "separated",
    "failed",
    "state_unset",
    "other_id_in_tlv",
]
ReceiptEnding: TypeAlias = Literal[
    "DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "DELETED", "ENROUTE", "ACCEPTD", "UNKNOWN", "none"
]


def _span(given: Any) -> Any:
    """A number stands for a span without width."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = (given, given)
    numbers = list(given) if isinstance(given, list | tuple) else []
    if len(numbers) != 2 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        raise ValueError("must be a number of milliseconds, or [least, most]")
    if not 0 <= numbers[0] <= numbers[1] <= DELAY_MS_MAX:
        raise ValueError(f"must be [least, most] with 0 <= least <= most <= {DELAY_MS_MAX}")
    return float(numbers[0]), float(numbers[1])


def _command_status(given: Any) -> Any:
    """A number from 1, or a name of the specification."""
    if isinstance(given, str) and given in SmppCommandStatus.__members__:
        given = SmppCommandStatus[given].value
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= 0xFFFFFFFF:
        raise ValueError("must be a command_status other than 0, like 0x58 or ESME_RTHROTTLED")
    return int(given)


def _mix(given: Any) -> Any:
    """YAML reads a bare `none` as text, and so do we; its relatives `null` and `~` mean the same here."""
    if isinstance(given, Mapping) and None in given:
        return {("none" if key is None else key): share for key, share in given.items()}
    return given


def _address(given: Any) -> Any:
    """Numbers may stand without quotes."""
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or not 1 <= len(text) <= ADDRESS_MAX or not all("!" <= one <= "\xff" for one in text):
        raise ValueError(f"must be 1 to {ADDRESS_MAX} characters of Latin-1 without spaces")
    return text


def _secret(given: Any) -> Any:
    if not isinstance(given, Mapping):
        raise ValueError(
            "must be {env: NAME}, the environment variable that holds it; a literal one would be in a file"
        )
    return given


def _accounts(given: Any) -> Any:
    if not isinstance(given, list | tuple) or not given:
        raise ValueError("must be a list of at least one account")
    return given


def _all_delivered() -> dict[ReceiptEnding, float]:
    return {"DELIVRD": 1.0}


SpanMs = Annotated[tuple[float, float], BeforeValidator(_span)]
CommandStatus = Annotated[int, BeforeValidator(_command_status)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0)]
ScenarioAddress = Annotated[str, BeforeValidator(_address)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(_Strict):
    """The password that a bind must bring, by the name of an environment variable."""

    env: str = Field(min_length=1)


class ErrorShare(_Strict):
    """A share of all submits that is refused with this command_status."""

    command_status: CommandStatus
    share: Share


class Receipts(_Strict):
    """What becomes of accepted messages. `delay_ms` counts from the submit, so a receipt may come before the response.

    mix: share by final word; `none` = no receipt at all. intermediate: share of the messages that get an ENROUTE half
    way, where registered_delivery asks for it. err: the code of all that is not delivered.
    redeliver_after_s: when a deliver_sm is sent again that was answered with ESME_RX_T_APPN, or not at all.
    writings: how they are written (`odd_receipts`), each message by its id in one of these.
    window: unanswered deliver_sm per bind. queue_max: how many deliver_sm of the account wait at most.
    """

    delay_ms: SpanMs = (100.0, 300.0)
    mix: Annotated[dict[ReceiptEnding, Share], BeforeValidator(_mix)] = Field(default_factory=_all_delivered)
    intermediate: Share = 0.0
    format: ReceiptFormat = "both"
    writings: tuple[ReceiptWriting, ...] = Field(default=("usual",), min_length=1)
    err: str = Field(default="001", pattern=r"^[0-9A-Za-z]{1,4}$")
    redeliver_after_s: Seconds = 3.0
    window: int = Field(default=100, ge=1, le=10_000)
    queue_max: int = Field(default=500_000, ge=1)

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = sum(self.mix.values())
        if abs(total - 1) > SHARES_TOLERANCE:
            raise ValueError(f"mix: the shares add up to {total:g}, must be 1")
        return self


class Mo(_Strict):
    """Messages from handsets: the first `after_s` after the first bind that receives, then every `every_s`.

    Without `every_s` there are `count` at once (default 1); with it `count` in all (default: without end).
    """

    from_: ScenarioAddress = Field(alias="from")
    to: ScenarioAddress
    text: str = Field(max_length=10_000)
    after_s: float = Field(default=1.0, ge=0)
    every_s: Annotated[float, Field(ge=0.001)] | None = None
    count: int | None = Field(default=None, ge=1)

    @field_validator("text")
    @classmethod
    def _is_text(cls, text: str) -> str:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("must not hold lone surrogates")
        return text


class AccountScenario(_Strict):
    """How the SMSC behaves to one system_id; `*` is anybody whom no account before it names."""

    system_id: str = Field(min_length=1, max_length=64)
    password: Annotated[Secret, BeforeValidator(_secret)] | None = None
    latency_ms: SpanMs = (0.0, 0.0)
    message_id_format: IdFormat = "dec"
    tps: float | None = Field(default=None, gt=0)
    errors: tuple[ErrorShare, ...] = ()
    unanswered: Share = 0.0
    receipts: Receipts = Receipts()
    max_binds: int | None = Field(default=None, ge=0)
    max_binds_status: CommandStatus = SmppCommandStatus.ESME_RALYBND.value
    refuse_binds: CommandStatus | None = None
    disconnect_every_s: Seconds | None = None
    disconnect_after: int | None = Field(default=None, ge=1)
    mo: tuple[Mo, ...] = ()

    @model_validator(mode="after")
    def _errors_fit(self) -> Self:
        total = sum(one.share for one in self.errors)
        if total > 1 + SHARES_TOLERANCE:
            raise ValueError(f"errors: the shares add up to {total:g}, must not exceed 1")
        return self


class ScenarioTls(_Strict):
    """The certificate of the listener; paths are relative to the scenario file."""

    cert_file: Path
    key_file: Path


class Session(_Strict):
    """The timers of every bind, in seconds; 0 switches enquire_link and inactivity off."""

    system_id: str = Field(default="simulator", max_length=15)
    enquire_link_s: float = Field(default=60.0, ge=0)
    inactivity_s: float = Field(default=300.0, ge=0)
    session_init_s: float = Field(default=10.0, ge=0)
    deliver_timeout_s: Seconds = 10.0


class Scenario(_Strict):
    """The whole file. The same seed gives the same draws, account by account."""

    version: Literal[1]
    accounts: Annotated[tuple[AccountScenario, ...], BeforeValidator(_accounts)]
    seed: int = 1
    tls: ScenarioTls | None = None
    session: Session = Session()

    def account_of(self, system_id: str) -> AccountScenario | None:
        """The first account that names this system_id, or `*`; None when nobody may bind under it."""
        for account in self.accounts:
            if account.system_id in (system_id, ANYBODY):
                return account
        return None


class ScenarioError(Exception):
    """The file cannot be used; `mistakes` has one sentence for each thing that is wrong."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def parse_scenario(text: str) -> Scenario:
    """The scenario in `text`; raises ScenarioError."""
    try:
        found = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ScenarioError([f"{line}not YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise ScenarioError([f"not YAML: {error}"]) from None
    if not isinstance(found, dict):
        raise ScenarioError(["must be a mapping with version and accounts"])
    try:
        return Scenario.model_validate(found)
    except ValidationError as error:
        raise ScenarioError([_sentence(one) for one in error.errors(include_url=False)]) from None


def _sentence(error: Mapping[str, Any]) -> str:
    path: tuple[str | int, ...] = tuple(part for part in error["loc"] if part != "[key]")
    key = _dotted(path)
    if error["type"] == "extra_forbidden":
        return f"{key}: is unknown; {_allowed(path)}"
    if error["type"] == "missing":
        return f"{key}: is missing"
    if error["type"] in ("model_type", "dict_type"):
        return f"{key}: must be a mapping"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    is_secret = "password" in path
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | list) and not is_secret else ""
    return f"{key}: {message[:1].lower()}{message[1:]}{shown}" if key else message


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_MODELS: dict[str, type[BaseModel]] = {
    "accounts": AccountScenario,
    "password": Secret,
    "errors": ErrorShare,
    "receipts": Receipts,
    "mo": Mo,
    "tls": ScenarioTls,
    "session": Session,
}


def _allowed(path: tuple[str | int, ...]) -> str:
    """What may stand where the unknown key at the end of `path` stands."""
    inside = next((part for part in reversed(path[:-1]) if isinstance(part, str)), "")
    fields = _MODELS.get(inside, Scenario).model_fields
    names = [field.alias or name for name, field in fields.items()]
    nearest = difflib.get_close_matches(str(path[-1]), names, n=1)
    suggestion = f"did you mean {nearest[0]}? " if nearest else ""
    return f"{suggestion}allowed: {', '.join(names)}"
