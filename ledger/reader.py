"""Reading the ledger by position, by record and by stream; never a cursor that stays open."""

import sqlite3
from typing import NamedTuple

from ledger.codec import RECORD_TOPIC, StoredEvent
from ledger.schema import TABLE

_SELECT = f"SELECT rowid, originator_id, originator_version, topic, state FROM {TABLE}"  # noqa: S608 (a constant)


class Row(NamedTuple):
    """One row; `state` is the stored bytes."""

    position: int
    originator_id: str
    version: int
    topic: str
    state: bytes

    @property
    def is_record(self) -> bool:
        """Whether it holds a record; every other row holds a domain event."""
        return self.topic == RECORD_TOPIC

    @property
    def stored(self) -> StoredEvent:
        """The row as the codec takes it."""
        return StoredEvent(self.originator_id, self.version, self.topic, self.state)


class Reader:
    """Rows as of the instant of each call. One connection, one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def head(self) -> int:
        """The position of the newest row, 0 in an empty ledger."""
        found = self._connection.execute(f"SELECT max(rowid) FROM {TABLE}").fetchone()[0]  # noqa: S608 (a constant)
        return found or 0

    def first(self) -> int:
        """The lowest position, 1 unless something is wrong; 1 in an empty ledger."""
        found = self._connection.execute(f"SELECT min(rowid) FROM {TABLE}").fetchone()[0]  # noqa: S608 (a constant)
        return 1 if found is None else int(found)

    def ends(self) -> tuple[int, int]:
        """The head, and the highest position ever given: equal unless newest rows were removed."""
        query = (
            f"SELECT (SELECT max(rowid) FROM {TABLE}),"  # noqa: S608 (a constant)
            " (SELECT seq FROM sqlite_sequence WHERE name = ?)"
        )
        head, given = self._connection.execute(query, (TABLE,)).fetchone()
        return head or 0, given or 0

    def page(self, after: int, limit: int) -> list[Row]:
        """At most `limit` rows with positions above `after`, oldest first."""
        return self._rows("WHERE rowid > ? ORDER BY rowid LIMIT ?", after, limit)

    def page_before(self, before: int, limit: int) -> list[Row]:
        """At most `limit` rows with positions below `before`, newest first."""
        return self._rows("WHERE rowid < ? ORDER BY rowid DESC LIMIT ?", before, limit)

    def by_event_id(self, event_id: str) -> Row | None:
        """The record with this `eventID`."""
        where = "WHERE originator_id = ? AND originator_version = 1 AND topic = ?"
        found = self._rows(where, event_id, RECORD_TOPIC)
        return found[0] if found else None

    def stream(self, name: str) -> list[Row]:
        """All rows of a stream in the order of their versions."""
        return self._rows("WHERE originator_id = ? ORDER BY originator_version", name)

    def position_of(self, stream: str, version: int) -> int | None:
        """Where one version of a stream is stored."""
        query = f"SELECT rowid FROM {TABLE} WHERE originator_id = ? AND originator_version = ?"  # noqa: S608 (a constant)
        found = self._connection.execute(query, (stream, version)).fetchone()
        return found[0] if found else None

    def _rows(self, condition: str, *parameters: str | int) -> list[Row]:
        cursor = self._connection.execute(f"{_SELECT} {condition}", parameters)
        return list(map(Row._make, cursor.fetchall()))
