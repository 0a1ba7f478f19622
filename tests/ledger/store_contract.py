"""What every store of the ledger does: a backend's tests inherit this class."""

import sqlite3

import pytest

from domain.errors import Conflict, InvariantBroken
from keystore import materials
from ledger.reader import Reader
from ledger.store import LedgerStore, Submission
from tests.ledger.samples import (
    ACCOUNT,
    KEY_ID,
    MATERIAL_ID,
    alias_created,
    event_id,
    insert,
    plain,
    record,
    sealed,
    with_alias,
)


def seen(store: LedgerStore) -> list[tuple[int, str, int]]:
    """The catalogue's rows."""
    return store.run(lambda cursor: cursor.execute("SELECT * FROM seen").fetchall())


def is_sealed(store: LedgerStore) -> bool:
    """Whether the sample's material is in its table."""
    return store.run(
        lambda cursor: materials.load(cursor.connection, ACCOUNT, KEY_ID, MATERIAL_ID) is not None
    )


class StoreContract:
    """Override the fixtures `store`, new and empty, and `reader` of the same ledger."""

    def test_positions_start_at_1_and_have_no_gap(self, store: LedgerStore, reader: Reader) -> None:
        assert store.head == 0
        assert insert(store, plain(1), with_alias(2, "a"), plain(3)) == 4
        assert insert(store, plain(4)) == store.head == 5
        assert [row.position for row in reader.page(0, 10)] == [1, 2, 3, 4, 5]

    def test_the_rows_of_a_submission_are_adjacent_and_its_record_is_last(
        self, store: LedgerStore, reader: Reader
    ) -> None:
        events = (alias_created("a"), alias_created("b"))
        insert(store, plain(1), Submission(record=record(2), events=events))
        streams = [row.originator_id for row in reader.page(0, 10)]
        assert streams == [event_id(1), *(one.event.stream for one in events), event_id(2)]

    def test_stored_bytes_are_read_back_unchanged(self, store: LedgerStore, reader: Reader) -> None:
        submission = with_alias(1, "ä")
        insert(store, submission)
        assert [row.stored for row in reader.page(0, 10)] == submission.encoded()

    def test_a_version_that_is_taken_is_a_conflict_and_nothing_of_the_batch_is_stored(
        self, store: LedgerStore, reader: Reader
    ) -> None:
        insert(store, with_alias(1, "a"))
        with pytest.raises(Conflict):
            insert(store, plain(2), with_alias(3, "a"))
        assert reader.head() == store.head == 2

    def test_one_version_twice_in_a_batch_is_a_conflict(self, store: LedgerStore) -> None:
        with pytest.raises(Conflict):
            insert(store, with_alias(1, "a"), with_alias(2, "a"))

    def test_a_record_id_that_is_taken_is_a_conflict(self, store: LedgerStore) -> None:
        insert(store, plain(1))
        with pytest.raises(Conflict):
            insert(store, plain(1))

    def test_a_batch_that_was_rolled_back_leaves_no_hole(
        self, store: LedgerStore, reader: Reader
    ) -> None:
        insert(store, with_alias(0, "a"))
        for number in range(1, 20):
            with pytest.raises(Conflict):
                insert(store, plain(1000 + number), with_alias(2000 + number, "a"))
            insert(store, plain(number))
        assert [row.position for row in reader.page(0, 100)] == list(range(1, 22))

    def test_the_catalogue_is_told_each_event_with_its_position(self, store: LedgerStore) -> None:
        insert(store, plain(1), with_alias(2, "a"), with_alias(3, "a", version=2))
        stream = alias_created("a").event.stream
        assert seen(store) == [(2, stream, 1), (4, stream, 2)]

    def test_catalogue_rows_leave_with_the_batch_that_fails(self, store: LedgerStore) -> None:
        with pytest.raises(Conflict):
            insert(store, with_alias(1, "a"), with_alias(2, "b"), with_alias(3, "a"))
        assert seen(store) == []

    def test_sealed_material_comes_and_goes_in_the_transaction_of_its_event(
        self, store: LedgerStore
    ) -> None:
        insert(store, with_alias(1, "a")._replace(sealed=(sealed(),)))
        assert is_sealed(store)
        insert(store, plain(2)._replace(destroyed=((ACCOUNT, KEY_ID),)))
        assert not is_sealed(store)

    def test_sealed_material_of_a_batch_that_fails_is_not_stored(self, store: LedgerStore) -> None:
        with pytest.raises(Conflict):
            insert(store, plain(1)._replace(sealed=(sealed(),)), plain(1))
        assert not is_sealed(store)

    def test_material_that_is_already_there_is_no_conflict_but_a_broken_invariant(
        self, store: LedgerStore
    ) -> None:
        insert(store, plain(1)._replace(sealed=(sealed(),)))
        with pytest.raises(InvariantBroken):
            insert(store, plain(2)._replace(sealed=(sealed(),)))
        assert store.head == 1

    def test_a_job_is_a_transaction_of_its_own(self, store: LedgerStore) -> None:
        def half_done(cursor: sqlite3.Cursor) -> None:
            cursor.execute("DELETE FROM seen")
            raise LookupError

        insert(store, with_alias(1, "a"))
        with pytest.raises(LookupError):
            store.run(half_done)
        assert len(seen(store)) == 1
        store.run(lambda cursor: cursor.execute("DELETE FROM seen").rowcount)
        assert seen(store) == []

    def test_a_job_with_a_wrong_statement_is_a_broken_invariant(self, store: LedgerStore) -> None:
        with pytest.raises(InvariantBroken):
            store.run(lambda cursor: cursor.execute("DELETE FROM nowhere").rowcount)
        assert insert(store, plain(1)) == 1
