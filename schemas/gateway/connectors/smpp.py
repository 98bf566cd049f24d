"""Pure: a connector of kind `smpp`: an account at an SMSC that is reached by SMPP 3.4."""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from schemas.gateway.connectors.common import CommonConnector, CommonOptions, OptionPath, read_by
from schemas.gateway.values import Number, Octet, SecretRef, Strict, Whole, one_or_more
from schemas.wire import ReceiptScope

ReceiptWord = Literal["ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "SKIPPED"]
"""States of a receipt, SMPP 3.4 appendix B; SKIPPED since 5.0."""

TlvTag = Annotated[str, Field(pattern=r"^(0[xX][0-9a-fA-F]{1,4}|[1-9][0-9]{0,4})$")]
_OCTET: Final = "(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
TonNpi = Annotated[str, Field(pattern=f"^{_OCTET}/{_OCTET}$")]

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


def _octet(description: str) -> Any:
    """A field that is derived unless it is given."""
    return Field(default=None, description=description, json_schema_extra=read_by("encoder"))


class Tls(Strict):
    """TLS of a connector: `verify` checks chain and name; `pin` accepts exactly the certificates with these SHA-256."""

    mode: Literal["off", "verify", "pin"] = Field(
        default="verify",
        description="`verify`: the certificate's chain and name must be right; `pin`: exactly a certificate with a "
        "`pin_sha256`, self-signed or not. `tls: verify` is short for `tls: {mode: verify}`",
        json_schema_extra=read_by("binder"),
    )
    server_name: str | None = Field(
        default=None,
        description="Name to ask for and to verify; the host unless given",
        json_schema_extra=read_by("binder"),
    )
    ca_file: str | None = Field(
        default=None,
        description="PEM file of the authorities to trust; the system's unless given",
        json_schema_extra=read_by("binder"),
    )
    cert_file: str | None = Field(
        default=None,
        description="PEM file of our certificate, where the SMSC asks for one",
        json_schema_extra=read_by("binder"),
    )
    key_file: str | None = Field(
        default=None,
        description="PEM file of its key, where that is not in `cert_file`",
        json_schema_extra=read_by("binder"),
    )
    pin_sha256: tuple[Pin, ...] = Field(
        default=(),
        description="SHA-256 of the certificate (DER), 64 hexadecimal digits, colons allowed; one or a list, such as "
        "the present and the next; with `mode: pin` only",
        json_schema_extra=read_by("binder"),
    )

    @field_validator("pin_sha256", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return one_or_more(value)

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if (self.mode == "pin") != bool(self.pin_sha256):
            raise ValueError("mode pin and pin_sha256 go together")
        return self


class SmppOptions(CommonOptions):
    """How this SMSC differs from the specification; defaults fit most (docs/options.md)."""

    long_message: Literal["udh8", "udh16", "sar", "payload"] = Field(
        default="udh8",
        description="How a message that needs several segments is sent: a user data header with an 8- or 16-bit "
        "reference, the SAR TLVs (cut like `udh8`), or one submit_sm with message_payload that the SMSC cuts",
        json_schema_extra=read_by("ingress", "encoder", "correlator"),
    )
    message_id_format: Literal["auto", "raw", "hex", "dec"] = Field(
        default="auto",
        description="How message ids of responses and receipts are compared: `raw` as written, without regard to case "
        "and leading zeros; `hex`, `dec`: the response's id is a number of that base, the receipt's one of the other; "
        "`auto`: learned from what matches, see docs/receipts.md. The same for all connectors of one `provider`",
        json_schema_extra=read_by("binder", "correlator"),
    )
    receipt_id: Literal["auto", "tlv", "text"] = Field(
        default="auto",
        description="Which id of a receipt counts where it has two: the one in the TLV, the one in the text, or the "
        "one that finds a submission",
        json_schema_extra=read_by("binder", "correlator"),
    )
    receipt_scope: ReceiptScope = Field(
        default="segment",
        description="What a receipt of a long message is about: each segment has its own; or it is asked for with the "
        "last segment only, and the first final one, whatever segment it names, ends the message",
        json_schema_extra=read_by("encoder"),
    )
    intermediate_receipts: bool = Field(
        default=True,
        description="Intermediate notifications are asked for where a request says `receipt: all`; `false` for an SMSC "
        "that refuses that. The gateway's own steps are told all the same",
        json_schema_extra=read_by("encoder", "correlator"),
    )
    default_alphabet: Literal["gsm7", "latin1", "ascii"] = Field(
        default="gsm7",
        description="What this SMSC takes data_coding 0 for",
        json_schema_extra=read_by("ingress", "encoder", "correlator"),
    )
    gsm7_packed: bool = Field(
        default=False,
        description="GSM-7 is packed into septets here already, 8 characters in 7 octets; rare",
        json_schema_extra=read_by("ingress", "encoder", "correlator"),
    )
    national_tables: tuple[str, ...] = Field(
        default=(),
        description="Languages whose national tables of TS 23.038 may be used, in the order of preference: a text in "
        "one of them then costs GSM-7's 160 or so characters a segment instead of UCS-2's 70",
        json_schema_extra=read_by("ingress", "encoder", "correlator"),
    )
    data_coding_map: dict[str, Octet] = Field(
        default_factory=dict,
        description="Which data_coding this SMSC uses instead of the standard one. Keys: `gsm7`, `ascii`, `latin1`, "
        "`binary`, `ucs2` or a number",
        json_schema_extra=read_by("ingress", "encoder", "correlator"),
    )
    flash_variant: Literal["data_coding", "dest_addr_subunit"] = Field(
        default="data_coding",
        description="How `flash` is asked for: message class 0 in the data_coding, or the TLV dest_addr_subunit",
        json_schema_extra=read_by("ingress", "encoder", "correlator"),
    )
    sticky_parts: bool = Field(
        default=True,
        description="All segments of a message go over one bind; this version always does so",
        json_schema_extra=read_by(),
    )
    dlr_by_text: bool = Field(
        default=False,
        description="A deliver_sm whose esm_class says nothing is a receipt if its text looks like one",
        json_schema_extra=read_by("binder"),
    )
    status_map: dict[str, Literal["accepted", "throttled", "temporary", "permanent"]] = Field(
        default_factory=dict,
        description="What a command_status of submit_sm_resp means. Keys: a number (`0x14`) or a name "
        "(`ESME_RMSGQFUL`). `throttled`: the whole connector pauses and the segment is next; `temporary`: this message "
        "waits and others pass it. Unless it is said here, RTHROTTLED is throttled, RMSGQFUL, RSYSERR and RX_T_APPN "
        "are temporary, all other errors permanent",
        json_schema_extra=read_by("binder"),
    )
    receipt_map: dict[str, ReceiptWord] = Field(
        default_factory=dict,
        description="The carrier's own words for `stat` in receipts, in any case; a word of the specification is "
        "replaced in the TLV message_state too. What is known without it is in docs/receipts.md",
        json_schema_extra=read_by("correlator"),
    )
    response_timeout_s: Number = Field(
        default=60,
        gt=0,
        description="A submit_sm without an answer for so long ends as `outcome_unknown`",
        json_schema_extra=read_by("binder"),
    )
    enquire_link_s: Number = Field(
        default=30,
        gt=0,
        description="After so long without traffic the link is probed",
        json_schema_extra=read_by("binder"),
    )
    bind_timeout_s: Number = Field(
        default=10,
        gt=0,
        description="Connection and bind together may take so long",
        json_schema_extra=read_by("binder"),
    )
    inactivity_s: Number = Field(
        default=60,
        gt=0,
        description="After so long without anything from the SMSC the link is given up",
        json_schema_extra=read_by("binder"),
    )
    ton_npi: dict[Literal["alphanumeric", "short_code", "international"], TonNpi] = Field(
        default_factory=dict,
        description="Type of number and numbering plan of senders by their kind, as `5/0`: `alphanumeric` (unless "
        "given 5/0), `short_code` (up to 6 digits, 3/0), `international` (1/1). Not beside `source_ton` and "
        "`source_npi`, which are for every sender",
        json_schema_extra=read_by("encoder"),
    )
    source_ton: Octet | None = _octet(
        "Type of number of every sender; unless given 5 for letters, 3 for short codes, else 1"
    )
    source_npi: Octet | None = _octet("Numbering plan of every sender; unless given 1 for long numbers, else 0")
    dest_ton: Octet | None = _octet("Type of number of every destination; unless given 3 for short codes, else 1")
    dest_npi: Octet | None = _octet("Numbering plan of every destination; unless given 0 for short codes, else 1")
    validity: Literal["relative", "absolute", "none"] = Field(
        default="relative",
        description="How the validity that is left is passed on in validity_period: as a span, as a time (UTC), or not "
        "at all",
        json_schema_extra=read_by("encoder"),
    )
    vendor_tlvs: dict[TlvTag, str] = Field(
        default_factory=dict,
        description="TLVs on every submit_sm. Keys: the tag (`0x1401`); values: `text:…`, `hex:…` or `int:…`, a number "
        "in the standard's size of the tag, else in as few octets as hold it; `int2:…` in two octets, up to `int8`",
        json_schema_extra=read_by("binder"),
    )
    service_type: str = Field(
        default="", description="service_type of every submit_sm", json_schema_extra=read_by("binder")
    )
    system_type: str = Field(default="", description="system_type of the bind", json_schema_extra=read_by("binder"))
    interface_version: Literal["3.3", "3.4", "5.0"] = Field(
        default="3.4",
        description="Version of SMPP that the bind asks for; what is sent is that of 3.4",
        json_schema_extra=read_by("binder"),
    )
    addr_ton: Whole = Field(
        default=0,
        ge=0,
        le=255,
        description="addr_ton of the bind, which goes with address_range",
        json_schema_extra=read_by("binder"),
    )
    addr_npi: Whole = Field(
        default=0,
        ge=0,
        le=255,
        description="addr_npi of the bind, which goes with address_range",
        json_schema_extra=read_by("binder"),
    )
    address_range: str = Field(
        default="",
        description="Destinations that this bind wants to receive for, in the SMSC's own notation",
        json_schema_extra=read_by("binder"),
    )
    local_host: str | None = Field(
        default=None,
        min_length=1,
        description="Address of this machine to connect from, where the SMSC has an allow list; the system's choice "
        "unless given",
        json_schema_extra=read_by("binder"),
    )
    hosts: tuple[HostAndPort, ...] = Field(
        default=(),
        description="Further addresses of the same account (`name`, `name:port`), tried in turn when no connection or "
        "bind comes about at `host`; a bind that is lost begins with `host` again",
        json_schema_extra=read_by("binder"),
    )
    tls: Tls = Field(
        default=Tls(mode="off"),
        description="Encryption of the connection: `off`, `verify` or a mapping, see below",
        json_schema_extra=read_by("binder"),
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return one_or_more(value)

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


class SmppConnector(CommonConnector):
    """One account at one SMSC, over up to `max_binds` binds."""

    kind: Literal["smpp"] = Field(
        default="smpp",
        description="How it is reached",
        json_schema_extra=read_by("throttler", "binder"),
    )
    host: str = Field(min_length=1, description="Name or address of the SMSC", json_schema_extra=read_by("binder"))
    port: Whole = Field(ge=1, le=65_535, description="Its TCP port", json_schema_extra=read_by("binder"))
    system_id: str = Field(description="Who binds", json_schema_extra=read_by("binder"))
    password: SecretRef = Field(
        description="Where the password is: `{env: SMSGW_SECRET_…}`, or `{file: NAME}` below SMSGW_SECRET_DIR",
        json_schema_extra=read_by("binder"),
    )
    bind: Literal["transceiver", "transmitter+receiver"] = Field(
        default="transceiver",
        description="One connection a bind, or a pair of them that counts as one bind",
        json_schema_extra=read_by("binder"),
    )
    options: SmppOptions = Field(default=SmppOptions(), description="How this SMSC differs, see below")

    def same_for_provider(self) -> dict[OptionPath, object]:
        return {("options", "message_id_format"): self.options.message_id_format}
