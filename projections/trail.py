"""The trail index: follows the ledger, so that LookupEvents need not read it.

All work is done inside SQLite, which lets go of the interpreter's lock meanwhile: one step is a
dozen statements, whatever the number of rows.
"""

import sqlite3
from pathlib import Path
from typing import Self

from projections.trail_lookup import TrailLookup
from projections.trail_query import Page, Query, TrailEvent
from projections.trail_schema import NAMES, POSITIONS, TABLES, connect

__all__ = ["Page", "Query", "TrailEvent", "TrailIndex", "TrailLookup"]

ROWS_PER_STEP = 2000

_TEMPORARY_TABLES = (
    """CREATE TEMP TABLE fresh (
        position INTEGER PRIMARY KEY, account TEXT, region TEXT, event_time TEXT, kind TEXT,
        user_name TEXT, access_key_id TEXT, first_resource TEXT, second_resource TEXT,
        many_resources TEXT, alias TEXT
    )""",
    """CREATE TEMP TABLE entry (
        list_id INTEGER, position INTEGER, attribute INTEGER, value TEXT, account TEXT, region TEXT
    )""",
)

_READ_RECORDS = """INSERT INTO fresh SELECT
    position, account, region, event_time, kind, user_name, access_key_id,
    first_resource, second_resource, many_resources, alias
    FROM trail_record
    WHERE position > :position AND position <= :reached AND category = 'Management'
    ORDER BY position"""

# The value is kept only where its list is yet to be made.
_MAKE_ENTRIES = """INSERT INTO entry
    SELECT list.id, e.position, e.attribute, CASE WHEN list.id IS NULL THEN e.value END,
        e.account, e.region
    FROM (
        SELECT position, account, region, 1 AS attribute, kind AS value FROM fresh
        UNION ALL SELECT position, account, region, 2, user_name FROM fresh
        UNION ALL SELECT position, account, region, 3, access_key_id FROM fresh
        UNION ALL SELECT position, account, region, 4, first_resource FROM fresh
        UNION ALL SELECT position, account, region, 4, second_resource FROM fresh
        UNION ALL SELECT position, account, region, 4, alias FROM fresh
        UNION ALL SELECT position, account, region, 4, json_extract(resource.value, '$.ARN')
            FROM fresh, json_each(many_resources) AS resource WHERE many_resources IS NOT NULL
        UNION ALL SELECT position, account, region, 1,
                json_set(kind, '$[3]', json_extract(resource.value, '$.type'))
            FROM fresh, json_each(many_resources) AS resource WHERE many_resources IS NOT NULL
    ) AS e
    LEFT JOIN trail_list AS list ON list.value = e.value AND list.attribute = e.attribute
        AND list.account = e.account AND list.region = e.region
    WHERE e.value IS NOT NULL"""

# Numbered by their first position, hence the same in every rebuild, whatever the steps were.
_MAKE_LISTS = """INSERT INTO trail_list (value, attribute, account, region)
    SELECT value, attribute, account, region FROM entry WHERE list_id IS NULL
    GROUP BY value, attribute, account, region ORDER BY min(position), attribute, value"""

_FIND_NEW_LISTS = """UPDATE entry SET list_id = (
        SELECT id FROM trail_list AS list WHERE list.value = entry.value
        AND list.attribute = entry.attribute
        AND list.account = entry.account AND list.region = entry.region
    ) WHERE list_id IS NULL"""

# IGNORE: a record may name a resource twice.
_WRITE_ENTRIES = """INSERT OR IGNORE INTO trail_posting
    SELECT list_id, position FROM entry ORDER BY list_id, position"""

_WRITE_TIMES = """INSERT INTO trail_time
    SELECT column1, second / column1, min(first), max(last) FROM
        (SELECT CAST(strftime('%s', event_time) AS INTEGER) AS second,
            min(position) AS first, max(position) AS last FROM fresh GROUP BY event_time),
        (VALUES (1), (60), (3600), (86400))
    WHERE true GROUP BY 1, 2
    ON CONFLICT DO UPDATE SET
        first_position = min(first_position, excluded.first_position),
        last_position = max(last_position, excluded.last_position)"""

_MOVE_CURSOR = """UPDATE trail_cursor SET position = :reached, originator_id =
    (SELECT originator_id FROM ledger.stored_events WHERE rowid = :reached)"""

_STEP = (
    _READ_RECORDS,
    _MAKE_ENTRIES,
    _MAKE_LISTS,
    _FIND_NEW_LISTS,
    _WRITE_ENTRIES,
    _WRITE_TIMES,
    _MOVE_CURSOR,
    "DELETE FROM fresh",
    "DELETE FROM entry",
)

_IS_OF_THIS_LEDGER = """SELECT position = 0 OR EXISTS (
        SELECT 1 FROM ledger.stored_events AS row
        WHERE row.rowid = position AND row.originator_id = trail_cursor.originator_id
    ) FROM trail_cursor"""


class TrailIndex:
    """Writes the index. `position` is the newest row of the ledger that is in it.

    Not for two threads at once: after `open` it belongs to its follower until that has stopped.
    """

    def __init__(self, path: Path, ledger_path: Path) -> None:
        self._path = path
        self._ledger_path = ledger_path
        self._connection: sqlite3.Connection | None = None
        self.position = 0

    @classmethod
    def open(cls, path: Path, ledger_path: Path) -> Self:
        """Open the index, or make it, readable by its owner only. The ledger must exist.

        One that was made from another ledger is emptied. Raises sqlite3.Error, OSError.
        """
        path.touch(mode=0o600, exist_ok=True)
        index = cls(path, ledger_path)
        try:
            connection = index._connected()
            _create(connection)
            if not connection.execute(_IS_OF_THIS_LEDGER).fetchone()[0]:
                index.clear()
            index.position, _ = connection.execute(POSITIONS).fetchone()
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        """Close the connection. A later step opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def clear(self) -> None:
        """Forget everything: the next steps make it again, row for row, from the ledger."""
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for name in NAMES:
                connection.execute(f"DROP TABLE IF EXISTS {name}")
            _create(connection)
        self.position = 0

    def step(self) -> int:
        """Take in up to ROWS_PER_STEP rows in one transaction: how many rows still wait.

        Raises sqlite3.Error; then nothing has changed and the next step begins anew.
        """
        try:
            return self._advance(self._connected())
        except BaseException:
            self.close()
            raise

    def _advance(self, connection: sqlite3.Connection) -> int:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            position, head = connection.execute(POSITIONS).fetchone()
            reached = min(head, position + ROWS_PER_STEP)
            if reached > position:
                for statement in _STEP:
                    connection.execute(statement, {"position": position, "reached": reached})
        self.position = max(position, reached)
        return int(max(head - self.position, 0))

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = connect(self._path, self._ledger_path, read_only=False)
            for statement in _TEMPORARY_TABLES:
                connection.execute(statement)
            self._connection = connection
        return self._connection


def _create(connection: sqlite3.Connection) -> None:
    for statement in TABLES:
        connection.execute(statement)
