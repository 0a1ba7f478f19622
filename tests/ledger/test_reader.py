"""Reading by position, by record and by stream."""

from ledger.codec import RECORD_TOPIC
from ledger.reader import Reader
from ledger.store import LedgerStore
from tests.ledger.samples import alias_created, event_id, insert, plain, with_alias


def test_an_empty_ledger_has_head_0_and_no_rows(store: LedgerStore, reader: Reader) -> None:
    assert reader.head() == 0
    assert reader.ends() == (0, 0)
    assert reader.page(0, 10) == []
    assert reader.page_before(1 << 60, 10) == []


def test_pages_follow_each_other_without_a_gap(store: LedgerStore, reader: Reader) -> None:
    insert(store, *(plain(number) for number in range(1, 8)))
    pages = [reader.page(after, 3) for after in (0, 3, 6, 7)]
    assert [[row.position for row in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7], []]


def test_pages_before_a_position_are_newest_first(store: LedgerStore, reader: Reader) -> None:
    insert(store, *(plain(number) for number in range(1, 8)))
    pages = [reader.page_before(before, 3) for before in (8, 5, 2, 1)]
    assert [[row.position for row in page] for page in pages] == [[7, 6, 5], [4, 3, 2], [1], []]


def test_a_reader_sees_what_is_committed_after_it_was_made(
    store: LedgerStore, reader: Reader
) -> None:
    assert reader.head() == 0
    insert(store, plain(1))
    assert reader.head() == 1


def test_a_record_is_found_by_its_event_id(store: LedgerStore, reader: Reader) -> None:
    insert(store, with_alias(1, "a"), plain(2))
    row = reader.by_event_id(event_id(2))
    assert row is not None
    assert (row.position, row.version, row.topic) == (3, 1, RECORD_TOPIC)
    assert row.is_record
    assert reader.by_event_id(event_id(3)) is None


def test_a_domain_event_is_not_found_as_a_record(store: LedgerStore, reader: Reader) -> None:
    insert(store, with_alias(1, "a"))
    assert reader.by_event_id(alias_created("a").event.stream) is None


def test_a_stream_is_read_in_the_order_of_its_versions(store: LedgerStore, reader: Reader) -> None:
    insert(store, with_alias(1, "a"), with_alias(2, "b"), with_alias(3, "a", version=2))
    stream = alias_created("a").event.stream
    assert [(row.version, row.position) for row in reader.stream(stream)] == [(1, 1), (2, 5)]
    assert reader.position_of(stream, 2) == 5
    assert reader.position_of(stream, 3) is None
