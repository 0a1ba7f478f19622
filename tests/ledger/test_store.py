"""The store on SQLite: the contract, and what only a file can do."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import Conflict, InvariantBroken, LedgerUnavailable
from domain.events import Event
from ledger import schema
from ledger.reader import Reader
from ledger.store import LedgerStore, Submission
from tests.ledger.samples import (
    ACCOUNT,
    KEY_ID,
    RowPerEvent,
    insert,
    plain,
    record,
    sealed,
    with_alias,
)
from tests.ledger.store_contract import StoreContract

INSERT_BY_HAND = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
    " VALUES ('by hand', 1, 'topic', x'00')"
)


class TestSQLiteStore(StoreContract):
    pass


def fail_on_disk(cursor: sqlite3.Cursor) -> None:
    """What SQLite raises when fsync fails, raised inside a transaction."""
    cursor.execute("DELETE FROM seen")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    raise error


def set_page_limit(store: LedgerStore, pages: int) -> None:
    store.run(lambda cursor: cursor.execute(f"PRAGMA max_page_count = {pages}").fetchone())


def test_a_ledger_is_made_once_and_only_its_owner_reads_it(path: Path) -> None:
    LedgerStore.create(path, RowPerEvent()).close()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        LedgerStore.create(path, RowPerEvent())


def test_a_ledger_that_nobody_made_is_not_opened(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LedgerStore.open(path, RowPerEvent())
    assert not path.exists()


def test_a_file_that_is_no_database_is_not_opened(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(LedgerUnavailable):
        LedgerStore.open(path, RowPerEvent())


def test_a_ledger_goes_on_where_it_ended(path: Path) -> None:
    with closing(LedgerStore.create(path, RowPerEvent())) as store:
        insert(store, with_alias(1, "a"))
    with closing(LedgerStore.open(path, RowPerEvent())) as store:
        assert store.head == 2
        assert insert(store, plain(2)) == 3


def test_a_full_disk_refuses_and_then_goes_on(store: LedgerStore, reader: Reader) -> None:
    insert(store, plain(1))
    set_page_limit(store, 1)
    with pytest.raises(LedgerUnavailable, match="full"):
        insert(store, *(plain(number) for number in range(2, 40)))
    set_page_limit(store, 1 << 30)
    assert insert(store, plain(40)) == 2
    assert [row.position for row in reader.page(0, 10)] == [1, 2]


def test_a_ledger_that_another_process_locks_refuses_and_then_goes_on(
    store: LedgerStore, path: Path
) -> None:
    store.run(lambda cursor: cursor.execute("PRAGMA busy_timeout = 0").fetchone())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="locked"):
            insert(store, plain(1))
        other.execute("ROLLBACK")
    assert insert(store, plain(1)) == 1


def test_after_an_input_output_error_the_ledger_goes_on_with_a_new_connection(
    store: LedgerStore, reader: Reader
) -> None:
    insert(store, with_alias(1, "a"))
    with pytest.raises(LedgerUnavailable, match="I/O"):
        store.run(fail_on_disk)
    assert insert(store, plain(2)) == 3
    assert store.failed is None
    assert reader.head() == 3
    assert store.run(lambda cursor: cursor.execute("SELECT count(*) FROM seen").fetchone()) == (1,)


def test_a_ledger_without_its_file_refuses_until_the_file_is_back(
    store: LedgerStore, path: Path
) -> None:
    insert(store, plain(1))
    with pytest.raises(LedgerUnavailable):
        store.run(fail_on_disk)
    away = path.rename(path.with_name("away"))
    with pytest.raises(LedgerUnavailable, match="does not open again"):
        insert(store, plain(2))
    away.rename(path)
    assert insert(store, plain(2)) == 2


def test_a_head_that_changed_behind_an_error_refuses_everything_for_ever(
    store: LedgerStore, path: Path
) -> None:
    insert(store, plain(1))
    with pytest.raises(LedgerUnavailable):
        store.run(fail_on_disk)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(INSERT_BY_HAND)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="row at the head"):
            insert(store, plain(2))
    assert store.failed is not None


def test_a_row_that_someone_else_inserted_is_noticed_before_the_next_commit(
    store: LedgerStore, reader: Reader, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(INSERT_BY_HAND)
    with pytest.raises(InvariantBroken):
        insert(store, plain(1))
    assert reader.head() == 1


def test_a_catalogue_that_raises_stores_nothing(path: Path) -> None:
    class Refusing(RowPerEvent):
        def apply(self, cursor: sqlite3.Cursor, position: int, version: int, event: Event) -> None:
            super().apply(cursor, position, version, event)
            raise InvariantBroken("no")

    with closing(LedgerStore.create(path, Refusing())) as store:
        with pytest.raises(InvariantBroken):
            insert(store, with_alias(1, "a"))
        assert store.head == 0
        assert store.run(lambda cursor: cursor.execute("SELECT * FROM seen").fetchall()) == []


def test_destroyed_material_is_in_no_file_after_a_checkpoint(
    store: LedgerStore, path: Path
) -> None:
    canary = b"canary-of-sealed-material" * 40
    insert(store, Submission(record=record(1), sealed=(sealed(blob=canary),)))
    assert store.checkpoint()
    insert(store, Submission(record=record(2), destroyed=((ACCOUNT, KEY_ID),)))
    assert store.checkpoint()
    assert not [file for file in path.parent.iterdir() if canary in file.read_bytes()]


def test_a_checkpoint_under_a_reader_says_that_it_is_not_complete(store: LedgerStore) -> None:
    insert(store, plain(1))
    with closing(store.read_connection()) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT * FROM stored_events").fetchone()
        insert(store, plain(2))
        assert not store.checkpoint()
    assert store.checkpoint()


def test_waiting_for_locks_is_as_before_after_a_checkpoint(store: LedgerStore) -> None:
    store.checkpoint()
    found = store.run(lambda cursor: cursor.execute("PRAGMA busy_timeout").fetchone()[0])
    assert found == schema.PRAGMAS["busy_timeout"]


def test_a_conflict_leaves_the_connection_trusted(store: LedgerStore) -> None:
    insert(store, plain(1))
    with pytest.raises(Conflict):
        insert(store, plain(1))
    connection = store.run(lambda cursor: cursor.connection)
    insert(store, plain(2))
    assert store.run(lambda cursor: cursor.connection) is connection
