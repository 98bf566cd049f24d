"""Edge: the kinds of connector that a binder serves: who opens their channels (`payload_readers`: who reads them)."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.connectors.smpp import SmppConnector
from schemas.wire import KnownFormat
from services.binder.channel import Answers, Channel, LinkWatcher
from services.binder.context import OpenChannel
from services.binder.receive.receiving import Receiving
from services.binder.smpp.channel import SmppChannel
from services.binder.trace.tracing import Tracing


class Channels:
    """Opens the channels of a process."""

    def __init__(self, receiving: Receiving, tracing: Tracing, formats: Mapping[str, KnownFormat]) -> None:
        """`formats` of message ids by provider, followed live."""
        self._open_by_kind: Final[Mapping[str, OpenChannel]] = {
            "smpp": partial(SmppChannel, receiving=receiving, tracing=tracing, formats=formats),
        }

    def open(self, connector: Connector, partition: int, answers: Answers, watcher: LinkWatcher) -> Channel:
        """The channel of one bind, by the kind of its connector."""
        return self._open_by_kind[connector.kind](connector, partition, answers, watcher)


def unknown_connector(connector_id: str) -> Connector:
    """Stands for a connector whose topic exists and which the configuration does not know: it is never bound."""
    return SmppConnector.model_validate(
        {
            "id": connector_id,
            "host": "unknown.invalid",
            "port": 2775,
            "system_id": "",
            "password": {"env": "UNKNOWN"},
        }
    )
