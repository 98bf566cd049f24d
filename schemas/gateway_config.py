"""Pure: gateway.yaml as a model, and `config.gateway`, the record that carries it (architecture section 9)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.requests import Sender
from schemas.wire import Lane, Wire

INCONSISTENT: Final = "inconsistent"
"""Type of the validation error of parts that do not go together."""


def _no_taken_word(connector_id: str) -> str:
    """A connector `dlq` would have the dead letters' topics."""
    if connector_id == "dlq":
        raise ValueError("dlq is taken, choose another id")
    return connector_id


ConnectorId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"), AfterValidator(_no_taken_word)]
AccountId = Annotated[str, Field(min_length=1, max_length=64)]
Prefix = Annotated[str, Field(pattern=r"^\+?[0-9]{0,15}$")]
ReceiptWord = Literal["ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"]
"""States of a receipt, SMPP 3.4 appendix B."""

TlvTag = Annotated[str, Field(pattern=r"^(0[xX][0-9a-fA-F]{1,4}|[1-9][0-9]{0,4})$")]
Pin = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$")]

_ADDRESS: Final = re.compile(
    r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?|(?P<bare>[^\[\]]+)"
)


def split_address(written: str) -> tuple[str, int | None]:
    """Host and port of `smpp.example.net:2775`, `192.0.2.1`, `[2001:db8::1]:2775`; None where no port is given.

    Raises ValueError.
    """
    found = _ADDRESS.fullmatch(written)
    if found is None:
        raise ValueError("write name, name:port or [IPv6 address]:port")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= 65_535:
        raise ValueError(f"{port} is no port")
    return found["bracketed"] or found["name"] or found["bare"], port


def _an_address(written: str) -> str:
    split_address(written)
    return written


HostAndPort = Annotated[str, AfterValidator(_an_address)]


def _no_truth(value: object) -> object:
    """YAML's true is 1 to Python, and to nobody who writes `tps: true`."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
Number = Annotated[float, BeforeValidator(_no_truth)]
Octet = Annotated[int, Field(ge=0, le=255), BeforeValidator(_no_truth)]
NotNegative = Annotated[int, Field(ge=0), BeforeValidator(_no_truth)]


def _key_part(provider: str) -> str:
    """It stands before `|` in the keys of receipts."""
    if "|" in provider or not provider.isprintable():
        raise ValueError("must not contain | or control characters")
    return provider


Provider = Annotated[str, AfterValidator(_key_part)]


class Strict(BaseModel):
    """A part of the file: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _one_or_more(value: object) -> object:
    """One text as a list of one; nothing as an empty list."""
    return () if value is None else (value,) if isinstance(value, str) else value


def _octet(description: str) -> Any:
    """A field that is derived unless it is given."""
    return Field(default=None, description=description)


class SecretRef(Strict):
    """Where a secret is; never the secret. Exactly one of the two."""

    env: str | None = Field(default=None, min_length=1)
    file: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self


