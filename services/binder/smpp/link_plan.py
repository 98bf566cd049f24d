"""Pure: a connector of the configuration -> what a bind of it needs: address, sessions, TLS, parameters for submits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from schemas.gateway.connectors.smpp import SmppConnector, Tls, split_address
from schemas.gateway.values import SecretRef
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import BindMode
from shared.smpp.fields import COMMAND_SPECS, over_length
from shared.smpp.session import bind_request
from shared.smpp.tls import ClientTls
from shared.smpp.tlv import Tlv
from shared.smpp.vendor_tlvs import vendor_tlv

_MODES: Final = {
    "transceiver": (BindMode.TRANSCEIVER,),
    "transmitter+receiver": (BindMode.TRANSMITTER, BindMode.RECEIVER),
}
_VERSIONS: Final = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}

LinkAddress: TypeAlias = tuple[str, int]
AccountKey: TypeAlias = tuple[LinkAddress, str, SecretRef]


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One bind of a connector. `modes`: one connection each; two are a transmitter and a receiver that count as one.

    `addresses` are tried in turn, the first one first; `said` is what the bind request says beside the credentials.
    Two equal plans reach the same account in the same way: what differs needs a new bind.
    """

    addresses: tuple[LinkAddress, ...]
    local_host: str | None
    system_id: str
    password: SecretRef
    said: tuple[str | int, ...]
    modes: tuple[BindMode, ...]
    tls: ClientTls | None

    @property
    def account(self) -> AccountKey:
        """Whose back-off budget the attempts count against (Q25). Another password is another account: a wrong one must
        not keep the connector with the right one away.
        """
        return self.addresses[0], self.system_id, self.password


def link_plan(connector: SmppConnector) -> LinkPlan:
    """The plan of any valid connector."""
    options = connector.options
    others = (split_address(written) for written in options.hosts)
    return LinkPlan(
        addresses=((connector.host, connector.port), *((host, port or connector.port) for host, port in others)),
        local_host=options.local_host,
        system_id=connector.system_id,
        password=connector.password,
        said=(
            options.system_type,
            options.interface_version,
            options.addr_ton,
            options.addr_npi,
            options.address_range,
        ),
        modes=_MODES[connector.bind],
        tls=_client_tls(options.tls),
    )


def _client_tls(tls: Tls) -> ClientTls | None:
    """Verification is on unless the certificate is pinned (Q45)."""
    if tls.mode == "off":
        return None
    return ClientTls(
        ca_file=Path(tls.ca_file) if tls.ca_file else None,
        cert_file=Path(tls.cert_file) if tls.cert_file else None,
        key_file=Path(tls.key_file) if tls.key_file else None,
        server_name=tls.server_name,
        pins=tls.pin_sha256 if tls.mode == "pin" else (),
    )


def esme_config(connector: SmppConnector, mode: BindMode, password: str) -> EsmeConfig:
    """The session of one connection. Options that are changed later count from the next bind on, the window at once."""
    options = connector.options
    return EsmeConfig(
        system_id=connector.system_id,
        password=password,
        system_type=options.system_type,
        interface_version=_VERSIONS[options.interface_version],
        addr_ton=options.addr_ton,
        addr_npi=options.addr_npi,
        address_range=options.address_range,
        bind_mode=mode,
        window_size=connector.window,
        response_timeout_s=options.response_timeout_s,
        enquire_link_s=options.enquire_link_s,
        bind_timeout_s=options.bind_timeout_s,
        inactivity_s=options.inactivity_s,
    )


def over_long(connector: SmppConnector, password: str) -> tuple[str, ...]:
    """Warnings about what the bind request has longer than the specification; it is sent all the same (Q48)."""
    request = bind_request(esme_config(connector, BindMode.TRANSCEIVER, password))
    most = {row.name: row.size_max - 1 for row in COMMAND_SPECS[request.command_id].fields}
    return tuple(
        f"{name} is longer than the {most[name]} characters of the specification" for name in over_length(request)
    )


def peculiarities(connector: SmppConnector) -> tuple[str, ...]:
    """The options that are not at their default, for the log of every bind."""
    options = connector.options
    written = options.model_dump(mode="json", exclude_none=True)
    fields = type(options).model_fields.items()
    return tuple(
        f"{name}: {written[name]}"
        for name, field in fields
        if getattr(options, name) != field.get_default(call_default_factory=True)
    )


def vendor_tlvs(option: Mapping[str, str]) -> tuple[tuple[Tlv, ...], tuple[str, ...]]:
    """The optional parameters that every submit_sm of a connector carries (Q50), and sentences about wrong entries.

    `config apply` refuses these; in an older record one costs only itself.
    """
    tlvs, problems = [], []
    for key, value in option.items():
        try:
            tlvs.append(vendor_tlv(key, value))
        except ValueError as error:
            problems.append(f"vendor_tlvs: {key!r}: {error}")
    return tuple(tlvs), tuple(problems)
