"""A ledger in a directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.reader import Reader
from ledger.store import LedgerStore
from tests.ledger.samples import News, RowPerEvent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[LedgerStore]:
    made = LedgerStore.create(path, RowPerEvent())
    yield made
    made.close()


@pytest.fixture
def reader(store: LedgerStore) -> Iterator[Reader]:
    connection = store.read_connection()
    yield Reader(connection)
    connection.close()


@pytest.fixture
def news() -> News:
    return News()
