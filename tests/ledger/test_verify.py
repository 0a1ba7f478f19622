"""Ledgers with one thing wrong, each written past the store."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.codec import StoredEvent, encode_event, encode_record
from ledger.reader import Reader
from ledger.store import LedgerStore
from ledger.verify import Broken, Verified, verify, verify_tail
from tests.ledger.samples import alias_created, event_id, insert, plain, record, with_alias


def alias_row(number: int, name: str, version: int = 1) -> StoredEvent:
    return encode_event(alias_created(name).event, version, event_id(number))


def record_row(number: int, error_code: str | None = None) -> StoredEvent:
    return encode_record(record(number, error_code))


def insert_past_the_store(path: Path, *rows: StoredEvent, first: int | None = None) -> None:
    """Insert rows that no writer would, from position `first` on."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for row in rows:
            columns = (row.originator_id, row.originator_version, row.topic, row.state)
            connection.execute(
                "INSERT INTO stored_events VALUES (?, ?, ?, ?, ?)", (first, *columns)
            )
            first = None


def broken(reader: Reader) -> tuple[int, str]:
    with pytest.raises(Broken) as caught:
        verify(reader)
    return caught.value.position, caught.value.reason


def test_a_ledger_that_the_store_wrote_verifies(store: LedgerStore, reader: Reader) -> None:
    insert(store, plain(1), with_alias(2, "a"), with_alias(3, "a", version=2), with_alias(4, "b"))
    assert verify(reader) == Verified(rows=7, events=3, records=4)


def test_an_empty_ledger_verifies(reader: Reader) -> None:
    assert verify(reader) == Verified(rows=0, events=0, records=0)
    assert verify_tail(reader, 100) == Verified(rows=0, events=0, records=0)


def test_progress_is_told_page_by_page(store: LedgerStore, reader: Reader) -> None:
    told: list[tuple[int, int]] = []
    insert(store, *(plain(number) for number in range(2500)))
    verify(reader, on_progress=lambda position, head: told.append((position, head)))
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_the_tail_is_verified_alone(store: LedgerStore, reader: Reader, path: Path) -> None:
    insert_past_the_store(path, record_row(1), first=2)
    insert_past_the_store(path, alias_row(2, "a"), record_row(2), record_row(3))
    assert verify_tail(reader, 3) == Verified(rows=3, events=1, records=2)
    assert verify_tail(reader, 2) == Verified(rows=2, events=0, records=2)
    with pytest.raises(Broken, match="row 2: position 1 is missing"):
        verify_tail(reader, 100)


def test_a_missing_row_is_found(store: LedgerStore, reader: Reader, path: Path) -> None:
    insert(store, plain(1))
    insert_past_the_store(path, record_row(2), first=3)
    assert broken(reader) == (3, "position 2 is missing")


def test_rows_that_were_cut_off_at_the_end_are_found(
    store: LedgerStore, reader: Reader, path: Path
) -> None:
    insert(store, plain(1), plain(2), plain(3))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER stored_events_refuse_delete")
        connection.execute("DELETE FROM stored_events WHERE rowid > 1")
    assert broken(reader) == (2, "the rows from here to 3 are missing")


def test_rows_that_go_while_the_ledger_is_walked_are_found(
    store: LedgerStore, reader: Reader, path: Path
) -> None:
    def remove(position: int, head: int) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER IF EXISTS stored_events_refuse_delete")
            connection.execute("DELETE FROM stored_events WHERE rowid > ?", (position,))

    insert(store, *(plain(number) for number in range(1500)))
    with pytest.raises(Broken, match="row 1001: it was removed while the ledger was read"):
        verify(reader, on_progress=remove)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: replace(row, state=row.state.replace(b"Encrypt", b"Decrypt ", 1) + b" "),
        lambda row: replace(row, state=row.state[:-1]),
        lambda row: replace(row, originator_id=event_id(9)),
        lambda row: replace(row, originator_version=2),
        lambda row: replace(row, topic="keytrail.Unknown.v1"),
        lambda row: replace(row, topic="keytrail.KeyEnabled.v1"),
    ],
)
def test_a_row_that_the_codec_did_not_write_is_found(
    store: LedgerStore, reader: Reader, path: Path, change: Callable[[StoredEvent], StoredEvent]
) -> None:
    insert(store, plain(1))
    insert_past_the_store(path, change(record_row(2)))
    assert broken(reader)[0] == 2


@pytest.mark.parametrize(
    "rows",
    [
        [alias_row(2, "a")],
        [alias_row(2, "a"), record_row(3)],
        [alias_row(2, "a"), record_row(3), record_row(2)],
        [alias_row(2, "a"), alias_row(3, "b"), record_row(2), record_row(3)],
    ],
)
def test_an_event_without_the_record_of_its_cause_is_found(
    store: LedgerStore, reader: Reader, path: Path, rows: list[StoredEvent]
) -> None:
    insert(store, plain(1))
    insert_past_the_store(path, *rows)
    assert broken(reader) == (2, "an event without the record of its cause")


def test_an_event_whose_record_is_a_refusal_is_found(
    store: LedgerStore, reader: Reader, path: Path
) -> None:
    insert_past_the_store(path, record_row(1, "AccessDenied"))
    insert_past_the_store(path, alias_row(2, "a"), record_row(2, "AccessDenied"))
    assert broken(reader) == (3, "the record of a refusal, after events that it caused")


@pytest.mark.parametrize("versions", [[2], [0], [1, 3], [2, 1]])
def test_a_stream_whose_versions_do_not_follow_each_other_is_found(
    reader: Reader, path: Path, versions: list[int]
) -> None:
    for number, version in enumerate(versions):
        insert_past_the_store(path, alias_row(number, "a", version), record_row(number))
    assert "has none before it" in broken(reader)[1]
