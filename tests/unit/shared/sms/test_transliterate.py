"""The table, and what is done with it."""

from shared.sms.gsm7 import DEFAULT
from shared.sms.message import Change
from shared.sms.transliterate import lookalikes, table, transliterate

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
