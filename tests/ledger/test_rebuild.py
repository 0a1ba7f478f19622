"""The catalogue from the ledger alone."""

from ledger.rebuild import replay
from ledger.store import LedgerStore
from tests.ledger.samples import RowPerEvent, insert, plain, with_alias
from tests.ledger.store_contract import seen


def test_a_catalogue_that_is_replayed_is_the_one_that_was_written(store: LedgerStore) -> None:
    told: list[tuple[int, int]] = []
    insert(store, plain(1), with_alias(2, "a"), with_alias(3, "a", version=2), with_alias(4, "b"))
    written = seen(store)
    store.run(lambda cursor: cursor.execute("DELETE FROM seen").rowcount)
    rows = store.run(
        lambda cursor: replay(cursor, RowPerEvent(), lambda *progress: told.append(progress))
    )
    assert (rows, told) == (7, [(7, 7)])
    assert seen(store) == written != []
