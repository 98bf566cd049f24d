"""Pure: what options and what was learned say of a provider's receipts: which ids they may be about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.gateway.connectors.kinds import Connector
from schemas.joins import SeenReceipt
from schemas.wire import KnownFormat
from services.correlator.join.receipt_states import upper_map
from shared.sms.smsc_message_id import (
    FORMATS,
    MessageIdFormat,
    ReceiptIdChoice,
    ReceiptIds,
    formats_of,
    names_in_response,
)


class ReceiptOptions(NamedTuple):
    """A connector's own: its words, which id counts, and whether intermediate notifications are asked for."""

    receipt_map: Mapping[str, str] = {}
    receipt_id: ReceiptIdChoice = "auto"
    intermediate_receipts: bool = True


_DEFAULT: Final = ReceiptOptions()


@dataclass(slots=True)
class JoinRules:
    """The options by connector, the format by provider, and the formats that were learned; replaced as they change."""

    options: dict[str, ReceiptOptions] = field(default_factory=dict)
    formats: dict[str, MessageIdFormat] = field(default_factory=dict)
    learned: dict[str, KnownFormat] = field(default_factory=dict)

    def adopt(self, connectors: Mapping[str, Connector], learned: Mapping[str, KnownFormat]) -> bool:
        """Follow a configuration and what was learned; whether that changes anything about ids."""
        before = (self._choices(), self.formats, self.learned)
        self.options = {
            name: ReceiptOptions(
                upper_map(connector.options.receipt_map),
                connector.options.receipt_id,
                connector.options.intermediate_receipts,
            )
            for name, connector in connectors.items()
        }
        self.formats = {c.provider: c.options.message_id_format for c in connectors.values()}
        self.learned = dict(learned)
        return (self._choices(), self.formats, self.learned) != before

    def _choices(self) -> dict[str, ReceiptIdChoice]:
        return {name: options.receipt_id for name, options in self.options.items()}

    def of(self, connector_id: str) -> ReceiptOptions:
        return self.options.get(connector_id, _DEFAULT)

    def known(self, provider: str) -> KnownFormat | None:
        """The format of the provider's ids; None while it is being learned."""
        found = self.formats.get(provider, "auto")
        return self.learned.get(provider) if found == "auto" else found

    def learns(self, provider: str) -> bool:
        """Whether the format is learned from what matches, or watched once it is."""
        return self.formats.get(provider, "auto") == "auto"

    def names(self, provider: str, seen: SeenReceipt) -> tuple[str, ...]:
        """What the response may have called the id of this receipt, most likely first; one name where that is sure."""
        known = self.known(provider)
        return names_in_response(
            _ids(seen), FORMATS if known is None else (known,), self.of(seen.connector_id).receipt_id
        )

    def every_name(self, seen: SeenReceipt) -> tuple[str, ...]:
        """The same under every format, and of both ids, whatever the options say."""
        return names_in_response(_ids(seen), FORMATS)

    def formats_for(self, seen: SeenReceipt, name: str) -> tuple[KnownFormat, ...]:
        """The formats that a match of this receipt under `name` speaks for."""
        return formats_of(_ids(seen), name)


def _ids(seen: SeenReceipt) -> ReceiptIds:
    return ReceiptIds(seen.id_in_tlv, seen.id_in_text)
