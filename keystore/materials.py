"""The table of sealed material: its shape, and plain functions on a cursor or connection.

The table shares the ledger's file, so that a row is inserted in the transaction of `KeyCreated`
and leaves in that of `KeyDeleted`. A rebuild never touches it. Every connection that deletes or
rewraps must have `PRAGMA secure_delete = ON`, which SQLite keeps per connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keystore.port import SealedMaterial

if TYPE_CHECKING:
    from sqlite3 import Connection, Cursor

    from keystore.keyring import Keyring

# Rows are found by their whole primary key and are far smaller than a page: without a rowid a
# look-up is one descent, and the sealed bytes exist in one b-tree only. The index on the epoch
# holds no sealed bytes.
SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS key_material (
        account TEXT NOT NULL,
        owner_id TEXT NOT NULL,
        material_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        spec TEXT NOT NULL,
        origin TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        blob BLOB NOT NULL,
        PRIMARY KEY (account, owner_id, material_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS key_material_epoch ON key_material (epoch)",
)

_SELECT = "SELECT account, owner_id, material_id, seq, spec, origin, epoch, blob FROM key_material"


def create(cursor: Cursor) -> None:
    """Make the table and its index where they do not exist."""
    for statement in SCHEMA:
        cursor.execute(statement)


def insert(cursor: Cursor, sealed: SealedMaterial) -> None:
    """Add one row. Raises sqlite3.IntegrityError when the material is already there."""
    cursor.execute(
        "INSERT INTO key_material VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            sealed.account,
            sealed.owner_id,
            sealed.material_id,
            sealed.seq,
            sealed.spec,
            sealed.origin,
            sealed.epoch,
            sealed.blob,
        ),
    )


def delete(cursor: Cursor, account: str, owner_id: str) -> None:
    """Remove every row of an owner; none is no error."""
    cursor.execute(
        "DELETE FROM key_material WHERE account = ? AND owner_id = ?", (account, owner_id)
    )


def load(
    connection: Connection, account: str, owner_id: str, material_id: str
) -> SealedMaterial | None:
    """Read one row by its whole name."""
    row = connection.execute(
        f"{_SELECT} WHERE account = ? AND owner_id = ? AND material_id = ?",
        (account, owner_id, material_id),
    ).fetchone()
    return _sealed(row) if row else None


def rewrap_batch(cursor: Cursor, keyring: Keyring, limit: int) -> int:
    """Move at most `limit` rows of older epochs to the current one; 0 when none is left.

    Raises KeyUnavailable, before anything is written, when a row does not open.
    """
    rows = cursor.execute(
        f"{_SELECT} WHERE epoch < ? ORDER BY epoch LIMIT ?", (keyring.current, limit)
    ).fetchall()
    rewrapped = [keyring.rewrap(_sealed(row)) for row in rows]
    cursor.executemany(
        "UPDATE key_material SET epoch = ?, blob = ?"
        " WHERE account = ? AND owner_id = ? AND material_id = ?",
        [(new.epoch, new.blob, new.account, new.owner_id, new.material_id) for new in rewrapped],
    )
    return len(rewrapped)


def one_per_epoch(connection: Connection) -> list[SealedMaterial]:
    """Read one row of each epoch in use, oldest epoch first.

    Opening them shows a wrong root or keyring before the first call does.
    """
    found: list[SealedMaterial] = []
    # One step down the index for each epoch: DISTINCT would read an entry for every key.
    query = f"{_SELECT} WHERE epoch > ? ORDER BY epoch LIMIT 1"
    while row := connection.execute(query, (found[-1].epoch if found else 0,)).fetchone():
        found.append(_sealed(row))
    return found


def _sealed(row: tuple[str, str, str, int, str, str, int, bytes]) -> SealedMaterial:
    return SealedMaterial(
        account=row[0],
        owner_id=row[1],
        material_id=row[2],
        seq=row[3],
        spec=row[4],
        origin=row[5],
        epoch=row[6],
        blob=row[7],
    )
