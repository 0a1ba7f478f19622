"""What a decision needs to know about keys and aliases: a bounded cache over the catalogue.

It lives on the event loop. News of this node's appends drops the entries that they touch, so an
entry is never older than the position of the last news; memory grows with use, never with the
number of keys that exist.
"""

from collections.abc import Iterable
from typing import TypeVar

from domain.errors import InvariantBroken
from domain.events import AliasEvent, Event, KeyEvent
from domain.key import Key
from domain.names import AliasName, KeyName
from domain.policy.document import Statement, parse
from domain.policy.evaluate import Decision, decide
from projections.catalogue_reader import CatalogueReader

Entry = TypeVar("Entry")


class KeyStanding:
    """A key as it stands, its policy compiled, and the decisions already made about it."""

    __slots__ = ("_decisions", "_policy", "account", "arn", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.arn = key.arn
        self.account = key.account
        self._policy: tuple[Statement, ...] = parse(key.policy)
        self._decisions: dict[str, Decision] = {}

    def decide(self, permission: str) -> Decision:
        """May the root user of the key's own account do it?"""
        decision = self._decisions.get(permission)
        if decision is None:
            key = self.key
            name = KeyName(account=key.account, region=key.region, key_id=key.key_id)
            decision = decide(name, permission, self._policy)
            self._decisions[permission] = decision
        return decision


class Standings:
    """Keys and alias targets by name, read from the catalogue on a miss."""

    def __init__(self, catalogue: CatalogueReader, capacity: int) -> None:
        self._catalogue = catalogue
        self._capacity = capacity
        self._keys: dict[tuple[str, str, str], KeyStanding] = {}
        self._targets: dict[tuple[str, str, str], str] = {}

    def key(self, account: str, region: str, key_id: str) -> KeyStanding | None:
        """The key, unless it does not exist or is gone."""
        standing = self._keys.get((account, region, key_id))
        if standing is None:
            name = KeyName(account=account, region=region, key_id=key_id)
            key = self._catalogue.key(name)
            if key is None or key.is_gone:
                return None
            standing = KeyStanding(key)
            _remember(self._keys, (account, region, key_id), standing, self._capacity)
        return standing

    def target(self, account: str, region: str, name: str) -> str | None:
        """The id of the key that the alias points to, or None when there is no such alias."""
        key_id = self._targets.get((account, region, name))
        if key_id is None:
            alias = self._catalogue.alias(AliasName(account=account, region=region, name=name))
            if alias is None or alias.key_id is None:
                return None
            key_id = alias.key_id
            _remember(self._targets, (account, region, name), key_id, self._capacity)
        return key_id

    def target_of(self, account: str, region: str, name: str) -> KeyStanding | None:
        """The key that the alias points to, or None when there is no such alias."""
        key_id = self.target(account, region, name)
        if key_id is None:
            return None
        standing = self.key(account, region, key_id)
        if standing is None:
            raise InvariantBroken(f"{name} points to {key_id}, which does not exist")
        return standing

    def apply(self, events: Iterable[Event]) -> None:
        """Forget what the events changed."""
        for event in events:
            match event:
                case KeyEvent():
                    self._keys.pop((event.account, event.region, event.key_id), None)
                case AliasEvent():
                    self._targets.pop((event.account, event.region, event.name), None)


def _remember(
    entries: dict[tuple[str, str, str], Entry],
    name: tuple[str, str, str],
    value: Entry,
    capacity: int,
) -> None:
    """The oldest entry makes room: cheaper than the least used, and a miss costs microseconds."""
    if len(entries) >= capacity:
        del entries[next(iter(entries))]
    entries[name] = value
