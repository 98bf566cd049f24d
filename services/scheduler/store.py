"""Edge: what waits in one partition, in an SQLite file that mirrors the partition's changelog.

Kafka is the truth; the file may be deleted at any time. It holds nothing that Kafka has not committed: what a cycle
changes becomes lasting with `commit`, which is called when the cycle's transaction is known to be committed, and is
rolled back by a process that dies before. `position` says from where in the changelog what it lacks is to be read; it
may lie further back than what the file holds, for reading a changelog a second time ends in the same state.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from services.scheduler.entries import Row
from shared.local.private import make_private_folder

ANONYMOUS: Final = ""
"""For SQLite: a file without a name that nobody finds again."""

_FORM: Final = "1"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB PRIMARY KEY, wake_at_ms INTEGER NOT NULL, waits INTEGER NOT NULL, account_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL, campaign_id TEXT NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON entries (wake_at_ms);
CREATE INDEX IF NOT EXISTS by_key ON entries (account_id, idempotency_key) WHERE idempotency_key != '';
CREATE INDEX IF NOT EXISTS by_campaign ON entries (account_id, campaign_id) WHERE waits AND campaign_id != '';
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class SqliteStore:
    """A `services.scheduler.partition.Store`. `origin`: whose changelog it mirrors; a file of another one is emptied.

    A file that is damaged, or of another form, is deleted and begun anew.
    """

    def __init__(self, place: Path | None, origin: str) -> None:
        """`place` None: without a name, gone with the process."""
        self._place: Final = place
        self._db = self._open(origin)
        self.positions: dict[str, int] = orjson.loads(self._fact("positions") or "{}")
        self._written_positions = dict(self.positions)

    def _open(self, origin: str) -> sqlite3.Connection:
        if self._place is not None:
            make_private_folder(self._place.parent)
            try:
                return self._prepared(origin)
            except sqlite3.DatabaseError:
                self._delete_files()
        return self._prepared(origin)

    def _prepared(self, origin: str) -> sqlite3.Connection:
        db = sqlite3.connect(ANONYMOUS if self._place is None else self._place, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # the file stays whole also when the machine loses power
            db.executescript(_TABLES)
            known = dict(db.execute("SELECT name, value FROM facts"))
            if (known.get("form"), known.get("origin")) != (_FORM, origin):
                db.execute("BEGIN")
                db.execute("DELETE FROM entries")
                db.execute("DELETE FROM facts")
                db.executemany("INSERT INTO facts VALUES (?, ?)", (("form", _FORM), ("origin", origin)))
                db.execute("COMMIT")
            db.execute("BEGIN")
        except BaseException:
            db.close()
            raise
        return db

    def _delete_files(self) -> None:
        if self._place is not None:
            for end in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self._place.with_name(self._place.name + end).unlink()

    # -- entries ----------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        found = self._db.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def put(self, key: bytes, row: Row) -> None:
        self._db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", (key, *row))

    def remove(self, key: bytes) -> None:
        self._db.execute("DELETE FROM entries WHERE key = ?", (key,))

    def due(self, at_ms: int, most: int) -> list[tuple[bytes, bytes]]:
        found = self._db.execute(
            "SELECT key, value FROM entries WHERE wake_at_ms <= ? ORDER BY wake_at_ms LIMIT ?", (at_ms, most)
        )
        return found.fetchall()

    def next_wake_ms(self) -> int | None:
        found: int | None = self._db.execute("SELECT min(wake_at_ms) FROM entries").fetchone()[0]
        return found

    def of_key(self, account_id: str, idempotency_key: str) -> list[tuple[bytes, bytes]]:
        return self._db.execute(
            "SELECT key, value FROM entries WHERE account_id = ? AND idempotency_key = ? AND idempotency_key != ''",
            (account_id, idempotency_key),
        ).fetchall()

    def of_campaign(self, account_id: str, campaign_id: str, until_ms: int, most: int) -> list[tuple[bytes, bytes]]:
        """A message id begins with the time of its acceptance."""
        digits = f"{until_ms + 1:012x}"
        behind = f"{digits[:8]}-{digits[8:]}".encode()
        return self._db.execute(
            "SELECT key, value FROM entries WHERE account_id = ? AND campaign_id = ? AND waits AND campaign_id != '' "
            "AND key < ? ORDER BY key LIMIT ?",
            (account_id, campaign_id, behind, most),
        ).fetchall()

    def beginning_with(self, begin: bytes) -> list[tuple[bytes, bytes]]:
        behind = begin[:-1] + bytes((begin[-1] + 1,))
        return self._db.execute("SELECT key, value FROM entries WHERE key >= ? AND key < ?", (begin, behind)).fetchall()

    def waiting(self) -> int:
        """How many wait. It counts them, so it is for a restore."""
        found: int = self._db.execute("SELECT count(*) FROM entries WHERE waits").fetchone()[0]
        return found

    # -- what is lasting --------------------------------------------------------------------------------------------

    @property
    def position(self) -> int | None:
        """From where the changelog is to be read; None: from its beginning."""
        found = self._fact("position")
        return None if found is None else int(found)

    @property
    def noted_at_ms(self) -> int:
        """When the position was the end of the changelog, by Kafka's clock."""
        return int(self._fact("noted_at_ms") or 0)

    def note(self, position: int, at_ms: int) -> None:
        """Everything before `position` is in here; whatever comes later is written at `at_ms` or after."""
        self._set("position", str(position))
        self._set("noted_at_ms", str(at_ms))

    def commit(self) -> None:
        """All changes so far are lasting."""
        if self.positions != self._written_positions:
            self._set("positions", orjson.dumps(self.positions).decode())
            self._written_positions = dict(self.positions)
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def clear(self) -> None:
        """Forget everything but whose it is."""
        self._db.execute("DELETE FROM entries")
        self._db.execute("DELETE FROM facts WHERE name NOT IN ('form', 'origin')")
        self.positions = {}
        self._written_positions = {}

    def close(self) -> None:
        """Changes since the last commit are given up."""
        self._db.execute("ROLLBACK")
        self._db.close()

    def _fact(self, name: str) -> str | None:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
