"""What a message will be, before it is sent."""

from typing import Any

from shared.sms.message import ConnectorProfile, EncodeRequest
from shared.sms.preview import Forcing, preview

PLAIN = ConnectorProfile()


def test_a_short_text() -> None:
    seen = preview(EncodeRequest("m1", "4915", text="a{b"), PLAIN)
    assert (seen.refused, seen.alphabet, seen.segments) == (None, "gsm7", 1)
    assert (seen.units, seen.units_used, seen.units_left) == ("septets", 4, 156)
    assert (seen.forcing, seen.saving) == ((), None)
    assert seen.submissions[0].octets == b"a\x1b\x28b"


def test_what_forces_ucs2_and_what_transliteration_would_save() -> None:
    seen = preview(EncodeRequest("m1", "4915", text="“" + "a" * 100 + "“”"), PLAIN)
    assert (seen.alphabet, seen.segments, seen.units) == ("ucs2", 2, "code units")
    assert (seen.units_used, seen.units_left) == (103, 31)
    assert seen.forcing == (Forcing("“", 0, 2), Forcing("”", 102, 1))
    assert seen.saving is not None
    assert (seen.saving.segments, len(seen.saving.changes)) == (1, 3)


def test_nothing_to_save_is_none() -> None:
    assert preview(EncodeRequest("m1", "4915", text="“short”"), PLAIN).saving is None
    assert preview(EncodeRequest("m1", "4915", text="日" * 100), PLAIN).saving is None
    assert preview(EncodeRequest("m1", "4915", text="“" + "{" * 100), PLAIN).saving is None
    asked = preview(EncodeRequest("m1", "4915", text="“" + "a" * 100, transliterate=True), PLAIN)
    assert asked.saving is None
    assert len(asked.changes) == 1


def test_a_refusal_still_says_what_would_help() -> None:
    seen = preview(EncodeRequest("m1", "4915", text="“a”", encoding="gsm7"), PLAIN)
    assert seen.refused is not None
    assert seen.refused.reason == "not_encodable"
    assert seen.forcing[0] == Forcing("“", 0, 1)
    assert seen.saving is not None
    assert seen.saving.segments == 1


def test_long_texts_national_tables_and_data() -> None:
    assert preview(EncodeRequest("m1", "4915", text="a" * 200), PLAIN).units_left == 106
    turkish = preview(EncodeRequest("m1", "4915", text="ş" * 75), ConnectorProfile(national_tables=("turkish",)))
    assert (turkish.segments, turkish.units_used, turkish.units_left) == (1, 150, 5)
    septets = preview(EncodeRequest("m1", "4915", data=bytes(161), data_coding=0), PLAIN)
    assert (septets.units, septets.units_used, septets.units_left) == ("septets", 161, 145)
    data = preview(EncodeRequest("m1", "4915", data=bytes(100)), PLAIN)
    assert (data.units, data.units_used, data.units_left, data.saving) == ("octets", 100, 40, None)


def test_payload_counts_what_is_paid_for() -> None:
    seen = preview(EncodeRequest("m1", "4915", text="a" * 400), ConnectorProfile(long_message="payload"))
    assert (seen.segments, len(seen.submissions), seen.units_left) == (3, 1, 59)


# Which characters force an alphabet


def forcing(text: str, profile: ConnectorProfile = PLAIN, **request: Any) -> str:
    return "".join(f.character for f in preview(EncodeRequest("m1", "4915", text=text, **request), profile).forcing)


def test_forcing_is_about_the_alphabet_that_was_asked_for() -> None:
    assert forcing("aáЖ") == "áЖ"
    assert forcing("aáЖ", encoding="gsm7") == "áЖ"
    assert forcing("aáЖ", encoding="latin1") == "Ж"
    assert forcing("aá", encoding="latin1") == ""
    assert forcing("aáЖ", encoding="ucs2") == ""
    assert forcing("a\ud800Ж", encoding="ucs2") == "\ud800"
    assert forcing("éa", ConnectorProfile(default_alphabet="ascii")) == "é"


def test_forcing_knows_the_national_tables_that_are_allowed() -> None:
    turkish = ConnectorProfile(national_tables=("turkish",))
    assert forcing("ş" * 75, turkish) == ""  # fits, with the table
    assert forcing("şЖ" * 50, turkish) == "Ж"
    assert forcing("ş", turkish) == "ş"  # would fit, but UCS-2 takes no more segments
    both = ConnectorProfile(national_tables=("turkish", "portuguese"))
    assert forcing("ş日õ" * 50, both) == "日"
    assert forcing("ş" * 75, ConnectorProfile(national_tables=("turkish",), default_alphabet="latin1")) == "ş"


def test_what_is_replaced_forces_nothing() -> None:
    assert forcing("“" + "a" * 100, transliterate=True) == ""


def test_what_is_not_listed_is_counted() -> None:
    seen = preview(EncodeRequest("m1", "4915", text="".join(map(chr, range(0x4E00, 0x4E19)))), PLAIN)
    assert (len(seen.forcing), seen.forcing_more) == (20, 5)
