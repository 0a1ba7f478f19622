"""The catalogue: what exists, written in the same transaction as the events that say so.

The ledger's writer calls `apply` for every domain event, a rebuild calls it again for each of
them: the two cannot differ. Reading is `projections.catalogue_reader`.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime

from domain import key as keys
from domain.errors import InvariantBroken
from domain.events import (
    AccessKeyCreated,
    AccountCreated,
    AliasCreated,
    AliasDeleted,
    AliasEvent,
    AliasUpdated,
    Event,
    KeyCreated,
    KeyEvent,
    KeyTagged,
    KeyUntagged,
    Tag,
)
from domain.key import Key
from projections.catalogue_schema import NAMES, TABLES
from projections.rows import KEY_COLUMNS, key_of, microseconds

_KEY_PLACES = ", ".join("?" * len(KEY_COLUMNS.split(",")))
_INSERT_KEY = f"INSERT OR REPLACE INTO key_current ({KEY_COLUMNS}) VALUES ({_KEY_PLACES})"  # noqa: S608 (constants)
_SELECT_KEY = (
    f"SELECT {KEY_COLUMNS}, '' FROM key_current WHERE account = ? AND region = ? AND key_id = ?"  # noqa: S608 (constants)
)
_INSERT_POLICY = "INSERT INTO key_policy_span VALUES (?, ?, ?, ?, ?, NULL, ?, NULL)"
_INSERT_TAG = "INSERT INTO tag_span VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL)"
_OPEN_TAG = "account = ? AND region = ? AND key_id = ? AND tag_key = ? AND to_position IS NULL"
_INSERT_ALIAS = "INSERT INTO alias_span VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL, ?, NULL)"
_OPEN_ALIAS = "account = ? AND region = ? AND name = ? AND to_position IS NULL"


class Catalogue:
    """Writes the catalogue's rows on the ledger's own cursor, inside its transaction."""

    def create(self, cursor: sqlite3.Cursor) -> None:
        """Make the tables that are not there."""
        for statement in TABLES:
            cursor.execute(statement)

    def drop(self, cursor: sqlite3.Cursor) -> None:
        """Remove the tables; `create` and `apply` over the ledger make them again."""
        for name in NAMES:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")

    def apply(self, cursor: sqlite3.Cursor, position: int, version: int, event: Event) -> None:
        """One more event, stored at `position` as `version` of its stream."""
        match event:
            case KeyEvent():
                _apply_key_event(cursor, position, event)
            case AliasEvent():
                _ALIAS_EVENTS[type(event)](cursor, position, version, event)
            case AccountCreated():
                values = (event.account, event.home_region, microseconds(event.at), position)
                cursor.execute("INSERT INTO account VALUES (?, ?, ?, ?)", values)
            case AccessKeyCreated():
                at = microseconds(event.at)
                row = (event.access_key_id, event.account, event.principal_arn, at)
                cursor.execute("INSERT INTO access_key VALUES (?, ?, ?, ?)", row)
            case _:
                raise InvariantBroken(f"{event.TOPIC} has no place in the catalogue")


# --- keys ----------------------------------------------------------------------------------------


def _apply_key_event(cursor: sqlite3.Cursor, position: int, event: KeyEvent) -> None:
    if isinstance(event, KeyCreated):
        key = keys.create(event)
        _insert_policy(cursor, position, event)
        _open_tags(cursor, position, event, event.tags, event.at)
    else:
        key = keys.evolve(_key(cursor, event), event)
    if isinstance(event, KeyTagged):
        _open_tags(cursor, position, event, event.tags, event.effective_at)
    if isinstance(event, KeyUntagged):
        for tag_key in event.tag_keys:
            _close_tag(cursor, position, event, tag_key, event.effective_at)
    _insert_key(cursor, key)


def _key(cursor: sqlite3.Cursor, event: KeyEvent) -> Key:
    cursor.execute(_SELECT_KEY, (event.account, event.region, event.key_id))
    row = cursor.fetchone()
    if row is None:
        raise InvariantBroken(f"{event.stream} has no first event")
    return key_of(row)


def _insert_key(cursor: sqlite3.Cursor, key: Key) -> None:
    values = (
        key.account,
        key.region,
        key.key_id,
        key.version,
        key.state,
        key.description,
        key.key_spec,
        key.key_usage,
        key.origin,
        int(key.multi_region),
        microseconds(key.created_at),
        key.material_id,
        microseconds(key.deletion_date) if key.deletion_date else None,
        microseconds(key.state_effective_at),
        microseconds(key.tags_effective_at),
    )
    cursor.execute(_INSERT_KEY, values)


def _insert_policy(cursor: sqlite3.Cursor, position: int, event: KeyCreated) -> None:
    key = (event.account, event.region, event.key_id)
    cursor.execute(_INSERT_POLICY, (*key, event.policy, position, microseconds(event.at)))


# --- tags ----------------------------------------------------------------------------------------


def _open_tags(
    cursor: sqlite3.Cursor,
    position: int,
    event: KeyEvent,
    tags: tuple[Tag, ...],
    effective_at: datetime,
) -> None:
    key = (event.account, event.region, event.key_id)
    for tag in tags:
        place = _close_tag(cursor, position, event, tag.key, effective_at)
        if place is None:
            place = _next_place(cursor, event)
        effective = microseconds(effective_at)
        cursor.execute(_INSERT_TAG, (*key, tag.key, tag.value, place, position, effective))


def _close_tag(
    cursor: sqlite3.Cursor, position: int, event: KeyEvent, tag_key: str, effective_at: datetime
) -> int | None:
    """The place that the tag had in the list, or None when it was not there."""
    tag = (event.account, event.region, event.key_id, tag_key)
    cursor.execute(f"SELECT place FROM tag_span WHERE {_OPEN_TAG}", tag)  # noqa: S608 (constant)
    row = cursor.fetchone()
    cursor.execute(
        f"UPDATE tag_span SET to_position = ?, effective_to = ? WHERE {_OPEN_TAG}",  # noqa: S608 (constant)
        (position, microseconds(effective_at), *tag),
    )
    return row[0] if row else None


def _next_place(cursor: sqlite3.Cursor, event: KeyEvent) -> int:
    cursor.execute(
        "SELECT COALESCE(MAX(place), 0) + 1 FROM tag_span"
        " WHERE account = ? AND region = ? AND key_id = ?",
        (event.account, event.region, event.key_id),
    )
    place: int = cursor.fetchone()[0]
    return place


# --- aliases -------------------------------------------------------------------------------------


def _alias_created(
    cursor: sqlite3.Cursor, position: int, version: int, event: AliasCreated
) -> None:
    at = microseconds(event.at)
    _open_alias(cursor, position, version, event, (event.key_id, at, at))


def _alias_updated(
    cursor: sqlite3.Cursor, position: int, version: int, event: AliasUpdated
) -> None:
    alias = (event.account, event.region, event.name)
    cursor.execute(f"SELECT created_at FROM alias_span WHERE {_OPEN_ALIAS}", alias)  # noqa: S608 (constant)
    row = cursor.fetchone()
    if row is None:
        raise InvariantBroken(f"{event.stream} is updated and does not exist")
    _close_alias(cursor, position, version, event)
    target = (event.key_id, row[0], microseconds(event.at))
    _open_alias(cursor, position, version, event, target)


def _alias_deleted(
    cursor: sqlite3.Cursor, position: int, version: int, event: AliasDeleted
) -> None:
    _close_alias(cursor, position, version, event)


def _open_alias(
    cursor: sqlite3.Cursor,
    position: int,
    version: int,
    event: AliasEvent,
    target: tuple[str, int, int],
) -> None:
    """`target` is the key id, the alias's creation and its last update."""
    alias = (event.account, event.region, event.name)
    effective = microseconds(event.effective_at)
    cursor.execute(_INSERT_ALIAS, (*alias, *target, version, position, effective))


def _close_alias(cursor: sqlite3.Cursor, position: int, version: int, event: AliasEvent) -> None:
    alias = (event.account, event.region, event.name)
    cursor.execute(
        "UPDATE alias_span SET to_position = ?, to_version = ?, effective_to = ?"  # noqa: S608 (constant)
        f" WHERE {_OPEN_ALIAS}",
        (position, version, microseconds(event.effective_at), *alias),
    )


_ALIAS_EVENTS: dict[type[AliasEvent], Callable[..., None]] = {
    AliasCreated: _alias_created,
    AliasUpdated: _alias_updated,
    AliasDeleted: _alias_deleted,
}
