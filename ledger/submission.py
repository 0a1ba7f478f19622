"""What one request gives the ledger: its events, its record, and the rows that go with them."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from domain.events import Event
from keystore.port import SealedMaterial
from ledger import codec


class Catalogue(Protocol):
    """Rows derived from events and written in the events' own transaction."""

    def create(self, cursor: sqlite3.Cursor) -> None:
        """Make the tables, in the transaction that makes the ledger."""
        ...

    def apply(self, cursor: sqlite3.Cursor, position: int, version: int, event: Event) -> None:
        """Write what follows from an event, stored at `position` as `version` of its stream."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedEvent:
    """An event and the version of its stream that it wants to be; from 1."""

    version: int
    event: Event


class Submission(NamedTuple):
    """The rows of one request: all of them are stored, or none.

    They are adjacent and in order, the record last. `destroyed` names (account, owner id).
    """

    record: Mapping[str, object]
    events: tuple[VersionedEvent, ...] = ()
    sealed: tuple[SealedMaterial, ...] = ()
    destroyed: tuple[tuple[str, str], ...] = ()

    @property
    def row_count(self) -> int:
        """How many positions it takes."""
        return len(self.events) + 1

    def encoded(self) -> list[codec.StoredEvent]:
        """Its rows as they are stored. Raises CodecError."""
        record = codec.encode_record(self.record)
        if not self.events:
            return [record]
        event_id = str(record.originator_id)
        rows = [codec.encode_event(one.event, one.version, event_id) for one in self.events]
        rows.append(record)
        return rows
