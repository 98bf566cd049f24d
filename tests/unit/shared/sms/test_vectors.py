"""Golden vectors: whole messages derived by hand, and tables as independent implementations have them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.sms import gsm7
from shared.sms.data_coding import read_map
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.national_tables import LOCKING_SHIFT, SINGLE_SHIFT, UNASSIGNED
from shared.sms.segmentation import encode_message

VECTORS = Path(__file__).parents[3] / "vectors" / "sms"
MESSAGES = json.loads((VECTORS / "messages.json").read_text(encoding="utf-8"))["vectors"]
NATIONAL = json.loads((VECTORS / "national_tables.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_messages(vector: dict[str, Any]) -> None:
    fields = dict(vector["request"])
    for name in ("data", "udh"):
        if name in fields:
            fields[name] = bytes.fromhex(fields[name])
    options = dict(vector["profile"])
    if "national_tables" in options:
        options["national_tables"] = tuple(options["national_tables"])
    if "data_coding_map" in options:
        options["data_coding_map"] = read_map(options["data_coding_map"])
    result = encode_message(EncodeRequest("vector-1", "4915112345678", **fields), ConnectorProfile(**options))
    assert isinstance(result, Encoded)
    assert (result.alphabet, result.data_coding, result.esm_class) == (
        vector["alphabet"],
        vector["data_coding"],
        vector["esm_class"],
    )
    assert [segment.octets.hex() for segment in result.segments] == vector["short_messages"]
    assert [[[tag, value.hex()] for tag, value in segment.tlvs] for segment in result.segments] == vector["tlvs"]


@pytest.mark.parametrize("table", NATIONAL["tables"], ids=lambda table: f"{table['language']} {table['kind']}")
def test_tables_are_those_of_an_independent_implementation(table: dict[str, Any]) -> None:
    ours = (LOCKING_SHIFT if table["kind"] == "locking" else SINGLE_SHIFT)[table["number"]]
    codes = " ".join("----" if character == UNASSIGNED else f"{ord(character):04x}" for character in ours)
    assert hashlib.sha256(codes.encode()).hexdigest() == table["sha256"]


def test_every_table_has_a_vector() -> None:
    assert len(NATIONAL["tables"]) == len(LOCKING_SHIFT) + len(SINGLE_SHIFT)


@pytest.mark.parametrize("sentence", NATIONAL["sentences"], ids=lambda sentence: sentence["name"])
def test_sentences_have_the_septets_of_an_independent_implementation(sentence: dict[str, Any]) -> None:
    pair = gsm7.alphabet(sentence["locking"], sentence["single"])
    septets = bytes.fromhex(sentence["septets"])
    assert pair.encode(sentence["text"]) == septets
    assert pair.decode(septets) == sentence["text"]
