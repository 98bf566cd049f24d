"""STOP, START and HELP in the languages of the table."""

import pytest

from shared.sms.opt_out_words import OPT_OUT_WORDS, wish_of


@pytest.mark.parametrize("entry", OPT_OUT_WORDS, ids=lambda entry: f"{entry.language}-{entry.words[0]}")
def test_every_word_of_the_table_in_any_case(entry: object) -> None:
    assert isinstance(entry, tuple)
    for word in entry.words:  # type: ignore[attr-defined]
        assert wish_of(word) == wish_of(f" {word.lower()}.\n") == entry.wish  # type: ignore[attr-defined]
    assert entry.source  # type: ignore[attr-defined]


def test_the_table_speaks_many_languages() -> None:
    assert len({entry.language for entry in OPT_OUT_WORDS if entry.wish == "stop"}) >= 15


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP!", "stop"),
        ("«stop»", "stop"),
        ("ＳＴＯＰ", "stop"),
        ("ARRE\u0302T", "stop"),
        ("iptal", "stop"),
        ("STOP SHOP", "stop"),
        ("Stop it", "stop"),
        ("Stop sending me these messages please", "stop"),
        ("Стоп", "stop"),
        ("opt-out", "stop"),
        ("stop all", "stop"),
        ("START", "start"),
        ("Help?", "help"),
        ("Stop by at my place tomorrow", None),
        ("stopping", None),
        ("please stop", None),
        ("cancel my order", None),
        ("the end", None),
        ("start now", None),
        ("", None),
        ("?!", None),
        ("stop " * 100, None),
    ],
)
def test_what_a_message_wishes(text: str, wish: str | None) -> None:
    assert wish_of(text) == wish


def test_further_words_of_an_account() -> None:
    assert wish_of("Genug!", ("genug",)) == "stop"
    assert wish_of("Genug!") is None
