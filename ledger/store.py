"""The store of the ledger: one SQLite file, written by one thread at a time."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from eventsourcing.persistence import IntegrityError, PersistenceError
from eventsourcing.sqlite import SQLiteCursor

from domain.errors import Conflict, InvariantBroken, LedgerUnavailable
from ledger import schema
from ledger.codec import StoredEvent
from ledger.recorder import LedgerDatastore, LedgerRecorder, plain
from ledger.submission import Catalogue, Submission, VersionedEvent

__all__ = ["Catalogue", "LedgerStore", "Submission", "VersionedEvent"]

T = TypeVar("T")

_NEWEST_ROW = (
    "SELECT rowid, originator_id, originator_version, topic, state"  # noqa: S608 (a constant)
    f" FROM {schema.TABLE} ORDER BY rowid DESC LIMIT 1"
)

# The transaction is rolled back and the connection is as good as before.
_PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# The statement was wrong, not the disk.
_MISTAKEN = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
}


class LedgerStore:
    """Rows in one gap-free order; each batch durable before `insert` returns.

    `failed` is None until the file contradicts what was committed to it: from then on everything
    is refused. Nothing here is for two threads at once, except `read_connection`.
    """

    def __init__(self, path: Path, catalogue: Catalogue) -> None:
        self._path = path
        self._catalogue = catalogue
        self._recorder = self._new_recorder()
        self._suspect = False
        self._newest = _newest(self._recorder)
        self.failed: str | None = None

    @classmethod
    def create(cls, path: Path, catalogue: Catalogue) -> Self:
        """Make a new ledger, readable by its owner only. Raises FileExistsError."""
        schema.create_file(path)
        recorder = LedgerRecorder(LedgerDatastore(path), catalogue)
        try:
            recorder.create_table()
        finally:
            recorder.datastore.close()
        return cls.open(path, catalogue)

    @classmethod
    def open(cls, path: Path, catalogue: Catalogue) -> Self:
        """Open an existing ledger. Raises FileNotFoundError, WrongSchema, LedgerUnavailable."""
        if not path.is_file():
            raise FileNotFoundError(f"there is no ledger at {path}")
        try:
            return cls(path, catalogue)
        except (sqlite3.Error, PersistenceError) as error:
            raise LedgerUnavailable(f"the ledger does not open: {error}") from error

    @property
    def head(self) -> int:
        """The position of the newest row, 0 in an empty ledger."""
        return self._newest[0] if self._newest else 0

    def close(self) -> None:
        """Close the write connection; the last one out moves the log into the database."""
        self._recorder.datastore.close()

    def read_connection(self) -> sqlite3.Connection:
        """Open a connection that cannot write, for the loop or for one follower."""
        return schema.connect(self._path, read_only=True)

    def insert(self, rows: Sequence[StoredEvent], submissions: Sequence[Submission]) -> int:
        """Store the rows of submissions, in order, and all that goes with them: the new head.

        Raises Conflict when a version is taken, InvariantBroken when what is to be stored is
        wrong, LedgerUnavailable when the disk fails; then nothing is stored.
        """
        recorder = self._trusted_recorder()
        try:
            recorder.insert_events(rows, submissions=submissions, after=self.head)
        except (PersistenceError, sqlite3.Error) as error:
            raise self._judged(error) from error
        newest, head = rows[-1], self.head + len(rows)
        self._newest = (
            head,
            newest.originator_id,
            newest.originator_version,
            newest.topic,
            newest.state,
        )
        return head

    def run(self, job: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a maintenance job in a transaction of its own. It must not insert rows.

        Raises what the job raises, or as `insert` does.
        """
        recorder = self._trusted_recorder()
        try:
            with recorder.datastore.transaction(commit=True) as cursor:
                return job(plain(cursor))
        except (PersistenceError, sqlite3.Error) as error:
            raise self._judged(error) from error

    def checkpoint(self) -> bool:
        """Move the whole log into the database and empty it: False while a reader is in its way.

        Until then bytes of deleted key material are still in the log. Raises LedgerUnavailable.
        """
        recorder = self._trusted_recorder()
        try:
            with recorder.datastore.get_connection(commit=True) as connection:
                return _checkpoint(connection.cursor())
        except sqlite3.Error as error:
            raise self._judged(error) from error

    def _new_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(LedgerDatastore(self._path), self._catalogue)

    def _trusted_recorder(self) -> LedgerRecorder:
        if self.failed is None and self._suspect:
            self._reconnect()
        if self.failed is not None:
            raise LedgerUnavailable(self.failed)
        return self._recorder

    def _reconnect(self) -> None:
        """Replace the connection after an I/O error, and check that nothing was lost or gained.

        The failed transaction's pages are written again by the next one, so nothing rests on an
        fsync that has failed. That holds while the shared index of the log lives: hence the new
        connection is opened before the old one is closed. Read from the log alone, the failed
        transaction could appear committed without being on disk.
        """
        recorder = self._new_recorder()
        try:
            newest = _newest(recorder)
        except (sqlite3.Error, PersistenceError, schema.WrongSchema) as error:
            recorder.datastore.close()
            raise LedgerUnavailable(f"the ledger does not open again: {error}") from error
        with suppress(sqlite3.Error):
            self._recorder.datastore.close()
        self._recorder = recorder
        self._suspect = False
        if newest != self._newest:
            self.failed = f"after an I/O error the row at the head, {self.head}, is another"

    def _judged(self, error: Exception) -> Exception:
        cause = error if isinstance(error, sqlite3.Error) else error.__cause__
        extended_code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_BUSY)
        if isinstance(error, IntegrityError) and _is_version_taken(extended_code, error):
            return Conflict(str(error))
        code = extended_code & 0xFF
        if code in _MISTAKEN:
            return InvariantBroken(f"the ledger cannot store this: {error}")
        self._suspect = code not in _PASSING
        return LedgerUnavailable(str(error))


def _is_version_taken(extended_code: int, error: Exception) -> bool:
    return extended_code == sqlite3.SQLITE_CONSTRAINT_UNIQUE and f"{schema.TABLE}." in str(error)


def _newest(recorder: LedgerRecorder) -> tuple[Any, ...] | None:
    with recorder.datastore.get_connection(commit=True) as connection:
        cursor = plain(connection.cursor())
        schema.check_table(cursor.connection)
        newest: tuple[Any, ...] | None = cursor.execute(_NEWEST_ROW).fetchone()
    return newest


def _checkpoint(cursor: SQLiteCursor) -> bool:
    # Waiting for a reader would hold up every commit.
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy, _, _ = cursor.fetchone()
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {schema.PRAGMAS['busy_timeout']}")
    return not busy
