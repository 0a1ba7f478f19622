"""Walking the ledger in order and naming the first row that is wrong.

Held against each row: its position continues the one before; its bytes are what the codec writes
for its columns; events come in the order of their stream's versions, and are followed at once by
the record of their cause, which is one of success.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.codec import CodecError, decode_event, decode_record
from ledger.reader import Reader, Row

_PAGE_ROWS = 1000


class Broken(Exception):
    """The row at `position` is not what a ledger may hold there."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"row {position}: {reason}")
        self.position = position
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How many rows were walked; `records` of them are records, `events` are events."""

    rows: int
    events: int
    records: int


class _Walk:
    """What is known between two rows; the events that wait for their record are its only list."""

    def __init__(self, reader: Reader, start: int) -> None:
        self._reader = reader
        self._awaited: list[Row] = []
        self._event_id = ""
        self.position = start - 1
        self.events = 0
        self.records = 0

    def take(self, row: Row) -> None:
        """Hold the next row against all rules. Raises Broken, CodecError."""
        if row.position != self.position + 1:
            raise Broken(row.position, f"position {self.position + 1} is missing")
        if row.is_record:
            self._take_record(row)
        else:
            self._take_event(row)
        self.position = row.position

    def end(self) -> None:
        """Raise Broken when the last events have no record."""
        if self._awaited:
            raise Broken(self._awaited[0].position, "an event without the record of its cause")

    def _take_event(self, row: Row) -> None:
        event_id = decode_event(row.stored).event_id
        if self._awaited and event_id != self._event_id:
            self.end()
        self._check_version(row)
        self._event_id = event_id
        self._awaited.append(row)
        self.events += 1

    def _take_record(self, row: Row) -> None:
        record = decode_record(row.stored)
        if self._awaited:
            if self._event_id != row.originator_id:
                self.end()
            if "errorCode" in record:
                raise Broken(row.position, "the record of a refusal, after events that it caused")
            self._awaited.clear()
        self.records += 1

    def _check_version(self, row: Row) -> None:
        """Each version after the one before: then, by induction, all of them from 1.

        Asking the index keeps memory bounded whatever the number of streams.
        """
        if row.version == 1:
            return
        before = self._reader.position_of(row.originator_id, row.version - 1)
        if row.version < 1 or before is None or before > row.position:
            raise Broken(row.position, f"version {row.version} of its stream has none before it")


def verify(
    reader: Reader, start: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> Verified:
    """Walk from position `start` to the head as it is now. Raises Broken at the first wrong row.

    `on_progress(position, head)` is called after each page.
    """
    if (first := reader.first()) < 1:
        raise Broken(first, "no row may stand before position 1")
    head, given = reader.ends()
    walk = _Walk(reader, start)
    while walk.position < head:
        rows = reader.page(walk.position, min(_PAGE_ROWS, head - walk.position))
        for row in rows:
            try:
                walk.take(row)
            except CodecError as error:
                raise Broken(row.position, str(error)) from error
        if not rows:
            raise Broken(walk.position + 1, "it was removed while the ledger was read")
        if on_progress is not None:
            on_progress(walk.position, head)
    walk.end()
    if given != head:
        raise Broken(head + 1, f"the rows from here to {given} are missing")
    return Verified(rows=walk.position - start + 1, events=walk.events, records=walk.records)


def verify_tail(reader: Reader, rows: int) -> Verified:
    """Walk the newest `rows` rows, as a server does before it starts. Raises Broken."""
    return verify(reader, start=max(1, reader.head() - rows + 1))
