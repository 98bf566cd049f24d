"""Where a group goes on, as a person writes it."""

from datetime import UTC, datetime

import pytest

from shared.operations.adoption import AdoptionChoice, start_of
from shared.operations.errors import Invalid


def test_a_word_an_offset_or_a_time() -> None:
    assert start_of("beginning") == "beginning"
    assert start_of("end") == "end"
    assert start_of("017") == 17
    assert start_of("2026-12-01T08:00:00+00:00") == datetime(2026, 12, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "start", "-1", "1e3", "9" * 19, "2026-12-01T08:00:00", "2026-13-01", "۱"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="--from"):
        start_of(text)


def test_an_offset_needs_its_partition() -> None:
    assert AdoptionChoice(3, "t", 0).start == 3
    with pytest.raises(Invalid, match="an offset is one of a single partition"):
        AdoptionChoice(3, "t")
