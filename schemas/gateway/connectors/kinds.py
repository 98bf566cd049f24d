"""Pure: the kinds of connector, and `Connector`, any of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.gateway.connectors.common import DEFAULT_KIND, CommonConnector
from schemas.gateway.connectors.smpp import SmppConnector

CONNECTOR_KINDS: Final[Mapping[str, type[CommonConnector]]] = {"smpp": SmppConnector}


@dataclass(frozen=True, eq=False)
class ByKind:
    """Annotation of a union that is told apart by `kind`, which may be absent. Pydantic's own needs two members."""

    kinds: Mapping[str, type[CommonConnector]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {kind: handler.generate_schema(model) for kind, model in self.kinds.items()}
        return core_schema.tagged_union_schema(choices, discriminator=kind_of)


def kind_of(connector: Any) -> str:
    """The kind of a connector, read or not."""
    if isinstance(connector, CommonConnector):
        return connector.kind
    return str(connector.get("kind", DEFAULT_KIND)) if isinstance(connector, dict) else DEFAULT_KIND


Connector: TypeAlias = Annotated[SmppConnector, ByKind(CONNECTOR_KINDS)]
"""A connector of the file. For the type checker the union of all kinds: what one of them lacks is not to be read."""
