"""Questions to the catalogue: what exists now. Exact after every commit, on every node."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.alias import Alias
from domain.events import Tag
from domain.key import Key
from domain.names import AliasName, KeyName
from projections.rows import ALIAS_COLUMNS, KEY_COLUMNS, alias_of, key_of, microseconds

_KEY = (
    f"SELECT {KEY_COLUMNS}, (SELECT policy FROM key_policy_span AS p"  # noqa: S608 (constants)
    " WHERE p.account = k.account AND p.region = k.region AND p.key_id = k.key_id"
    " AND p.to_position IS NULL) FROM key_current AS k"
)
_KEY_BY_NAME = f"{_KEY} WHERE account = ? AND region = ? AND key_id = ?"
_KEYS_DUE = f"{_KEY} WHERE state = 'PendingDeletion' AND deletion_date <= ? LIMIT ?"
_KEYS_DELETED = (
    "SELECT account, region, key_id FROM key_current WHERE state = 'Deleted'"
    " ORDER BY state_effective_at"
)
_KEY_IDS = (
    "SELECT key_id FROM key_current WHERE account = ? AND region = ? AND key_id > ?"
    " AND state NOT IN ('Deleted', 'Destroyed') ORDER BY key_id LIMIT ?"
)
_ALIAS = (
    f"SELECT {ALIAS_COLUMNS} FROM alias_span"  # noqa: S608 (constant)
    " WHERE account = ? AND region = ? AND name = ? ORDER BY from_position DESC LIMIT 1"
)
# Left to itself, SQLite takes the primary key and walks through every alias of the account.
_ALIASES = (
    f"SELECT {ALIAS_COLUMNS} FROM alias_span INDEXED BY alias_by_name"  # noqa: S608 (constant)
    " WHERE account = ? AND region = ? AND name > ? AND to_position IS NULL ORDER BY name LIMIT ?"
)
_ALIASES_OF_KEY = (
    f"SELECT {ALIAS_COLUMNS} FROM alias_span INDEXED BY alias_by_key"  # noqa: S608 (constant)
    " WHERE account = ? AND region = ? AND key_id = ? AND name > ? AND to_position IS NULL"
    " ORDER BY name LIMIT ?"
)
_NUMBER_OF_ALIASES = (
    "SELECT COUNT(*) FROM alias_span INDEXED BY alias_by_key"
    " WHERE account = ? AND region = ? AND key_id = ? AND to_position IS NULL"
)
_TAGS = (
    "SELECT tag_key, tag_value, place FROM tag_span WHERE account = ? AND region = ?"
    " AND key_id = ? AND place > ? AND to_position IS NULL ORDER BY place LIMIT ?"
)
_ALL = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyRow:
    """An access key: whose it is. Its secret is in the key store."""

    access_key_id: str
    account: str
    principal_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account and the region in which its service events are recorded."""

    account: str
    home_region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTag:
    """A tag and its place in the order in which tags were added."""

    tag: Tag
    place: int


class CatalogueReader:
    """Reads through one connection; it belongs to the thread that uses it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def key(self, name: KeyName) -> Key | None:
        """The key in any state, also after its deletion."""
        row = self._one(_KEY_BY_NAME, name.account, name.region, name.key_id)
        return key_of(row) if row else None

    def key_ids(self, account: str, region: str, after: str, limit: int) -> list[str]:
        """Ids of existing keys, in order, from the first one after `after`."""
        return [row[0] for row in self._rows(_KEY_IDS, account, region, after, limit)]

    def keys_due(self, now: datetime, limit: int) -> list[Key]:
        """Keys whose waiting period has ended."""
        return [key_of(row) for row in self._rows(_KEYS_DUE, microseconds(now), limit)]

    def keys_deleted(self) -> list[KeyName]:
        """Deleted keys whose material is not yet certified as destroyed: every one of them."""
        return [
            KeyName(account=account, region=region, key_id=key_id)
            for account, region, key_id in self._rows(_KEYS_DELETED)
        ]

    def alias(self, name: AliasName) -> Alias | None:
        """The alias name's newest state, also when it was deleted; None if it was never used."""
        row = self._one(_ALIAS, name.account, name.region, name.name)
        return alias_of(row) if row else None

    def aliases(self, account: str, region: str, after: str, limit: int) -> list[Alias]:
        """Existing aliases by name, from the first one after `after`."""
        return [alias_of(row) for row in self._rows(_ALIASES, account, region, after, limit)]

    def aliases_of(self, key: KeyName, after: str = "", limit: int = _ALL) -> list[Alias]:
        """Existing aliases of a key by name, from the first one after `after`."""
        scope = (key.account, key.region, key.key_id)
        return [alias_of(row) for row in self._rows(_ALIASES_OF_KEY, *scope, after, limit)]

    def count_aliases_of(self, key: KeyName) -> int:
        """How many aliases point to the key."""
        row = self._one(_NUMBER_OF_ALIASES, key.account, key.region, key.key_id)
        return int(row[0]) if row else 0

    def tags(self, key: KeyName, after: int = 0, limit: int = _ALL) -> list[PlacedTag]:
        """The key's tags in the order in which they were added, those after place `after`."""
        scope = (key.account, key.region, key.key_id)
        return [
            PlacedTag(tag=Tag(key=row[0], value=row[1]), place=row[2])
            for row in self._rows(_TAGS, *scope, after, limit)
        ]

    def access_key(self, access_key_id: str) -> AccessKeyRow | None:
        """An access key by its id."""
        row = self._one(
            "SELECT account, principal_arn FROM access_key WHERE access_key_id = ?", access_key_id
        )
        if row is None:
            return None
        return AccessKeyRow(access_key_id=access_key_id, account=row[0], principal_arn=row[1])

    def accounts(self) -> Iterator[AccountRow]:
        """Every account, the home account (the first one made) first."""
        for row in self._rows("SELECT account, home_region FROM account ORDER BY position"):
            yield AccountRow(account=row[0], home_region=row[1])

    def counts(self) -> dict[str, int]:
        """Numbers of accounts, keys and aliases that exist. Counts the rows: not for a hot path."""
        counted = (
            ("accounts", "SELECT COUNT(*) FROM account"),
            (
                "keys",
                "SELECT COUNT(*) FROM key_current WHERE state NOT IN ('Deleted', 'Destroyed')",
            ),
            ("aliases", "SELECT COUNT(*) FROM alias_span WHERE to_position IS NULL"),
        )
        return {name: self._rows(query)[0][0] for name, query in counted}

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()
