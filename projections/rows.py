"""Catalogue rows to domain values, and instants to microseconds and back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.alias import Alias
from domain.key import Key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

KEY_COLUMNS = (
    "account, region, key_id, version, state, description, key_spec, key_usage, origin,"
    " multi_region, created_at, material_id, deletion_date, state_effective_at, tags_effective_at"
)
"""The columns of `key_current` in the order that `key_of` takes them, the policy after them."""

ALIAS_COLUMNS = (
    "account, region, name, version, to_version, key_id, created_at, updated_at,"
    " effective_from, effective_to, to_position"
)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """The instant that many microseconds after 1970, UTC."""
    return EPOCH + timedelta(microseconds=value)


def key_of(row: Sequence[Any]) -> Key:
    """A key from the columns of KEY_COLUMNS and its policy."""
    return Key(
        account=row[0],
        region=row[1],
        key_id=row[2],
        version=row[3],
        state=row[4],
        description=row[5],
        key_spec=row[6],
        key_usage=row[7],
        origin=row[8],
        multi_region=bool(row[9]),
        created_at=instant(row[10]),
        material_id=row[11],
        deletion_date=instant(row[12]) if row[12] is not None else None,
        state_effective_at=instant(row[13]),
        tags_effective_at=instant(row[14]),
        policy=row[15],
    )


def alias_of(row: Sequence[Any]) -> Alias:
    """An alias from the columns of ALIAS_COLUMNS of its newest span."""
    is_open = row[10] is None
    return Alias(
        account=row[0],
        region=row[1],
        name=row[2],
        version=row[3] if is_open else row[4],
        key_id=row[5] if is_open else None,
        created_at=instant(row[6]),
        updated_at=instant(row[7]),
        effective_at=instant(row[8] if is_open else row[9]),
    )
