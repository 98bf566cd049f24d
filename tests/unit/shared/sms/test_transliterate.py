"""The table, and what is done with it."""

from shared.sms.gsm7 import DEFAULT, alphabet
from shared.sms.message import Change
from shared.sms.transliterate import lookalikes, surely_left, table, transliterate

KEPT = DEFAULT.characters


def replaced(text: str, *, with_lookalikes: bool = False) -> str:
    return transliterate(text, KEPT, with_lookalikes=with_lookalikes)[0]


def test_every_replacement_is_in_the_default_alphabet_and_has_a_reason() -> None:
    for character, (replacement, reason) in {**table(), **lookalikes()}.items():
        assert DEFAULT.encode(replacement) is not None, (character, replacement)
        assert len(character) == 1
        assert reason


def test_look_alikes_are_a_table_of_their_own() -> None:
    assert not table().keys() & lookalikes().keys()
    assert replaced("СМС") == "СМС"
    assert replaced("СМС", with_lookalikes=True) == "CMC"


def test_what_office_programs_put_into_texts() -> None:
    assert replaced("“It’s 5–6 €…”\u00a0– «ok»") == '"It\'s 5-6 €..." - "ok"'
    assert replaced("a\u200bb\ufeff\tc") == "ab c"


def test_accents_ligatures_and_letters_that_only_look_plain() -> None:
    assert replaced("Žluťoučký kůň, œuvre, Łódź, şık, straße, São") == "Zlutoucky kun, oeuvre, Lodz, sik, straße, Sao"


def test_signs_of_measures_money_and_lists() -> None:
    assert replaced("25°C ±5 µm, ₽100 or ₹9") == "25degC +/-5 um, RUB100 or INR9"
    assert replaced("★ new ✓ done • ▪") == "* new v done * *"
    assert replaced("\u202bab\u202c\u200e \u2067c\u2069") == "ab c"


def test_what_unicode_has_a_plain_form_of_becomes_that() -> None:
    text, changes = transliterate("x⁴ ⅓ ＡＢ１！ ㎏ ǅ Å", KEPT, with_lookalikes=False)
    assert text == "x4 1/3 AB1! kg Dz Å"
    assert {change.reason for change in changes} == {"plain form of the same character"}
    assert replaced("\ufdfa") == "\ufdfa"  # its plain form is Arabic


def test_a_fraction_behind_a_digit_stays_apart_from_it() -> None:
    assert replaced("1½ 21⅓ ½ 2⅞ kg") == "1 1/2 21 1/3 1/2 2 7/8 kg"
    assert transliterate("1½…", frozenset(map(chr, range(256))), with_lookalikes=False)[0] == "1½..."


def test_letters_of_azerbaijani_and_hausa_have_a_nearest_one() -> None:
    assert replaced("Əhməd ɗan") == "Ehmed dan"


def test_accents_on_look_alikes_and_on_what_is_no_latin_letter() -> None:
    assert replaced("Ώρα") == "Ωρα"
    assert replaced("ΌΧΙ Її Ё и\u0306") == "ΌΧΙ Її Ё и\u0306"
    assert replaced("ΌΧΙ Її Ё", with_lookalikes=True) == "OXI Ii E"


def test_small_greek_letters_are_the_capitals_that_gsm_has_or_latin_ones_like_them() -> None:
    text, changes = transliterate("Καλημέρα, ψήφος ΐ", KEPT, with_lookalikes=True)
    assert text == "KAΛHMEPA, ΨHΦOΣ I"
    assert {change.reason for change in changes} == {
        "Latin letter of the same shape",
        "Greek capital as GSM 7-bit has it",
    }
    assert replaced("αβγδεζηθικλμνξοπρσςτυφχψω", with_lookalikes=True) == "ABΓΔEZHΘIKΛMNΞOΠPΣΣTYΦXΨΩ"
    assert replaced("λόγος") == "λόγος", "only where the account says so"


def test_what_the_alphabet_holds_decides_how_much_is_changed() -> None:
    turkish = alphabet(1, 1).characters
    assert transliterate("“şık”", turkish, with_lookalikes=False)[0] == '"şık"'
    assert transliterate("s\u0327\u0301", turkish, with_lookalikes=False)[0] == "ş"
    assert replaced("s\u0327\u0301") == "s"


def test_what_is_surely_left_is_never_more_than_what_is() -> None:
    text = "a\u0301\u200b\u202e“e\u0301\ufe0f\ufdfa"
    assert surely_left(text) == 4 <= len(replaced(text))


def test_what_is_in_the_alphabet_is_not_touched() -> None:
    text = "".join(sorted(KEPT))
    assert transliterate(text, KEPT, with_lookalikes=True) == (text, ())


def test_a_letter_with_marks_is_taken_as_one() -> None:
    assert transliterate("cafe\u0301 s\u030c", KEPT, with_lookalikes=False) == (
        "café s",
        (
            Change(3, "e\u0301", "é", "letter and mark as one character"),
            Change(6, "s\u030c", "s", "letter without its accent"),
        ),
    )


def test_what_has_no_entry_stays() -> None:
    assert transliterate("日…", KEPT, with_lookalikes=True) == (
        "日...",
        (Change(1, "…", "...", "symbol written out"),),
    )
