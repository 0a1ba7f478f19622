"""The tables of the trail index, and the view of the ledger that they are made from.

The index is inverted: a list of positions for each value that a lookup can ask for, per account
and region. `trail_list` is the dictionary of the lists, `trail_posting` their entries, both
orders of magnitude smaller than the records.
"""

import sqlite3
from pathlib import Path
from typing import Final

# What a list is about, the `attribute` of its row. 1 is a kind of record, in JSON: source, name,
# read-only and the types of two resources. There are so few of them that a lookup reads them all.
USER: Final = 2
ACCESS_KEY: Final = 3
RESOURCE: Final = 4

TABLES = (
    # Where the index stands, and which row is there: it tells another ledger's index from ours.
    """CREATE TABLE IF NOT EXISTS trail_cursor (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        position INTEGER NOT NULL,
        originator_id TEXT NOT NULL
    ) STRICT""",
    "INSERT OR IGNORE INTO trail_cursor VALUES (1, 0, '')",
    """CREATE TABLE IF NOT EXISTS trail_list (
        id INTEGER PRIMARY KEY,
        value TEXT NOT NULL,
        attribute INTEGER NOT NULL,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        short_name TEXT AS (CASE -- of a resource: the key id, or the name of the own alias
            WHEN instr(value, ':key/') THEN substr(value, instr(value, ':key/') + 5)
            WHEN instr(value, ':' || account || ':alias/')
                THEN substr(value, instr(value, ':alias/') + 1)
        END) VIRTUAL,
        UNIQUE (value, attribute, account, region)
    ) STRICT""",
    """CREATE INDEX IF NOT EXISTS trail_list_short_name ON trail_list (short_name)
        WHERE short_name IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS trail_list_kind ON trail_list (account, region)
        WHERE attribute = 1""",
    """CREATE TABLE IF NOT EXISTS trail_posting (
        list_id INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (list_id, position)
    ) STRICT, WITHOUT ROWID""",
    # First and last position of each second, minute, hour and day, so that a time range becomes
    # a range of positions. Exact for any order of the clock, even one that was set back.
    """CREATE TABLE IF NOT EXISTS trail_time (
        width_s INTEGER NOT NULL, bucket INTEGER NOT NULL,
        first_position INTEGER NOT NULL, last_position INTEGER NOT NULL,
        PRIMARY KEY (width_s, bucket)
    ) STRICT, WITHOUT ROWID""",
)

NAMES = ("trail_cursor", "trail_list", "trail_posting", "trail_time")

# Where the index stands, and the ledger.
POSITIONS = """SELECT position, (SELECT coalesce(max(rowid), 0) FROM ledger.stored_events)
    FROM trail_cursor"""

# Newer versions of SQLite take a BLOB for their own binary JSON: hence each CAST. They parse a
# text once per row, however many members are taken from it.
VIEW = """CREATE TEMP VIEW trail_record AS SELECT
    rowid AS position,
    CAST(state AS TEXT) AS record,
    json_extract(CAST(state AS TEXT), '$.eventCategory') AS category,
    json_extract(CAST(state AS TEXT), '$.recipientAccountId') AS account,
    json_extract(CAST(state AS TEXT), '$.awsRegion') AS region,
    json_extract(CAST(state AS TEXT), '$.eventTime') AS event_time,
    json_extract(CAST(state AS TEXT), '$.eventSource') AS event_source,
    json_extract(CAST(state AS TEXT), '$.eventName') AS event_name,
    json_extract(CAST(state AS TEXT), '$.readOnly') AS read_only,
    json_extract(
        CAST(state AS TEXT), '$.eventSource', '$.eventName', '$.readOnly',
        '$.resources[0].type', '$.resources[1].type'
    ) AS kind,
    CASE json_extract(CAST(state AS TEXT), '$.userIdentity.type')
        WHEN 'Root' THEN 'root'
        WHEN 'AssumedRole' THEN substr(
            json_extract(CAST(state AS TEXT), '$.userIdentity.principalId'),
            nullif(instr(json_extract(CAST(state AS TEXT), '$.userIdentity.principalId'), ':'), 0)
                + 1
        )
        ELSE json_extract(CAST(state AS TEXT), '$.userIdentity.userName')
    END AS user_name,
    json_extract(CAST(state AS TEXT), '$.userIdentity.accessKeyId') AS access_key_id,
    json_extract(CAST(state AS TEXT), '$.resources[0].ARN') AS first_resource,
    json_extract(CAST(state AS TEXT), '$.resources[1].ARN') AS second_resource,
    CASE WHEN json_extract(CAST(state AS TEXT), '$.resources[2].ARN') IS NOT NULL
        THEN json_extract(CAST(state AS TEXT), '$.resources') END AS many_resources,
    'arn:aws:kms:' || json_extract(CAST(state AS TEXT), '$.awsRegion')
        || ':' || json_extract(CAST(state AS TEXT), '$.recipientAccountId')
        || ':' || json_extract(CAST(state AS TEXT), '$.additionalEventData.keytrail.alias') AS alias
FROM ledger.stored_events WHERE topic = 'keytrail.Record.v1'"""

_PRAGMAS = (
    "PRAGMA main.journal_mode = wal",
    # Rows and cursor are in one transaction: a power cut loses a suffix that is read again.
    "PRAGMA main.synchronous = 1",
    "PRAGMA main.journal_size_limit = 67108864",
    "PRAGMA main.cache_size = -8000",
    # Everything here is in the ledger too.
    "PRAGMA secure_delete = 0",
    "PRAGMA temp_store = 2",
)


def connect(path: Path, ledger_path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Connect to the index, with the ledger attached for reading. Both files must exist.

    The connection commits by itself and may be handed to another thread, one at a time. Raises
    sqlite3.Error.
    """
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if not read_only:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
        connection.execute("ATTACH ? AS ledger", (f"{ledger_path.absolute().as_uri()}?mode=ro",))
        connection.execute(VIEW)
    except BaseException:
        connection.close()
        raise
    return connection
