"""Hand every event of the ledger to the catalogue once more."""

import sqlite3
from collections.abc import Callable

from ledger import codec
from ledger.reader import Reader
from ledger.submission import Catalogue

PAGE_ROWS = 2_000


def replay(
    cursor: sqlite3.Cursor, catalogue: Catalogue, on_progress: Callable[[int, int], None]
) -> int:
    """Apply all events in order, inside the cursor's transaction; how many rows the ledger has.

    `on_progress(position, head)` is called after each page. Raises CodecError.
    """
    reader = Reader(cursor.connection)
    head, position = reader.head(), 0
    while rows := reader.page(position, PAGE_ROWS):
        for row in rows:
            if not row.is_record:
                decoded = codec.decode_event(row.stored)
                catalogue.apply(cursor, row.position, decoded.version, decoded.event)
        position = rows[-1].position
        on_progress(position, head)
    return position
