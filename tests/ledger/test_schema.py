"""The settings of every connection and the table, as the file itself gives them back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import InvariantBroken
from ledger import schema
from ledger.store import LedgerStore
from tests.ledger.samples import RowPerEvent, insert, plain

EXPECTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "busy_timeout": 5000,
    "wal_autocheckpoint": 1000,
    "journal_size_limit": 67_108_864,
    "cache_size": -2000,
    "secure_delete": 1,
    "recursive_triggers": 1,
    "fullfsync": 1,
}


def pragmas(connection: sqlite3.Connection) -> dict[str, str | int]:
    return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in EXPECTED}


def test_the_writers_connection_is_durable(store: LedgerStore) -> None:
    assert store.run(lambda cursor: pragmas(cursor.connection)) == EXPECTED


def test_a_reading_connection_has_the_same_settings_and_cannot_write(store: LedgerStore) -> None:
    with closing(store.read_connection()) as connection:
        assert pragmas(connection) == EXPECTED
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("INSERT INTO seen VALUES (1, 'a', 1)")


def test_a_setting_that_does_not_take_stops_the_start(
    store: LedgerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(schema.PRAGMAS, "fullfsync", 2)
    with pytest.raises(schema.WrongSchema, match="fullfsync is 1 instead of 2"):
        store.read_connection()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET topic = 'other'",
        "DELETE FROM stored_events",
        "DELETE FROM stored_events WHERE rowid = 1",
        "INSERT OR REPLACE INTO stored_events SELECT * FROM stored_events",
    ],
)
def test_a_stored_row_is_neither_changed_nor_removed(store: LedgerStore, statement: str) -> None:
    insert(store, plain(1))
    with pytest.raises(InvariantBroken, match="the ledger is append-only"):
        store.run(lambda cursor: cursor.execute(statement).fetchall())
    assert store.head == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER stored_events_refuse_update",
        "DROP TRIGGER stored_events_refuse_delete",
        "DROP TABLE stored_events",
        "CREATE TRIGGER more BEFORE INSERT ON stored_events BEGIN SELECT 1; END",
        "ALTER TABLE stored_events ADD COLUMN more TEXT",
    ],
)
def test_a_ledger_whose_table_was_altered_is_not_opened(path: Path, statement: str) -> None:
    LedgerStore.create(path, RowPerEvent()).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    with pytest.raises(schema.WrongSchema):
        LedgerStore.open(path, RowPerEvent())


def test_positions_survive_vacuum(store: LedgerStore) -> None:
    insert(store, plain(1), plain(2))
    with closing(sqlite3.connect(store._path, isolation_level=None)) as connection:
        connection.execute("VACUUM")
    assert insert(store, plain(3)) == 3
