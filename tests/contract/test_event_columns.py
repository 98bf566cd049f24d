"""Edge: events are inserted as they were written, so the table that takes them has exactly their fields."""

import re
from pathlib import Path

from schemas.lifecycle_events import LifecycleEvent

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
