"""What the encoding core is told of a connector's options."""

from schemas.gateway.connectors.smpp import SmppOptions
from shared.messages.connector_profile import map_problem, profile_of


def test_a_data_coding_map_that_cannot_be_read_counts_as_absent() -> None:
    options = SmppOptions(data_coding_map={"gsm7": 241, "klingon": 1})
    assert profile_of(options).data_coding_map == {}
    assert "klingon" in map_problem(options)


def test_one_that_can_is_taken() -> None:
    options = SmppOptions(data_coding_map={"gsm7": 241})
    assert profile_of(options).data_coding_map == {0: 241}
    assert map_problem(options) == ""
