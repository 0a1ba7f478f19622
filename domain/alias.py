"""An alias: a name for one key at a time.

Source: KMS API Reference, CreateAlias, UpdateAlias, DeleteAlias; KMS Developer Guide, "Aliases".
"""

from dataclasses import dataclass
from datetime import datetime

from domain.errors import AlreadyExists, LimitExceeded, Validation
from domain.events import AliasCreated, AliasDeleted, AliasUpdated, alias_stream
from domain.key import Key
from domain.names import AliasName, alias_arn
from domain.propagation import effective_at

MOST_ALIASES_OF_A_KEY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An alias name that was ever used; `key_id` is None while the name is free."""

    account: str
    region: str
    name: str
    version: int
    key_id: str | None
    created_at: datetime
    updated_at: datetime
    effective_at: datetime

    @property
    def arn(self) -> str:
        return alias_arn(self.account, self.region, self.name)

    @property
    def stream(self) -> str:
        return alias_stream(self.account, self.region, self.name)


def create(
    name: AliasName, taken: Alias | None, target: Key, aliases_of_target: int, now: datetime
) -> AliasCreated:
    """Raises AlreadyExists, KMSInvalidState or LimitExceeded."""
    if taken is not None and taken.key_id is not None:
        raise AlreadyExists(f"An alias with the name {name.arn} already exists")
    target.check_allows("CreateAlias")
    _check_quota(aliases_of_target)
    return AliasCreated(
        at=now,
        account=name.account,
        region=name.region,
        name=name.name,
        effective_at=effective_at(now, taken.effective_at if taken else None),
        key_id=target.key_id,
    )


def update(
    alias: Alias, current: Key, target: Key, aliases_of_target: int, now: datetime
) -> AliasUpdated:
    """Raises KMSInvalidState, Validation or LimitExceeded. The same target again is allowed."""
    target.check_allows("UpdateAlias")
    _check_same_kind(alias.name, current, target)
    if target.key_id != current.key_id:
        _check_quota(aliases_of_target)
    return AliasUpdated(
        at=now,
        account=alias.account,
        region=alias.region,
        name=alias.name,
        effective_at=effective_at(now, alias.effective_at),
        key_id=target.key_id,
        previous_key_id=current.key_id,
    )


def delete(alias: Alias, previous_key_id: str, now: datetime) -> AliasDeleted:
    """Frees the name, whatever the state of its key."""
    return AliasDeleted(
        at=now,
        account=alias.account,
        region=alias.region,
        name=alias.name,
        effective_at=effective_at(now, alias.effective_at),
        previous_key_id=previous_key_id,
    )


def _check_quota(aliases_of_target: int) -> None:
    if aliases_of_target >= MOST_ALIASES_OF_A_KEY:
        raise LimitExceeded(f"A key can have at most {MOST_ALIASES_OF_A_KEY} aliases.")


def _check_same_kind(name: str, current: Key, target: Key) -> None:
    if current.key_usage != target.key_usage:
        raise Validation(
            f"Alias {name} cannot be changed from a CMK with key usage {current.key_usage} to a "
            f"CMK with key usage {target.key_usage}. The key usage of the current CMK and the new "
            "CMK must be the same."
        )
