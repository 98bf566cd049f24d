"""Pure: numbered migrations: in which order they are applied, and what must never happen to one that was.

A migration is a file `NNNN_name.sql` of statements, each ending with a semicolon at the end of a line. ClickHouse has
no transactions around them, so every statement must be repeatable (`IF NOT EXISTS`, `OR REPLACE`): one that was
interrupted is run again from its beginning.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

DATABASE: Final = "sms"
BOOTSTRAP: Final = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
    f"""CREATE TABLE IF NOT EXISTS {DATABASE}.schema_migrations
(
    number     UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1""",
)
"""What must be there before the first migration: the place where they are written down."""

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class MigrationError(Exception):
    """The migrations cannot be applied; the text is a sentence. Not retryable: the files or the database are wrong."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Of the whole text; what was applied must not change afterwards."""
        return sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements in order, comments between them left out."""
        return tuple(split(self.text))


def split(text: str) -> Iterable[str]:
    """Yield the statements of a file without their semicolons; lines that are comments only are left out."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("--"):
            continue
        if line.rstrip().endswith(";"):
            yield "\n".join([*lines, line.rstrip()[:-1]]).strip()
            lines = []
        else:
            lines.append(line)
    if "".join(lines).strip():
        yield "\n".join(lines).strip()


def ordered(files: Mapping[str, str]) -> tuple[Migration, ...]:
    """Return the migrations of a folder (file name to text) by number.

    Raises MigrationError for a name of another form, a number that is there twice, or one that is missing.
    """
    migrations = []
    for name, text in files.items():
        match = _FILE_NAME.fullmatch(name)
        if match is None:
            raise MigrationError(f"{name}: a migration is called NNNN_words_in_lower_case.sql")
        migrations.append(Migration(int(match[1]), match[2], text))
    migrations.sort(key=lambda migration: migration.number)
    for place, migration in enumerate(migrations, start=1):
        if migration.number < place:
            raise MigrationError(f"the migration number {migration.number:04} is there twice")
        if migration.number > place:
            raise MigrationError(f"the migration number {place:04} is missing")
    return tuple(migrations)


def pending(known: Sequence[Migration], applied: Mapping[int, str]) -> tuple[Migration, ...]:
    """Return what is still to be applied; `applied` is number to checksum, as the database has it.

    Numbers beyond ours were applied by a newer version, and do not concern this one. Raises MigrationError when the
    text of an applied one has changed, or when one was left out.
    """
    for migration in known:
        checksum = applied.get(migration.number)
        if checksum is not None and checksum != migration.checksum:
            raise MigrationError(
                f"migration {migration.number:04}_{migration.name} was changed after it was applied to this database "
                f"(checksum {migration.checksum[:12]}, applied {checksum[:12]}); put the change into a new migration"
            )
    last = max((number for number in applied if number <= len(known)), default=0)
    for migration in known[:last]:
        if migration.number not in applied:
            raise MigrationError(
                f"migration {migration.number:04}_{migration.name} was left out here: later ones are applied"
            )
    return tuple(known[last:])
