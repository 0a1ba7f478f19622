"""Domain events: what has happened to an account, a key or an alias.

A stored event's TOPIC and fields are for ever: a changed shape is a new class ending in the next
`.vN`. `at` is the gate's clock when the event was made, `effective_at` the instant from which
authorization uses it; both UTC, in microseconds.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.errors import InvariantBroken


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """One tag of a key: `key` 1 to 128 characters, `value` 0 to 256."""

    key: str
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What all events share."""

    TOPIC: ClassVar[str] = ""

    at: datetime

    @property
    def stream(self) -> str:
        """The name of the stream that the event belongs to."""
        raise InvariantBroken(f"{type(self).__name__} has no stream")


# --- accounts ------------------------------------------------------------------------------------


def account_stream(account: str) -> str:
    """The stream of an account."""
    return f"account:{account}"


def access_key_stream(access_key_id: str) -> str:
    """The stream of an access key."""
    return f"access-key:{access_key_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountCreated(Event):
    """An account and the region in which its service events are recorded."""

    TOPIC: ClassVar[str] = "keytrail.AccountCreated.v1"

    account: str
    home_region: str

    @property
    def stream(self) -> str:
        return account_stream(self.account)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessKeyCreated(Event):
    """A long-term access key. Its secret is sealed in the key store, never here."""

    TOPIC: ClassVar[str] = "keytrail.AccessKeyCreated.v1"

    account: str
    access_key_id: str
    principal_arn: str

    @property
    def stream(self) -> str:
        return access_key_stream(self.access_key_id)


# --- keys ----------------------------------------------------------------------------------------


def key_stream(account: str, region: str, key_id: str) -> str:
    """The stream of a key. Account and region are part of it: replicas share the id."""
    return f"key:{account}:{region}:{key_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyEvent(Event):
    """What all events of a key share."""

    account: str
    region: str
    key_id: str

    @property
    def stream(self) -> str:
        return key_stream(self.account, self.region, self.key_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyCreated(KeyEvent):
    """A key, its first policy and its first tags, which are in force at once."""

    TOPIC: ClassVar[str] = "keytrail.KeyCreated.v1"

    description: str
    key_spec: str
    key_usage: str
    origin: str
    multi_region: bool
    policy: str
    tags: tuple[Tag, ...]
    material_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDescriptionUpdated(KeyEvent):
    """A new description."""

    TOPIC: ClassVar[str] = "keytrail.KeyDescriptionUpdated.v1"

    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyEnabled(KeyEvent):
    """The key may be used again."""

    TOPIC: ClassVar[str] = "keytrail.KeyEnabled.v1"

    effective_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDisabled(KeyEvent):
    """The key may not be used until it is enabled."""

    TOPIC: ClassVar[str] = "keytrail.KeyDisabled.v1"

    effective_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDeletionScheduled(KeyEvent):
    """The waiting period has begun; `deletion_date` ends it."""

    TOPIC: ClassVar[str] = "keytrail.KeyDeletionScheduled.v1"

    effective_at: datetime
    pending_window_in_days: int
    deletion_date: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDeletionCancelled(KeyEvent):
    """The key is saved, and disabled."""

    TOPIC: ClassVar[str] = "keytrail.KeyDeletionCancelled.v1"

    effective_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDeleted(KeyEvent):
    """The waiting period has ended; the sealed material left the database with this event."""

    TOPIC: ClassVar[str] = "keytrail.KeyDeleted.v1"

    material_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyMaterialDestroyed(KeyEvent):
    """The certificate: every copy of the material is ciphertext under an epoch that is gone."""

    TOPIC: ClassVar[str] = "keytrail.KeyMaterialDestroyed.v1"

    material_ids: tuple[str, ...]
    retired_epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyTagged(KeyEvent):
    """Tags added, or their values replaced."""

    TOPIC: ClassVar[str] = "keytrail.KeyTagged.v1"

    effective_at: datetime
    tags: tuple[Tag, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyUntagged(KeyEvent):
    """Tags removed; only those that were there."""

    TOPIC: ClassVar[str] = "keytrail.KeyUntagged.v1"

    effective_at: datetime
    tag_keys: tuple[str, ...]


# --- aliases -------------------------------------------------------------------------------------


def alias_stream(account: str, region: str, name: str) -> str:
    """The stream of an alias name, `alias/` included. It outlives deletion and re-creation."""
    return f"alias:{account}:{region}:{name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasEvent(Event):
    """What all events of an alias share; `name` includes `alias/`."""

    account: str
    region: str
    name: str
    effective_at: datetime

    @property
    def stream(self) -> str:
        return alias_stream(self.account, self.region, self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasCreated(AliasEvent):
    """The name points to a key."""

    TOPIC: ClassVar[str] = "keytrail.AliasCreated.v1"

    key_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasUpdated(AliasEvent):
    """The name points to another key, or to the same one again."""

    TOPIC: ClassVar[str] = "keytrail.AliasUpdated.v1"

    key_id: str
    previous_key_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasDeleted(AliasEvent):
    """The name points to nothing; `previous_key_id` is what it pointed to."""

    TOPIC: ClassVar[str] = "keytrail.AliasDeleted.v1"

    previous_key_id: str


EVENTS: tuple[type[Event], ...] = (
    AccountCreated,
    AccessKeyCreated,
    KeyCreated,
    KeyDescriptionUpdated,
    KeyEnabled,
    KeyDisabled,
    KeyDeletionScheduled,
    KeyDeletionCancelled,
    KeyDeleted,
    KeyMaterialDestroyed,
    KeyTagged,
    KeyUntagged,
    AliasCreated,
    AliasUpdated,
    AliasDeleted,
)
"""Every class that the ledger may hold; an unknown topic is an error, never an import."""
