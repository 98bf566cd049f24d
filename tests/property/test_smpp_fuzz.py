"""Mutated golden PDUs against everything that reads a peer's octets; a million of them: `make fuzz`."""

import random

import pytest

from shared.smpp import codec, trace
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.session_core import SessionCore
from tests.bench.bench_smpp_fuzz import fuzz

COUNT = 10_000


@pytest.mark.parametrize("seed", range(5))  # 50,000 in all, in parts that a busy machine ends in time
def test_a_mutated_pdu_is_a_value_or_a_protocol_error_and_nothing_else(seed: int) -> None:
    assert fuzz(random.Random(seed), COUNT) == COUNT


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (codec._Reader, "destinations"),
        (trace, "_tlv"),
        (SessionCore, "_refuse_unparsable"),
        (SessionCore, "_complain"),
        (EsmeSession, "_receive_deliver"),
        (SmscSession, "_unknown"),
    ],
)
def test_what_raises_is_found_and_named(owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(owner, name, raises)
    with pytest.raises(AssertionError, match=r"^ValueError in a \w+Session: [0-9a-f]+$"):
        fuzz(random.Random(2775), COUNT)
