"""A KMS key: its state, what moves it, and what it may do next.

Source: KMS API Reference, KeyMetadata, ScheduleKeyDeletion, CancelKeyDeletion.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain import key_states
from domain.errors import InvariantBroken
from domain.events import (
    KeyCreated,
    KeyDeleted,
    KeyDeletionCancelled,
    KeyDeletionScheduled,
    KeyDescriptionUpdated,
    KeyDisabled,
    KeyEnabled,
    KeyEvent,
    KeyMaterialDestroyed,
    KeyTagged,
    KeyUntagged,
    key_stream,
)
from domain.names import key_arn
from domain.propagation import effective_at

DEFAULT_PENDING_WINDOW_IN_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the events of its stream have made it; `version` is that of the last of them."""

    account: str
    region: str
    key_id: str
    version: int
    state: str
    description: str
    key_spec: str
    key_usage: str
    origin: str
    multi_region: bool
    policy: str
    created_at: datetime
    material_id: str | None
    deletion_date: datetime | None
    state_effective_at: datetime
    tags_effective_at: datetime

    @property
    def arn(self) -> str:
        return key_arn(self.account, self.region, self.key_id)

    @property
    def stream(self) -> str:
        return key_stream(self.account, self.region, self.key_id)

    @property
    def is_gone(self) -> bool:
        return self.state in key_states.GONE

    def check_allows(self, operation: str) -> None:
        """Raises Disabled or KMSInvalidState."""
        refusal = key_states.refusal_of(operation, self.state)
        if refusal is not None:
            raise refusal(self.arn)


def create(event: KeyCreated) -> Key:
    """The key that its first event makes."""
    return Key(
        account=event.account,
        region=event.region,
        key_id=event.key_id,
        version=1,
        state=key_states.ENABLED,
        description=event.description,
        key_spec=event.key_spec,
        key_usage=event.key_usage,
        origin=event.origin,
        multi_region=event.multi_region,
        policy=event.policy,
        created_at=event.at,
        material_id=event.material_id,
        deletion_date=None,
        state_effective_at=event.at,
        tags_effective_at=event.at,
    )


def evolve(key: Key, event: KeyEvent) -> Key:
    """The key after one more event."""
    return replace(_changed(key, event), version=key.version + 1)


def _changed(key: Key, event: KeyEvent) -> Key:
    match event:
        case KeyDescriptionUpdated():
            return replace(key, description=event.description)
        case KeyEnabled():
            return _moved(key, key_states.ENABLED, event.effective_at)
        case KeyDisabled() | KeyDeletionCancelled():
            return _moved(key, key_states.DISABLED, event.effective_at)
        case KeyDeletionScheduled():
            pending = _moved(key, key_states.PENDING_DELETION, event.effective_at)
            return replace(pending, deletion_date=event.deletion_date)
        case KeyDeleted():
            return _moved(key, key_states.DELETED, event.at)
        case KeyMaterialDestroyed():
            return _moved(key, key_states.DESTROYED, event.at)
        case KeyTagged() | KeyUntagged():
            return replace(key, tags_effective_at=event.effective_at)
    raise InvariantBroken(f"{type(event).__name__} does not move a key")


def _moved(key: Key, state: str, at: datetime) -> Key:
    return replace(key, state=state, state_effective_at=at, deletion_date=None)


def enable(key: Key, now: datetime) -> KeyEnabled | None:
    """None when the key is enabled already."""
    key.check_allows("EnableKey")
    if key.state == key_states.ENABLED:
        return None
    return KeyEnabled(
        at=now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        effective_at=effective_at(now, key.state_effective_at),
    )


def disable(key: Key, now: datetime) -> KeyDisabled | None:
    """None when the key is disabled already."""
    key.check_allows("DisableKey")
    if key.state == key_states.DISABLED:
        return None
    return KeyDisabled(
        at=now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        effective_at=effective_at(now, key.state_effective_at),
    )


def schedule_deletion(key: Key, now: datetime, window_in_days: int) -> KeyDeletionScheduled:
    """Starts the waiting period of 7 to 30 days."""
    key.check_allows("ScheduleKeyDeletion")
    return KeyDeletionScheduled(
        at=now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        effective_at=effective_at(now, key.state_effective_at),
        pending_window_in_days=window_in_days,
        deletion_date=now + timedelta(days=window_in_days),
    )


def cancel_deletion(key: Key, now: datetime) -> KeyDeletionCancelled:
    """Saves the key; it comes back disabled."""
    key.check_allows("CancelKeyDeletion")
    return KeyDeletionCancelled(
        at=now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        effective_at=effective_at(now, key.state_effective_at),
    )


def delete(key: Key, now: datetime) -> KeyDeleted | None:
    """Ends the waiting period; None when the key was saved or is gone, or it is too early."""
    due = key.state == key_states.PENDING_DELETION and key.deletion_date is not None
    if not due or key.deletion_date is None or key.deletion_date > now:
        return None
    return KeyDeleted(
        at=now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        material_ids=(key.material_id,) if key.material_id else (),
    )
