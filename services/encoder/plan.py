"""Pure: what the encoder must know of one connector, worked out once per configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from schemas.gateway.connectors.kinds import Connector
from schemas.topics import segments_topic
from schemas.wire import LANES, ReceiptScope
from shared.messages.connector_profile import map_problem, profile_of
from shared.sms.addresses import Address, NumberKind, destination_address, number_kind, source_address
from shared.sms.message import ConnectorProfile


@dataclass(frozen=True, slots=True)
class ConnectorPlan:
    """How a connector wants its messages. `lane_topics` by lane; `problem` is a sentence about a wrong option, or
    empty: a wrong option counts as absent, since stopping would stop every other connector too."""

    connector_id: str
    profile: ConnectorProfile
    lane_topics: dict[str, str]
    send_validity: bool
    absolute_validity: bool
    intermediate_receipts: bool
    receipt_scope: ReceiptScope
    ton_npi: Mapping[NumberKind, tuple[int, int]]
    source_ton: int | None
    source_npi: int | None
    dest_ton: int | None
    dest_npi: int | None
    problem: str = ""

    def source(self, sender: str) -> Address:
        """The sender as this connector wants it."""
        ton, npi = self.ton_npi.get(number_kind(sender), (self.source_ton, self.source_npi))
        return _source(sender, ton, npi)

    def destination(self, to: str) -> Address:
        """The destination as this connector wants it."""
        return destination_address(to, self.dest_ton, self.dest_npi)


_source = lru_cache(maxsize=4096)(source_address)
"""Senders are few and come again and again."""


def plan_of(connector: Connector) -> ConnectorPlan:
    """The plan of a connector. Never raises for what its options say."""
    options = connector.options
    problem = map_problem(options)
    return ConnectorPlan(
        connector_id=connector.id,
        profile=profile_of(options),
        lane_topics={lane: segments_topic(connector.id, lane) for lane in LANES},
        send_validity=options.validity != "none",
        absolute_validity=options.validity == "absolute",
        intermediate_receipts=options.intermediate_receipts,
        receipt_scope=options.receipt_scope,
        ton_npi={kind: _two_numbers(written) for kind, written in options.ton_npi.items()},
        source_ton=options.source_ton,
        source_npi=options.source_npi,
        dest_ton=options.dest_ton,
        dest_npi=options.dest_npi,
        problem=problem and f"connector {connector.id}: {problem}",
    )


def _two_numbers(written: str) -> tuple[int, int]:
    ton, _, npi = written.partition("/")
    return int(ton), int(npi)
