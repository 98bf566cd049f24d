"""Unit tests of the order of migrations."""

import re

import pytest

from services.recorder.app import known_migrations
from services.recorder.migrations import Migration, MigrationError, ordered, pending, split


def numbered(*texts: str) -> tuple[Migration, ...]:
    return tuple(Migration(number, f"m{number}", text) for number, text in enumerate(texts, start=1))


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    text = "-- a; comment;\nCREATE a\n  -- inside;\n(b String DEFAULT ';');\n\nSELECT 1;\nSELECT 2\n"
    assert list(split(text)) == ["CREATE a\n(b String DEFAULT ';')", "SELECT 1", "SELECT 2"]


def test_files_are_ordered_by_number() -> None:
    found = ordered({"0002_b.sql": "B;", "0001_a.sql": "A;"})
    assert [(m.number, m.name, m.statements) for m in found] == [(1, "a", ("A",)), (2, "b", ("B",))]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["0001_a.sql", "0001_b.sql"], "0001 is there twice"),
        (["0001_a.sql", "0003_c.sql"], "0002 is missing"),
        (["1_a.sql"], "1_a.sql: a migration is called"),
    ],
)
def test_wrong_numbers_are_named(names: list[str], sentence: str) -> None:
    with pytest.raises(MigrationError, match=sentence):
        ordered(dict.fromkeys(names, "SELECT 1;"))


def test_only_what_is_missing_is_applied() -> None:
    known = numbered("A;", "B;", "C;")
    assert pending(known, {}) == known
    assert pending(known, {1: known[0].checksum, 2: known[1].checksum}) == known[2:]
    assert pending(known, {m.number: m.checksum for m in known}) == ()


def test_migrations_of_a_newer_version_do_not_matter() -> None:
    known = numbered("A;")
    assert pending(known, {1: known[0].checksum, 2: "newer"}) == ()


def test_a_changed_migration_is_refused() -> None:
    known = numbered("A;", "B;")
    with pytest.raises(MigrationError, match="0001_m1 was changed after it was applied"):
        pending(known, {1: "other", 2: known[1].checksum})


def test_a_gap_is_refused() -> None:
    known = numbered("A;", "B;")
    with pytest.raises(MigrationError, match="0001_m1 was left out"):
        pending(known, {2: known[1].checksum})


def test_ours_can_be_repeated() -> None:
    """What makes a migration that was interrupted harmless."""
    repeatable = (
        r"CREATE TABLE IF NOT EXISTS|CREATE MATERIALIZED VIEW IF NOT EXISTS|CREATE OR REPLACE VIEW"
        r"|ALTER TABLE \S+ (ADD COLUMN IF NOT EXISTS|ADD INDEX IF NOT EXISTS|MODIFY (QUERY|SETTING|COLUMN))\s"
        r"|INSERT INTO sms\.hour_touched\s"  # their repeats collapse
    )
    statements = [statement for migration in known_migrations() for statement in migration.statements]
    assert len(statements) > 8
    for statement in statements:
        assert re.match(repeatable, statement), statement.splitlines()[0]
