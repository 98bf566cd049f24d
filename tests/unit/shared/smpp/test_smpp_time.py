import pytest

from shared.smpp.smpp_time import absolute, parse, relative

NOW_MS = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (86_400, "000001000000000R"),
        (1, "000000000001000R"),
        (3_723, "000000010203000R"),
        (0, "000000000001000R"),
        (-5, "000000000001000R"),
        (10**9, "000099235959000R"),
    ],
)
def test_q44_relative(seconds: int, text: str) -> None:
    assert relative(seconds) == text


def test_q44_absolute_is_utc_with_tenths() -> None:
    assert absolute(NOW_MS + 12_345) == "260101000012300+"
    assert parse("260101000012300+", NOW_MS) == NOW_MS + 12_300


@pytest.mark.parametrize("at_ms", [-1, 4_000_000_000_000])
def test_years_that_two_digits_cannot_tell_are_refused(at_ms: int) -> None:
    with pytest.raises(ValueError):
        absolute(at_ms)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("260101050000020+", NOW_MS),
        ("251231190000020-", NOW_MS),
        ("000001000000000R", NOW_MS + 86_400_000),
        ("", None),
        ("nonsense", None),
        ("269901000000000+", None),
        ("260101000000099+", None),
        ("260101000000000?", None),
        ("2601010000000000", None),
    ],
)
def test_times_of_others_are_read_and_nonsense_is_none(text: str, at_ms: int | None) -> None:
    assert parse(text, NOW_MS) == at_ms


def test_relative_times_come_back() -> None:
    for seconds in (1, 59, 60, 3_600, 86_400, 604_800):
        assert parse(relative(seconds), 0) == seconds * 1000