class Tls(Strict):
    """TLS of a connector: `verify` checks chain and name; `pin` accepts exactly the certificates with these SHA-256."""

    mode: Literal["off", "verify", "pin"] = Field(
        default="verify",
        description="`verify`: the certificate's chain and name must be right; `pin`: exactly a certificate with a "
        "`pin_sha256`, self-signed or not. `tls: verify` is short for `tls: {mode: verify}`",
    )
    server_name: str | None = Field(default=None, description="Name to ask for and to verify; the host unless given")
    ca_file: str | None = Field(
        default=None, description="PEM file of the authorities to trust; the system's unless given"
    )
    cert_file: str | None = Field(default=None, description="PEM file of our certificate, where the SMSC asks for one")
    key_file: str | None = Field(default=None, description="PEM file of its key, where that is not in `cert_file`")
    pin_sha256: tuple[Pin, ...] = Field(
        default=(),
        description="SHA-256 of the certificate (DER), 64 hexadecimal digits, colons allowed; one or a list, such as "
        "the present and the next; with `mode: pin` only",
    )

    @field_validator("pin_sha256", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _one_or_more(value)

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if (self.mode == "pin") != bool(self.pin_sha256):
            raise ValueError("mode pin and pin_sha256 go together")
        return self


class Options(Strict):
    """How this SMSC differs from the specification; defaults fit most (docs/options.md)."""

    long_message: Literal["udh8", "udh16", "sar", "payload"] = Field(
        default="udh8",
        description="How a message that needs several segments is sent: a user data header with an 8- or 16-bit "
        "reference, the SAR TLVs (cut like `udh8`), or one submit_sm with message_payload that the SMSC cuts",
    )
    message_id_format: Literal["raw", "hex", "dec", "auto"] = Field(
        default="raw",
        description="How message ids of responses and receipts are compared: `raw` as written, without regard to case "
        "and leading zeros; `hex`, `dec`: the response's id is a number of that base, the receipt's one of the other; "
        "`auto`: in this version as `raw`. The same for all connectors of one `provider`",
    )
    default_alphabet: Literal["gsm7", "latin1", "ascii"] = Field(
        default="gsm7", description="What this SMSC takes data_coding 0 for"
    )
    gsm7_packed: bool = Field(
        default=False, description="GSM-7 is packed into septets here already, 8 characters in 7 octets; rare"
    )
    national_tables: tuple[str, ...] = Field(
        default=(),
        description="Languages whose national tables of TS 23.038 may be used, in the order of preference: a text in "
        "one of them then costs GSM-7's 160 or so characters a segment instead of UCS-2's 70",
    )
    data_coding_map: dict[str, Octet] = Field(
        default_factory=dict,
        description="Which data_coding this SMSC uses instead of the standard one. Keys: `gsm7`, `ascii`, `latin1`, "
        "`binary`, `ucs2` or a number",
    )
    flash_variant: Literal["data_coding", "dest_addr_subunit"] = Field(
        default="data_coding",
        description="How `flash` is asked for: message class 0 in the data_coding, or the TLV dest_addr_subunit",
    )
    sticky_parts: bool = Field(
        default=True, description="All segments of a message go over one bind; this version always does so"
    )
    dlr_by_text: bool = Field(
        default=False, description="A deliver_sm whose esm_class says nothing is a receipt if its text looks like one"
    )
    status_map: dict[str, Literal["accepted", "temporary", "permanent"]] = Field(
        default_factory=dict,
        description="What a command_status of submit_sm_resp means. Keys: a number (`0x14`) or a name "
        "(`ESME_RMSGQFUL`). Unless it is said here, RTHROTTLED, RMSGQFUL, RSYSERR and RX_T_APPN are temporary, all "
        "other errors permanent",
    )
    receipt_map: dict[str, ReceiptWord] = Field(
        default_factory=dict,
        description="The carrier's own words for `stat` in receipts, in any case; the words of the specification and "
        "their usual misspellings are known",
    )
    response_timeout_s: Number = Field(
        default=60, gt=0, description="A submit_sm without an answer for so long ends as `outcome_unknown`"
    )
    enquire_link_s: Number = Field(default=30, gt=0, description="After so long without traffic the link is probed")
    bind_timeout_s: Number = Field(default=10, gt=0, description="Connection and bind together may take so long")
    inactivity_s: Number = Field(
        default=60, gt=0, description="After so long without anything from the SMSC the link is given up"
    )
    retries_max: NotNegative | None = Field(
        default=None,
        description="Further tries after temporary errors, throttling not counted; then `retries_exhausted`. "
        "Unless given, until the message's validity is over",
    )
    retry_delay_s: Number = Field(default=30, gt=0, description="Wait after a temporary error; others pass meanwhile")
    source_ton: Octet | None = _octet(
        "Type of number of every sender; unless given 5 for letters, 3 for short codes, else 1"
    )
    source_npi: Octet | None = _octet("Numbering plan of every sender; unless given 1 for long numbers, else 0")
    dest_ton: Octet | None = _octet("Type of number of every destination; unless given 1")
    dest_npi: Octet | None = _octet("Numbering plan of every destination; unless given 1")
    validity: Literal["relative", "none"] = Field(
        default="relative", description="Whether the validity that is left is passed on in validity_period"
    )
    vendor_tlvs: dict[TlvTag, str] = Field(
        default_factory=dict,
        description="TLVs on every submit_sm. Keys: the tag (`0x1401`); values: `text:…`, `hex:…` or `int:…`, a number "
        "in the standard's size of the tag, else in as few octets as hold it; `int2:…` in two octets, up to `int8`",
    )
    service_type: str = Field(default="", description="service_type of every submit_sm")
    system_type: str = Field(default="", description="system_type of the bind")
    interface_version: Literal["3.3", "3.4", "5.0"] = Field(
        default="3.4", description="Version of SMPP that the bind asks for; what is sent is that of 3.4"
    )
    addr_ton: Whole = Field(default=0, ge=0, le=255, description="addr_ton of the bind, which goes with address_range")
    addr_npi: Whole = Field(default=0, ge=0, le=255, description="addr_npi of the bind, which goes with address_range")
    address_range: str = Field(
        default="", description="Destinations that this bind wants to receive for, in the SMSC's own notation"
    )
    local_host: str | None = Field(
        default=None,
        min_length=1,
        description="Address of this machine to connect from, where the SMSC has an allow list; the system's choice "
        "unless given",
    )
    hosts: tuple[HostAndPort, ...] = Field(
        default=(),
        description="Further addresses of the same account (`name`, `name:port`), tried in turn when no connection or "
        "bind comes about at `host`; a bind that is lost begins with `host` again",
    )
    tls: Tls = Field(
        default=Tls(mode="off"),
        description="Encryption of the connection: `off`, `verify` or a mapping, see below",
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _one_or_more(value)

    @field_validator("interface_version", mode="before")
    @classmethod
    def _version_word(cls, value: object) -> object:
        """3.4 is a number to YAML, and 5 is meant by 5.0."""
        return f"{float(value):.1f}" if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("receipt_map", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: word.strip().upper() if isinstance(word, str) else word for key, word in value.items()}

    @field_validator("tls", mode="before")
    @classmethod
    def _tls_word(cls, value: object) -> object:
        return {"mode": value} if isinstance(value, str) else value


class Connector(Strict):
    """One account at one SMSC, over up to `max_binds` binds."""

    id: ConnectorId = Field(
        description="In topic names, statuses and views: lower-case letters, digits and `-`, at most 40"
    )
    kind: Literal["smpp"] = Field(default="smpp", description="How it is reached; SMPP is the only kind today")
    provider: Provider = Field(
        default="",
        description="Whose account it is: receipts are joined across all connectors of one provider; unless given, "
        "the id",
    )
    host: str = Field(min_length=1, description="Name or address of the SMSC")
    port: Whole = Field(ge=1, le=65_535, description="Its TCP port")
    system_id: str = Field(description="Who binds")
    password: SecretRef = Field(description="Where the password is: `{env: NAME}` or `{file: /path}`, never itself")
    bind: Literal["transceiver", "transmitter+receiver"] = Field(
        default="transceiver", description="One connection a bind, or a pair of them that counts as one bind"
    )
    max_binds: Whole = Field(
        default=1, ge=1, le=100, description="Never more binds than this, however many binders run"
    )
    window: Whole = Field(default=10, ge=1, le=10_000, description="Unanswered submit_sm a bind")
    tps: Whole = Field(default=50, ge=1, le=100_000, description="submit_sm in any second, over all binds")
    receipt_deadline_s: Whole = Field(
        default=172_800,
        ge=1,
        le=604_800,
        description="Without a final receipt for so long after the answer a segment ends as `receipt_missing`",
    )
    options: Options = Field(default=Options(), description="How this SMSC differs, see below")

    @model_validator(mode="before")
    @classmethod
    def _provider_default(cls, value: object) -> object:
        if isinstance(value, dict) and not value.get("provider"):
            return {**value, "provider": value.get("id", "")}
        return value


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
        description="Transliteration may also put Latin letters in place of Cyrillic and Greek ones of the same shape; "
        "nothing without `transliterate`, the account's or the request's",
    )


def _listed(value: object) -> object:
    """One value as a list of one; a bare prefix like 44 is a number to YAML and text to us."""
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else [value]
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]


