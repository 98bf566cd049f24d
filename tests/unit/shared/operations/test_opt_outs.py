"""Files of opt-outs."""

import pytest

from shared.operations.errors import Invalid
from shared.operations.opt_outs import imported

AT_MS = 1_790_000_000_000


def _keys(text: str, account: str = "", sender: str = "") -> list[str]:
    return [one.key.decode() for one in imported(text, account, sender, AT_MS)]


def test_a_number_a_line() -> None:
    assert _keys("+44 7700 900123\n\n4915112345678\r\n") == ["*|447700900123", "*|4915112345678"]
    assert _keys("447700900123", "shop", "+60777") == ["shop|60777|447700900123"]


def test_columns_with_and_without_a_header() -> None:
    assert _keys("447700900123,shop,SHOP\n447700900124,,\n", "bank") == ["shop|SHOP|447700900123", "bank|447700900124"]
    assert _keys("\ufeffAccount;x\n".replace(";x", ",Number") + "shop,447700900123\n") == ["shop|447700900123"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("447700900123\nabc\n", "line 2: 'abc' is no number"),
        ("447700900123,shop,TwelveLetters\n", "line 1: 'TwelveLetters' is no sender"),
        ("447700900123,shop,SHOP,x\n", "line 1: 4 columns"),
        ("number,colour\n", "line 1: unknown column 'colour'"),
        ("shop,447700900123\n", "line 1: 'shop' is no number"),
    ],
)
def test_a_mistake_names_its_line(text: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        imported(text, "", "", AT_MS)
