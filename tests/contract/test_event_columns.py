"""Edge: events are inserted as they were written: the table has exactly their fields, and the SQL knows their words."""

import re
from pathlib import Path
from typing import get_args

from schemas.lifecycle_events import EventWord, LifecycleEvent
from services.recorder.migrations import split

MIGRATIONS = sorted((Path(__file__).parents[2] / "schemas" / "clickhouse").glob("*.sql"))
JSON_TYPES = {"UUID": "string", "String": "string", "Bool": "boolean", "UInt16": "integer", "UInt32": "integer",
              "Int64": "integer"}  # fmt: skip


def columns() -> dict[str, str]:
    """Name and type of every column of `sms.events_raw`."""
    text = "".join(migration.read_text(encoding="utf-8") for migration in MIGRATIONS)
    table = re.search(r"sms\.events_raw\n\((.*?)\n\)", text, re.DOTALL)
    assert table is not None
    added = re.findall(r"ALTER TABLE sms\.events_raw ADD COLUMN IF NOT EXISTS (\w+) (\w+)", text)
    return dict(re.findall(r"^    (\w+) +(\w+)", table[1], re.MULTILINE)) | dict(added)


def test_the_columns_are_the_fields_of_an_event() -> None:
    assert set(columns()) == set(LifecycleEvent.model_fields) - {"schema_version"}


def test_each_column_takes_what_its_field_is_in_json() -> None:
    properties = LifecycleEvent.model_json_schema()["properties"]
    assert {name: JSON_TYPES[kind] for name, kind in columns().items()} == {
        name: properties[name]["type"] for name in columns()
    }


def word_lists() -> list[tuple[str, list[str]]]:
    """View, and list of words in it, of every statement that makes a code of a word or a word of a code; in order."""
    found = []
    for migration in MIGRATIONS:
        for statement in split(migration.read_text(encoding="utf-8")):
            listed = re.search(r"\['accepted', 'rejected'[^\]]*\]", statement)
            if listed is not None:
                view = re.search(r"(?:VIEW|TABLE) (?:IF NOT EXISTS )?sms\.(\w+)", statement)
                assert view is not None
                found.append((view[1], re.findall(r"'(\w+)'", listed[0])))
    return found


def test_a_word_keeps_its_code_for_ever() -> None:
    for view, words in word_lists():
        assert words == list(get_args(EventWord))[: len(words)], view


def test_the_views_know_every_word() -> None:
    """The last statement about each of them counts: a new word takes a migration that makes them anew."""
    assert dict(word_lists()) == {view: list(get_args(EventWord)) for view in ("message_log_mv", "message_state")}
