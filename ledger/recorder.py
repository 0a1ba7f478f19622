"""The library's SQLite recorder with our table, our connections, and rows beside the events."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from keystore import materials
from ledger import schema
from ledger.submission import Catalogue, Submission

# Each call into SQLite gives up the interpreter's lock and has to win it back from a busy event
# loop. One statement for many rows does so once: on one core that is worth 40 us per request.
_ROWS_PER_STATEMENT = 128
_ROW = "(?, ?, ?, ?, ?)"
_INSERT = (
    f"INSERT INTO {schema.TABLE}"  # noqa: S608 (a constant)
    " (rowid, originator_id, originator_version, topic, state) VALUES "
)
_INSERT_ROWS = tuple(
    _INSERT + ", ".join([_ROW] * number) for number in range(_ROWS_PER_STATEMENT + 1)
)


def plain(cursor: SQLiteCursor) -> sqlite3.Cursor:
    """The cursor of SQLite itself, with rows as plain tuples."""
    sqlite_cursor = cursor.sqlite_cursor
    sqlite_cursor.row_factory = None
    return sqlite_cursor


class LedgerConnection(SQLiteConnection):
    """A connection that never stays inside a transaction that failed to commit."""

    def commit(self) -> None:
        try:
            super().commit()
        except sqlite3.Error:
            # The library leaves it open, and every later BEGIN would fail. What the caller must
            # see is why the commit failed, so a second error says nothing more.
            with suppress(sqlite3.Error):
                self.rollback()
            raise


class LedgerConnectionPool(SQLiteConnectionPool):
    """One connection, with the settings that durability depends on."""

    def __init__(self, path: Path) -> None:
        super().__init__(db_name=str(path), pool_size=1, max_overflow=0)
        self._path = path

    def _create_connection(self) -> LedgerConnection:
        connection = schema.connect(self._path, read_only=False)
        # The library's own SELECTs name their columns.
        connection.row_factory = sqlite3.Row
        return LedgerConnection(sqlite_conn=connection, max_age=None)


class LedgerDatastore(SQLiteDatastore):
    """The library's datastore on that one connection."""

    def __init__(self, path: Path) -> None:
        super().__init__(db_name=str(path), originator_id_type="text")
        self.pool = LedgerConnectionPool(path)


class LedgerRecorder(SQLiteApplicationRecorder):
    """Inserts rows, and in their transaction what follows from them."""

    def __init__(self, datastore: SQLiteDatastore, catalogue: Catalogue) -> None:
        super().__init__(datastore)
        self._catalogue = catalogue

    def construct_create_table_statements(self) -> list[str]:
        return list(schema.STATEMENTS)

    def _create_table(self, c: SQLiteCursor) -> None:
        super()._create_table(c)
        cursor = plain(c)
        self._catalogue.create(cursor)
        materials.create(cursor)

    # The library takes any keyword and ignores what it does not know; here that is an error.
    def _insert_events(  # type: ignore[override]
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        submissions: Sequence[Submission] = (),
        after: int = 0,
    ) -> Sequence[int]:
        """Insert the rows of `submissions`, which must continue position `after` without a gap."""
        cursor = plain(c)
        positions = range(after + 1, after + 1 + len(stored_events))
        values: list[object] = []
        for position, row in zip(positions, stored_events, strict=True):
            values += (position, row.originator_id, row.originator_version, row.topic, row.state)
        columns = _ROW.count("?")
        for start in range(0, len(values), _ROWS_PER_STATEMENT * columns):
            part = values[start : start + _ROWS_PER_STATEMENT * columns]
            cursor.execute(_INSERT_ROWS[len(part) // columns], part)
        for submission in submissions:
            if submission.events or submission.sealed or submission.destroyed:
                self._insert_beside(cursor, after, submission)
            after += submission.row_count
        return positions

    def _insert_beside(self, cursor: sqlite3.Cursor, after: int, submission: Submission) -> None:
        for position, versioned in enumerate(submission.events, start=after + 1):
            self._catalogue.apply(cursor, position, versioned.version, versioned.event)
        for sealed in submission.sealed:
            materials.insert(cursor, sealed)
        for account, owner_id in submission.destroyed:
            materials.delete(cursor, account, owner_id)