class Match(Strict):
    """All that is given must match; a list means any of."""

    prefix: tuple[Prefix, ...] | None = Field(
        default=None, description="How the destination begins, in digits; one or a list; any unless given"
    )
    account: tuple[str, ...] | None = Field(
        default=None, description="Whose message it is; one or a list; any unless given"
    )
    lane: tuple[Lane, ...] | None = Field(default=None, description="Its lane; one or a list; any unless given")

    @field_validator("prefix", "account", "lane", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _listed(value)


class Target(Strict):
    """One connector of a route."""

    connector: ConnectorId = Field(description="Id of a connector of this file")
    weight: Whole = Field(
        default=1, ge=1, le=1_000_000, description="Its part of the traffic; this version takes the first target in use"
    )


class Route(Strict):
    """First match wins."""

    match: Match = Field(default=Match(), description="What it is for, see below; everything unless given")
    to: tuple[Target, ...] = Field(min_length=1, description="Where it goes, see below")
    fallback: tuple[ConnectorId, ...] = Field(
        default=(), description="Connectors to take where none of `to` is in use, in order"
    )


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """Parts of the file that do not go together; `path` is the place to change, as keys and 0-based numbers."""

    path: tuple[str | int, ...]
    problem: str


def inconsistencies(
    connectors: Mapping[int, Connector],
    routes: Mapping[int, Route],
    connector_ids: Sequence[str],
    account_ids: Sequence[str],
) -> list[Inconsistency]:
    """What is wrong between the parts, in the order of the file; `connectors` and `routes` by their place in it.

    The ids are those of all parts: where some could not be read, the rest is judged all the same.
    """
    return [
        *_repeated("connectors", connector_ids),
        *_provider_differences(connectors),
        *_repeated("accounts", account_ids),
        *_undefined(routes, connector_ids),
    ]


def _repeated(part: str, ids: Sequence[str]) -> list[Inconsistency]:
    return [
        Inconsistency((part, place, "id"), f"{name!r} is used twice")
        for place, name in enumerate(ids)
        if name and name in ids[:place]
    ]


def _undefined(routes: Mapping[int, Route], connector_ids: Sequence[str]) -> list[Inconsistency]:
    defined = ", ".join(sorted(set(connector_ids))) or "none"
    named = [
        (("routes", number, *path), name)
        for number, route in routes.items()
        for path, name in (
            *((("to", place, "connector"), target.connector) for place, target in enumerate(route.to)),
            *((("fallback", place), name) for place, name in enumerate(route.fallback)),
        )
    ]
    return [
        Inconsistency(path, f"connector {name!r} is not defined (defined: {defined})")
        for path, name in named
        if name not in connector_ids
    ]


def _provider_differences(connectors: Mapping[int, Connector]) -> list[Inconsistency]:
    """A join key is normalised by provider, so its connectors must agree on the id format."""
    first: dict[str, Connector] = {}
    found = []
    for place, connector in connectors.items():
        other = first.setdefault(connector.provider, connector)
        if (mine := connector.options.message_id_format) != (theirs := other.options.message_id_format):
            problem = f"{mine} here and {theirs} at {other.id}: connectors of one provider cannot differ"
            found.append(Inconsistency(("connectors", place, "options", "message_id_format"), problem))
    return found


class Gateway(Strict):
    """The file. References between its parts are checked here; a problem names the place."""

    version: Annotated[Literal[1], BeforeValidator(_no_truth)] = Field(description="Of the form of this file")
    connectors: tuple[Connector, ...] = Field(default=(), description="Accounts at SMSCs")
    accounts: tuple[Account, ...] = Field(default=(), description="Who may send")
    routes: tuple[Route, ...] = Field(default=(), description="Which message goes where; the first that matches counts")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = inconsistencies(
            dict(enumerate(self.connectors)),
            dict(enumerate(self.routes)),
            [c.id for c in self.connectors],
            [a.id for a in self.accounts],
        )
        if found:
            sentences = "; ".join(f"{'.'.join(map(str, f.path))}: {f.problem}" for f in found)
            raise PydanticCustomError(INCONSISTENT, "{sentences}", {"sentences": sentences})
        return self


class Draining(Strict):
    """A removed connector, carried along until its receipts are in."""

    connector: Connector
    removed_at_ms: int
    now: bool = Field(default=False, description="Do not wait for receipts")


class AppliedConfig(Wire):
    """`config.gateway`: the whole configuration as one record, key `gateway`; `hash` covers gateway and draining."""

    hash: str
    applied_at_ms: int
    gateway: Gateway
    draining: tuple[Draining, ...] = ()
    partitions: int = Field(default=4, description="The installation's partition count, for who creates topics")
