"""Pure: gateway.yaml as a model, and `config.gateway`, the record that carries it (architecture section 9)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.wire import Lane, Wire


def _no_taken_word(connector_id: str) -> str:
    """A connector `dlq` would have the dead letters' topics."""
    if connector_id == "dlq":
        raise ValueError("dlq is taken, choose another id")
    return connector_id


ConnectorId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"), AfterValidator(_no_taken_word)]
AccountId = Annotated[str, Field(min_length=1, max_length=64)]


class Strict(BaseModel):
    """A part of the file: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    """TLS of a connector: `verify` checks chain and name; `pin` accepts exactly one certificate by its SHA-256."""

    mode: Literal["off", "verify", "pin"] = "off"
    server_name: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    pin_sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")


class Options(Strict):
    """How this SMSC differs from the specification; defaults fit most (reference: the option list of the docs)."""

    long_message: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    message_id_format: Literal["raw", "hex", "dec", "auto"] = "raw"
    default_alphabet: Literal["gsm7", "latin1", "ascii"] = "gsm7"
    gsm7_packed: bool = False
    national_tables: tuple[str, ...] = ()
    data_coding_map: dict[str, int] = Field(default_factory=dict)
    sticky_parts: bool = True
    dlr_by_text: bool = False
    status_map: dict[str, str] = Field(default_factory=dict)
    receipt_map: dict[str, str] = Field(default_factory=dict)
    response_timeout_s: float = Field(default=60, gt=0)
    enquire_link_s: float = Field(default=30, gt=0)
    bind_timeout_s: float = Field(default=10, gt=0)
    inactivity_s: float = Field(default=60, gt=0)
    retries_max: int | None = Field(default=None, ge=0)
    retry_delay_s: float = Field(default=30, gt=0)
    source_ton: int | None = Field(default=None, ge=0, le=255)
    source_npi: int | None = Field(default=None, ge=0, le=255)
    dest_ton: int | None = Field(default=None, ge=0, le=255)
    dest_npi: int | None = Field(default=None, ge=0, le=255)
    validity: Literal["relative", "none"] = "relative"
    vendor_tlvs: dict[str, str] = Field(default_factory=dict)
    system_type: str = ""
    tls: Tls = Tls()

    @field_validator("tls", mode="before")
    @classmethod
    def _tls_word(cls, value: object) -> object:
        if value is False:  # YAML reads a bare `off` as false
            value = "off"
        return {"mode": value} if isinstance(value, str) else value


class Connector(Strict):
    """One account at one SMSC, over up to `max_binds` binds."""

    id: ConnectorId
    provider: str = Field(
        default="", description="Receipts are joined across all connectors of one provider; default the id"
    )
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65_535)
    system_id: str
    password: SecretRef
    bind: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    max_binds: int = Field(default=1, ge=1, le=100)
    window: int = Field(default=10, ge=1, le=10_000)
    tps: int = Field(default=50, ge=1, le=100_000)
    receipt_deadline_s: int = Field(default=172_800, ge=1, le=604_800)
    options: Options = Options()

    @model_validator(mode="before")
    @classmethod
    def _provider_default(cls, value: object) -> object:
        if isinstance(value, dict) and not value.get("provider"):
            return {**value, "provider": value.get("id", "")}
        return value


class Account(Strict):
    """Who may send."""

    id: AccountId
    default_sender: str | None = None
    max_segments: int = Field(default=40, ge=1, le=255)
    transliterate: bool = False


def _listed(value: object) -> object:
    """One value as a list of one; a bare prefix like 44 is a number to YAML and text to us."""
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else [value]
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]


class Match(Strict):
    """All that is given must match; a list means any of."""

    prefix: tuple[str, ...] | None = None
    account: tuple[str, ...] | None = None
    lane: tuple[Lane, ...] | None = None

    @field_validator("prefix", "account", "lane", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _listed(value)


class Target(Strict):
    connector: ConnectorId
    weight: int = Field(default=1, ge=1, le=1_000_000)


class Route(Strict):
    """First match wins."""

    match: Match = Match()
    to: tuple[Target, ...] = Field(min_length=1)
    fallback: tuple[ConnectorId, ...] = ()


class Gateway(Strict):
    """The file. References between its parts are checked here; a problem names the place."""

    version: Literal[1]
    connectors: tuple[Connector, ...] = ()
    accounts: tuple[Account, ...] = ()
    routes: tuple[Route, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            *_repeated("connectors", [c.id for c in self.connectors]),
            *_repeated("accounts", [a.id for a in self.accounts]),
        ]
        known = {c.id for c in self.connectors}
        for number, route in enumerate(self.routes):
            problems += [
                f"routes.{number}: connector {target!r} is not defined (defined: {', '.join(sorted(known))})"
                for target in (*(t.connector for t in route.to), *route.fallback)
                if target not in known
            ]
        problems += _provider_differences(self.connectors)
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _repeated(part: str, ids: list[str]) -> list[str]:
    return [f"{part}: id {i!r} is used twice" for i in dict.fromkeys(ids) if ids.count(i) > 1]


def _provider_differences(connectors: tuple[Connector, ...]) -> list[str]:
    """A join key is normalised by provider, so its connectors must agree on the id format."""
    formats: dict[str, set[str]] = {}
    for connector in connectors:
        formats.setdefault(connector.provider, set()).add(connector.options.message_id_format)
    return [
        f"connectors of provider {provider!r} differ in message_id_format ({', '.join(sorted(found))})"
        for provider, found in formats.items()
        if len(found) > 1
    ]


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
