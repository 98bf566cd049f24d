"""`smsgw preview`: what goes in exactly, whose options count, and everything that comes out."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.cli import app
from services.cli.commands import preview_output

GATEWAY = """
version: 1
connectors:
  - id: acme
    host: 127.0.0.1
    port: 2775
    system_id: shop
    password: {env: PASSWORD}
    options: {long_message: udh16, national_tables: [turkish], data_coding_map: {gsm7: 241}}
  - id: packed
    host: 127.0.0.1
    port: 2775
    system_id: shop
    password: {env: PASSWORD}
    options: {gsm7_packed: true, flash_variant: dest_addr_subunit}
accounts:
  - {id: small, max_segments: 2, transliterate: true, lookalikes: true}
  - {id: shop}
routes:
  - to: [{connector: acme}, {connector: packed}]
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`smsgw preview` in a folder with a gateway.yaml: exit code, output, errors."""
    for name in ("SMSGW_KAFKA_BOOTSTRAP_SERVERS", "SMSGW_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.yaml").write_text(GATEWAY)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smsgw", "preview", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        captured = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), captured.out, captured.err

    return command


@pytest.fixture
def seen(run: Run) -> Callable[..., dict[str, Any]]:
    """The same, as the JSON of a preview that succeeded or was refused."""

    def command(*arguments: str) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        found: dict[str, Any] = json.loads(out)
        assert (code, err) == (0 if found["sendable"] else 1, "")
        return found

    return command


Seen = Callable[..., dict[str, Any]]


def standard_input(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets), encoding="utf-8"))


# What goes in


def test_a_file_is_taken_octet_by_octet(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"one\r\ntwo\r\n")
    found = seen("--file", "text", "--octets")
    assert bytes.fromhex(found["submissions"][0]["short_message"]) == b"one\r\ntwo\r\n"
    assert found["notes"] == [
        "2 line end(s) are CR LF: the carriage returns are sent, and counted",
        "the line feed at the end is sent, and counted",
    ]


def test_so_is_standard_input(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, "a\r\n€".encode())
    assert bytes.fromhex(seen("-", "--octets")["submissions"][0]["short_message"]) == b"a\r\n\x1b\x65"


def test_a_byte_order_mark_costs_nothing_and_is_named(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfhello")
    found = seen("--file", "text")
    assert (found["alphabet"], found["units_used"]) == ("gsm7", 5)
    assert found["notes"] == ["a byte order mark at the beginning was left out"]


@pytest.mark.parametrize(
    ("octets", "sentence", "hint"),
    [
        (b"caf\xe9", "text is not UTF-8: octet 0xe9 at offset 3", "unexpected end of data"),
        ("hi".encode("utf-16"), "text is not UTF-8: octet 0xff at offset 0", "it looks like UTF-16"),
    ],
)
def test_what_is_no_utf8_is_one_sentence(run: Run, tmp_path: Path, octets: bytes, sentence: str, hint: str) -> None:
    (tmp_path / "text").write_bytes(octets)
    code, out, err = run("--file", "text")
    assert (code, out) == (2, "")
    assert err.splitlines() == [f"error: {sentence}", hint]


def test_standard_input_and_an_argument_that_are_no_utf8(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, b"\xff")
    assert run("-")[2].startswith("error: standard input is not UTF-8: octet 0xff at offset 0")
    code, _, err = run("a\udcff")
    assert (code, err.splitlines()[0]) == (2, "error: the text is not UTF-8 at character 2")


def test_a_file_that_is_not_there(run: Run) -> None:
    assert run("--file", "nothing")[2] == "error: cannot read nothing: No such file or directory\n"


# Whose options count


def test_a_connector_of_a_file(seen: Seen) -> None:
    found = seen("ğ" * 80, "--connector", "acme", "--config", "gateway.yaml", "--octets")
    assert (found["alphabet"], found["segments"], found["data_coding"], found["esm_class"]) == ("gsm7", 1, 241, 0x40)
    assert seen("a" * 305, "--connector", "acme", "--config", "gateway.yaml")["segments"] == 3
    octets = seen("hellohello", "--connector", "packed", "--config", "gateway.yaml", "--flash", "--octets")
    assert octets["submissions"] == [
        {
            "short_message": "e8329bfd4697d9ec37",
            "tlvs": [{"tag": 5, "name": "dest_addr_subunit", "value": "01"}],
        }
    ]


def test_what_is_typed_comes_before_the_connectors_options(seen: Seen) -> None:
    acme = ("--connector", "acme", "--config", "gateway.yaml")
    assert seen("a" * 305, *acme, "--long-message", "udh8")["segments"] == 2
    assert seen("ğ" * 80, *acme, "--national-tables", "")["alphabet"] == "ucs2"
    packed = ("--connector", "packed", "--config", "gateway.yaml", "--octets")
    assert seen("hi", *packed, "--no-packed")["submissions"][0]["short_message"] == b"hi".hex()


def test_an_account_has_limits_and_defaults(seen: Seen) -> None:
    small = ("--account", "small", "--config", "gateway.yaml")
    refused = seen("a" * 400, *small)
    assert (refused["reason"], refused["detail"]) == ("text_too_long", "needs 3 segments in gsm7, 2 are allowed")
    assert seen("a" * 400, *small, "--max-segments", "3")["segments"] == 3
    assert seen("“" + "a" * 100, *small)["alphabet"] == "gsm7"
    assert seen("“" + "a" * 100, *small, "--no-transliterate")["alphabet"] == "ucs2"


def test_without_an_account_the_gateways_limit_counts(seen: Seen) -> None:
    assert seen("a" * 153 * 40)["segments"] == 40
    assert seen("a" * (153 * 40 + 1))["reason"] == "text_too_long"
    assert seen("a" * (153 * 40 + 1), "--max-segments", "255")["segments"] == 41


def test_options_of_a_connector_that_is_not_there_yet(seen: Seen) -> None:
    assert seen("ğ" * 100, "--national-tables", "spanish, turkish")["segments"] == 1
    assert seen("é", "--default-alphabet", "ascii")["alphabet"] == "ucs2"
    assert seen("hello", "--packed", "--octets")["submissions"][0]["short_message"] == "e8329bfd06"
    assert seen("Ж", "--flash")["data_coding"] == 0x18


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x", "--connector", "nobody", "--config", "gateway.yaml"], "--connector: 'nobody' is not defined"),
        (["x", "--account", "nobody", "--config", "gateway.yaml"], "--account: 'nobody' is not defined"),
        (["x", "--config", "gateway.yaml"], "--config alone says nothing"),
        (["x", "--long-message", "udh"], "--long-message: 'udh' is unknown"),
        (["x", "--default-alphabet", "utf8"], "--default-alphabet: 'utf8' is unknown"),
        (["x", "--national-tables", "turkisch"], "did you mean turkish?"),
        (["x", "--packed", "--default-alphabet", "latin1"], "gsm7_packed needs default_alphabet gsm7, not latin1"),
        (["x", "--max-segments", "256"], "--max-segments: 256 is not within 1 to 255"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], sentence: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_connector_without_a_file_is_looked_for_in_what_is_applied(run: Run) -> None:
    code, _, err = run("x", "--connector", "acme")
    assert code == 3
    assert err.startswith("error: no running gateway is known in ")


# What comes out


def test_a_payload_has_its_octets_in_a_tlv(seen: Seen) -> None:
    found = seen("a" * 161, "--long-message", "payload", "--octets")
    (submission,) = found["submissions"]
    assert submission == {
        "short_message": "",
        "tlvs": [{"tag": 0x0424, "name": "message_payload", "value": (b"a" * 161).hex()}],
    }
    sar = seen("a" * 161, "--long-message", "sar", "--octets")["submissions"]
    assert [tlv["name"] for tlv in sar[1]["tlvs"]] == ["sar_msg_ref_num", "sar_total_segments", "sar_segment_seqnum"]


def test_changes_and_what_they_would_save(seen: Seen) -> None:
    text = "“" + "a" * 100
    changes = [{"position": 0, "original": "“", "replacement": '"', "reason": "typographic quotation mark"}]
    assert seen(text)["saving"] == {"segments": 1, "changes": changes}
    assert seen(text)["changes"] == []
    assert seen(text, "--transliterate")["changes"] == changes


def test_look_alikes_only_when_asked(seen: Seen) -> None:
    assert seen("СОС" * 30, "--transliterate")["alphabet"] == "ucs2"
    assert seen("СОС" * 30, "--transliterate", "--lookalikes")["alphabet"] == "gsm7"
    assert seen("СОС" * 30)["saving"] is None
    assert seen("СОС" * 30, "--lookalikes")["saving"]["segments"] == 1
    small = ("--account", "small", "--config", "gateway.yaml")
    assert seen("СОС" * 30, *small)["alphabet"] == "gsm7"
    assert seen("СОС" * 30, *small, "--no-lookalikes")["alphabet"] == "ucs2"


def test_a_person_sees_the_same(run: Run) -> None:
    code, out, _ = run("“" + "a" * 100 + "“\u200b[b]", "--octets")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:3] == [
        "2 segments, UCS-2: U+201C '“' at position 1 is not in the GSM 7-bit default alphabet",
        "106 code units used, 28 left in the last segment",
        "data_coding 8, esm_class 0x40, with a user data header",
    ]
    assert any(line.split() == ["“", "U+201C", "1", "2", "left", "double", "quotation", "mark"] for line in lines)
    assert any(line.split() == ["U+200B", "U+200B", "103", "1", "zero", "width", "space"] for line in lines)
    assert "with --transliterate: 1 segment instead of 2" in lines
    assert any(line.split() == ["U+200B", "nothing", "103", "1", "invisible", "character"] for line in lines)
    assert any(line.split() == ["“", '"', "1", "2", "typographic", "quotation", "mark"] for line in lines)
    assert any(line.startswith("        1  user data header       6  05 00 03 ") for line in lines)


def test_a_person_sees_a_refusal_and_the_first_of_many(run: Run) -> None:
    code, out, _ = run("".join(map(chr, range(0x4E00, 0x4E19))), "--encoding", "gsm7")
    assert code == 1
    assert out.startswith("cannot be sent: not_encodable: U+4E00 '一' at position 1 is not in ")
    assert "characters behind the refusal" in out
    assert out.endswith("and 5 more\n")


def test_a_person_sees_few_of_many_replacements(run: Run) -> None:
    accents = "ĀāĂăĄąĆćĈĉĊċČčĎďĒēĔĕĖėĘęĚě"
    out = run(accents * 3, "--transliterate")[1]
    assert out.endswith(f"and {len(accents) - preview_output.ROWS_MAX} more\n")


def test_a_person_is_told_who_cuts_a_payload(run: Run) -> None:
    assert "esm_class 0x00; 1 submit_sm, which the SMSC cuts\n" in run("a" * 161, "--long-message", "payload")[1]
    assert "which the SMSC cuts" not in run("a" * 160, "--long-message", "payload")[1]
