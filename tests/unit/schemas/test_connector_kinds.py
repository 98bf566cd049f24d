"""Pure: connectors are told apart by their kind; another kind is a model and a line in the union."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from schemas.gateway.connectors.common import CommonConnector
from schemas.gateway.connectors.kinds import CONNECTOR_KINDS, ByKind, Connector
from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import Gateway

SMPP = {"id": "acme-1", "host": "127.0.0.1", "port": 2775, "system_id": "shop", "password": {"env": "X"}}


class Pigeon(CommonConnector):
    """A kind that only this test knows."""

    kind: Literal["pigeon"] = "pigeon"
    loft: str = Field(min_length=1)


KINDS = {**CONNECTOR_KINDS, "pigeon": Pigeon}
EITHER: TypeAdapter[SmppConnector | Pigeon] = TypeAdapter(Annotated[SmppConnector | Pigeon, ByKind(KINDS)])
TODAY: TypeAdapter[Connector] = TypeAdapter(Connector)


def test_without_a_kind_it_is_smpp_as_before_there_were_kinds() -> None:
    for given in (SMPP, {**SMPP, "kind": "smpp"}):
        read = TODAY.validate_python(given)
        assert (type(read), read.kind) == (SmppConnector, "smpp")
        assert TODAY.validate_json(TODAY.dump_json(read)) == read
        assert TODAY.validate_python(read) is read


@pytest.mark.parametrize("kind", ["pigeon", "", None, 5, ["smpp"]])
def test_an_unknown_kind_names_the_known_ones(kind: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TODAY.validate_python({**SMPP, "kind": kind})
    (error,) = caught.value.errors()
    assert (error["type"], error["ctx"]["tag"], error["ctx"]["expected_tags"]) == (
        "union_tag_invalid",
        str(kind),
        "'smpp'",
    )


def test_another_kind_has_its_own_keys_and_those_of_every_connector() -> None:
    read = EITHER.validate_json(b'{"id": "p-1", "kind": "pigeon", "loft": "north", "tps": 2}')
    assert isinstance(read, Pigeon)
    assert (read.provider, read.tps, read.options.retry_delay_s, read.same_for_provider()) == ("p-1", 2, 30, {})
    assert EITHER.validate_json(EITHER.dump_json(read)) == read
    with pytest.raises(ValidationError, match=r"pigeon\.host"):
        EITHER.validate_python({"id": "p-1", "kind": "pigeon", "loft": "north", "host": "127.0.0.1"})
    assert isinstance(EITHER.validate_python(SMPP), SmppConnector)


def test_connectors_of_one_provider_agree_in_what_their_join_ids_depend_on() -> None:
    one = {**SMPP, "provider": "acme", "options": {"message_id_format": "hex"}}
    with pytest.raises(
        ValidationError, match=r"connectors\.1\.options\.message_id_format: auto here and hex at acme-1"
    ):
        Gateway.model_validate({"version": 1, "connectors": [one, {**SMPP, "id": "acme-2", "provider": "acme"}]})
