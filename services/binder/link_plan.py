"""Pure: a connector of the configuration -> what a bind of it needs: address, sessions, TLS, parameters for submits."""

import re
from binascii import unhexlify
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from schemas.gateway_config import Connector, SecretRef, Tls
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import BindMode
from shared.smpp.tls import ClientTls
from shared.smpp.tlv import Tlv, integer_tlv, text_tlv

_MODES: Final = {
    "transceiver": (BindMode.TRANSCEIVER,),
    "transmitter+receiver": (BindMode.TRANSMITTER, BindMode.RECEIVER),
}
_TAG: Final = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}")
PASSWORD_MAX: Final = 8
SYSTEM_ID_MAX: Final = 15
"""Of the specification (5.2.1, 5.2.2); longer ones are sent all the same, with a warning (Q48)."""


Account: TypeAlias = tuple[str, int, str, SecretRef]


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One bind of a connector. `modes`: one connection each; two are a transmitter and a receiver that count as one.

    Two equal plans reach the same account in the same way: what differs needs a new bind.
    """

    host: str
    port: int
    system_id: str
    password: SecretRef
    system_type: str
    modes: tuple[BindMode, ...]
    tls: ClientTls | None

    @property
    def account(self) -> Account:
        """Whose back-off budget the attempts count against (Q25). Another password is another account: a wrong one must
        not keep the connector with the right one away.
        """
        return self.host, self.port, self.system_id, self.password


def link_plan(connector: Connector) -> LinkPlan:
    """The plan of any valid connector."""
    return LinkPlan(
        host=connector.host,
        port=connector.port,
        system_id=connector.system_id,
        password=connector.password,
        system_type=connector.options.system_type,
        modes=_MODES[connector.bind],
        tls=_client_tls(connector.options.tls),
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
        pins=(tls.pin_sha256,) if tls.mode == "pin" and tls.pin_sha256 else (),
    )


def esme_config(connector: Connector, mode: BindMode, password: str) -> EsmeConfig:
    """The session of one connection. Options that are changed later count from the next bind on, the window at once."""
    options = connector.options
    return EsmeConfig(
        system_id=connector.system_id,
        password=password,
        system_type=options.system_type,
        bind_mode=mode,
        window_size=connector.window,
        response_timeout_s=options.response_timeout_s,
        enquire_link_s=options.enquire_link_s,
        bind_timeout_s=options.bind_timeout_s,
        inactivity_s=options.inactivity_s,
    )


def over_long(system_id: str, password: str) -> tuple[str, ...]:
    """Warnings about credentials that are longer than the specification has them (Q48)."""
    found = []
    if len(system_id) > SYSTEM_ID_MAX:
        found.append(f"system_id has {len(system_id)} characters, the specification allows {SYSTEM_ID_MAX}")
    if len(password) > PASSWORD_MAX:
        found.append(f"password has {len(password)} characters, the specification allows {PASSWORD_MAX}")
    return tuple(found)


def vendor_tlvs(option: Mapping[str, str]) -> tuple[tuple[Tlv, ...], tuple[str, ...]]:
    """The optional parameters that every submit_sm of a connector carries (Q50), and sentences about wrong entries.

    Keys are tags (`"0x1401"`, `"5121"`); values `"text:shop"`, `"hex:00ff"` or `"int:7"` (in the size that the standard
    gives the tag, else 1 octet); a value without such a word is text.
    """
    tlvs, problems = [], []
    for key, value in option.items():
        kind, colon, rest = value.partition(":")
        try:
            if not _TAG.fullmatch(key) or (tag := int(key, 0)) > 0xFFFF:
                problems.append(f"vendor_tlvs: {key!r} is no tag")
            elif colon and kind == "hex":
                tlvs.append(Tlv(tag, unhexlify(rest)))
            elif colon and kind == "int":
                tlvs.append(integer_tlv(tag, int(rest)))
            else:
                tlvs.append(text_tlv(tag, rest if colon and kind == "text" else value))
        except (ValueError, OverflowError) as error:
            problems.append(f"vendor_tlvs: {key!r}: {error}")
    return tuple(tlvs), tuple(problems)
