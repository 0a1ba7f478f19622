"""The ledger's SQLite file: its table, and the settings without which it is not durable."""

import sqlite3
from pathlib import Path

from domain.errors import InvariantBroken

TABLE = "stored_events"

# The declared key is named `rowid`, so that the library's own SELECTs give positions unchanged.
CREATE_TABLE = f"""CREATE TABLE IF NOT EXISTS {TABLE} (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, kept by VACUUM and .dump
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
) STRICT"""
REFUSE_UPDATE = f"""CREATE TRIGGER IF NOT EXISTS {TABLE}_refuse_update BEFORE UPDATE ON {TABLE}
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"""
REFUSE_DELETE = f"""CREATE TRIGGER IF NOT EXISTS {TABLE}_refuse_delete BEFORE DELETE ON {TABLE}
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"""
STATEMENTS = (CREATE_TABLE, REFUSE_UPDATE, REFUSE_DELETE)

PRAGMAS: dict[str, str | int] = {
    "journal_mode": "wal",
    # FULL: each commit is on disk before it returns. Builds of SQLite differ in their default.
    "synchronous": 2,
    "busy_timeout": 5000,
    # Pages; what bounds the log when nothing else moves it into the database.
    "wal_autocheckpoint": 1000,
    # Bytes; without it a log that has once grown never shrinks.
    "journal_size_limit": 64 * 1024 * 1024,
    "cache_size": -2000,
    # The table of sealed key material lives in this file: what is deleted is overwritten.
    "secure_delete": 1,
    # Without it INSERT OR REPLACE deletes rows past the trigger that refuses deletion.
    "recursive_triggers": 1,
    # macOS reaches the disk only with it; elsewhere it changes nothing.
    "fullfsync": 1,
}
"""Set on every connection and read back from it; SQLite reads each of them back as given here."""


class WrongSchema(Exception):
    """A connection does not have the settings, or a file not the table, that the ledger needs."""


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Connect to an existing ledger, each pragma set and read back.

    The connection commits by itself and may be handed to another thread, one at a time. Raises
    WrongSchema, sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        set_pragmas(connection)
        if read_only:
            connection.execute("PRAGMA query_only = 1")
    except BaseException:
        connection.close()
        raise
    return connection


def set_pragmas(connection: sqlite3.Connection) -> None:
    """Set each pragma and read it back. Raises WrongSchema on the first difference."""
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value:
            raise WrongSchema(f"PRAGMA {name} is {found!r} instead of {value!r}")


def check_table(connection: sqlite3.Connection) -> None:
    """Compare the file's own definitions with ours. Raises WrongSchema on any difference."""
    query = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL"
    found = {sql for (sql,) in connection.execute(query, (TABLE,))}
    wanted = {statement.replace(" IF NOT EXISTS", "") for statement in STATEMENTS}
    if found != wanted:
        raise WrongSchema(f"the table {TABLE} or its triggers are not those of this version")


def create_file(path: Path) -> None:
    """Make an empty file that only its owner reads. Raises FileExistsError."""
    path.touch(mode=0o600, exist_ok=False)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Before the first page is written: journal_mode cannot be changed inside a transaction.
        if connection.execute("PRAGMA journal_mode = wal").fetchone()[0] != "wal":
            raise InvariantBroken("SQLite cannot keep a write-ahead log here")
    finally:
        connection.close()
