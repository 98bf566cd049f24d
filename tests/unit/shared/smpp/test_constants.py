import aiosmpplib.state

from shared.smpp.constants import BindMode, SmppCommand, SmppCommandStatus, command_name, status_name, status_number
from shared.smpp.tlv import TLV_SPECS, Tag, TlvKind


def test_commands_and_statuses_are_those_of_aiosmpplib() -> None:
    assert {one.name: one.value for one in SmppCommand} == {one.name: one.value for one in aiosmpplib.state.SmppCommand}
    assert {one.name: one.value for one in SmppCommandStatus} == {
        one.name: one.value for one in aiosmpplib.state.SmppCommandStatus
    }


def test_tags_are_those_of_aiosmpplib() -> None:
    assert {one.name: one.value for one in Tag} == {name: getattr(aiosmpplib.state, name) for name in Tag.__members__}


def test_sizes_of_integer_tlvs_are_those_of_aiosmpplib() -> None:
    integers = {tag: spec.size for tag, spec in TLV_SPECS.items() if spec.kind is TlvKind.INTEGER}
    theirs = {tag: aiosmpplib.state.OptionalParam(tag, 1).length for tag in integers}
    assert integers == theirs


def test_unknown_numbers_have_a_name_all_the_same() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x401) == "0x00000401"
    assert command_name(4) == "submit_sm"
    assert command_name(0x99) == "0x00000099"


def test_a_status_is_found_by_number_and_by_name() -> None:
    assert [status_number(text) for text in ("0x14", "20", "ESME_RMSGQFUL", " rmsgqful ")] == [0x14] * 4
    assert [status_number(text) for text in ("", "0xZZ", "-1", "ESME_", "0x123456789")] == [None] * 5


def test_bind_modes() -> None:
    assert [(mode.transmits, mode.receives) for mode in BindMode] == [(True, False), (False, True), (True, True)]
