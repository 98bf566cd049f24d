from dataclasses import fields

import pytest

from shared.smpp import pdu
from shared.smpp.constants import SmppCommand
from shared.smpp.fields import COMMAND_SPECS, CommandSpec, over_length


def test_every_command_of_the_specification_has_a_row() -> None:
    assert set(COMMAND_SPECS) == {command.value for command in SmppCommand}


@pytest.mark.parametrize("spec", COMMAND_SPECS.values(), ids=lambda spec: spec.body_class.__name__)
def test_the_class_has_exactly_the_fields_of_its_row_in_wire_order(spec: CommandSpec) -> None:
    names = [one.name for one in fields(spec.body_class) if one.name != "tlvs"]
    assert names == [row.name for row in spec.fields]


def test_q42_q48_over_length_fields_are_named_for_a_warning() -> None:
    assert over_length(pdu.BindTransceiver(system_id="s" * 15, password="p" * 8)) == ()
    assert over_length(pdu.BindTransceiver(system_id="s" * 16, password="p" * 9)) == ("system_id", "password")
    assert over_length(pdu.SubmitSm(source_addr="1" * 21, short_message=bytes(255))) == ("source_addr", "short_message")
    assert over_length(pdu.SubmitSmResp(None)) == ()


def test_passwords_are_not_in_a_repr() -> None:
    assert "secret" not in repr(pdu.BindTransceiver(password="secret")) + repr(pdu.Outbind(password="secret"))
