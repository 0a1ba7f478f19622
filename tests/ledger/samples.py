"""Events, records and a catalogue for the ledger's tests."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from domain.events import (
    AccessKeyCreated,
    AccountCreated,
    AliasCreated,
    AliasDeleted,
    AliasUpdated,
    Event,
    KeyCreated,
    KeyDeleted,
    KeyDeletionCancelled,
    KeyDeletionScheduled,
    KeyDescriptionUpdated,
    KeyDisabled,
    KeyEnabled,
    KeyMaterialDestroyed,
    KeyTagged,
    KeyUntagged,
    Tag,
)
from keystore.port import SealedMaterial
from ledger.store import LedgerStore, Submission, VersionedEvent
from ledger.writer import Writer

ACCOUNT = "123456789012"
REGION = "us-east-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY_ID = "0987dcba-09fe-87dc-65ba-ab0987654321"
MATERIAL_ID = "a5979d094f1f51aba8909eb145062ccd718f9cfa957d96f0de3fcdb8958cd646"
AT = datetime(2026, 11, 21, 20, 48, 0, 123456, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 20, 53, tzinfo=UTC)
IDENTITY = {
    "type": "Root",
    "principalId": ACCOUNT,
    "arn": f"arn:aws:iam::{ACCOUNT}:root",
    "accountId": ACCOUNT,
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
}
RESOURCE = {
    "accountId": ACCOUNT,
    "type": "AWS::KMS::Key",
    "ARN": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}",
}

EXAMPLES: tuple[Event, ...] = (
    AccountCreated(at=AT, account=ACCOUNT, home_region=REGION),
    AccessKeyCreated(
        at=AT,
        account=ACCOUNT,
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        principal_arn=f"arn:aws:iam::{ACCOUNT}:root",
    ),
    KeyCreated(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        key_id=KEY_ID,
        description='Zahlungen "€" \\ \u2028 \n',
        key_spec="SYMMETRIC_DEFAULT",
        key_usage="ENCRYPT_DECRYPT",
        origin="AWS_KMS",
        multi_region=False,
        policy='{"Version":"2012-10-17","Statement":[]}',
        tags=(Tag(key="team", value="payments"), Tag(key="empty", value="")),
        material_id=MATERIAL_ID,
    ),
    KeyDescriptionUpdated(at=AT, account=ACCOUNT, region=REGION, key_id=KEY_ID, description=""),
    KeyEnabled(at=AT, account=ACCOUNT, region=REGION, key_id=KEY_ID, effective_at=AT),
    KeyDisabled(at=AT, account=ACCOUNT, region=REGION, key_id=KEY_ID, effective_at=LATER),
    KeyDeletionScheduled(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        key_id=KEY_ID,
        effective_at=LATER,
        pending_window_in_days=7,
        deletion_date=datetime(2026, 11, 28, 20, 48, tzinfo=UTC),
    ),
    KeyDeletionCancelled(at=AT, account=ACCOUNT, region=REGION, key_id=KEY_ID, effective_at=AT),
    KeyDeleted(at=AT, account=ACCOUNT, region=REGION, key_id=KEY_ID, material_ids=(MATERIAL_ID,)),
    KeyMaterialDestroyed(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        key_id=KEY_ID,
        material_ids=(MATERIAL_ID,),
        retired_epoch=3,
    ),
    KeyTagged(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        key_id=KEY_ID,
        effective_at=LATER,
        tags=(Tag(key="team", value="ledger"),),
    ),
    KeyUntagged(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        key_id=KEY_ID,
        effective_at=LATER,
        tag_keys=("team", "empty"),
    ),
    AliasCreated(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        name="alias/payments",
        effective_at=LATER,
        key_id=KEY_ID,
    ),
    AliasUpdated(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        name="alias/payments",
        effective_at=LATER,
        key_id=OTHER_KEY_ID,
        previous_key_id=KEY_ID,
    ),
    AliasDeleted(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        name="alias/payments",
        effective_at=LATER,
        previous_key_id=OTHER_KEY_ID,
    ),
)
"""One event of each class."""


class RowPerEvent:
    """A catalogue that writes one row for each event: where it is, and what it is."""

    def create(self, cursor: sqlite3.Cursor) -> None:
        cursor.execute("CREATE TABLE seen (position INTEGER, stream TEXT, version INTEGER) STRICT")

    def apply(self, cursor: sqlite3.Cursor, position: int, version: int, event: Event) -> None:
        cursor.execute("INSERT INTO seen VALUES (?, ?, ?)", (position, event.stream, version))


def event_id(number: int) -> str:
    """A UUIDv7 of its own for each number."""
    return str(UUID(int=(0x019A0000_0000_7000_8000 << 48) | number))


def record(number: int, error_code: str | None = None, filler: str = "") -> dict[str, object]:
    """The record of an Encrypt as CloudTrail shapes it."""
    made: dict[str, object] = {
        "eventVersion": "1.11",
        "userIdentity": IDENTITY,
        "eventTime": "2026-11-21T20:48:00Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "Encrypt",
        "awsRegion": REGION,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": f"Boto3/1.44.0{filler}",
    }
    if error_code is not None:
        made["errorCode"] = error_code
    return made | {
        "requestParameters": {
            "keyId": "alias/payments",
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "encryptionContext": {"_type_": "datetime_iso", "_data_": "2026-11-21"},
        },
        "responseElements": None,
        "additionalEventData": {
            "keyMaterialId": MATERIAL_ID,
            "keytrail": {"t": "2026-11-21T20:48:00.123456Z", "node": "one", "dialect": "aws"},
        },
        "requestID": "6f1c1b1e-0000-4000-8000-000000000000",
        "eventID": event_id(number),
        "readOnly": True,
        "resources": [RESOURCE],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def alias_created(name: str, version: int = 1) -> VersionedEvent:
    """The creation of an alias, as `version` of its stream."""
    event = AliasCreated(
        at=AT,
        account=ACCOUNT,
        region=REGION,
        name=f"alias/{name}",
        effective_at=LATER,
        key_id=KEY_ID,
    )
    return VersionedEvent(version=version, event=event)


def plain(number: int) -> Submission:
    """A submission of a record alone."""
    return Submission(record=record(number))


def with_alias(number: int, name: str, version: int = 1) -> Submission:
    """A submission of a record and the alias that it created."""
    return Submission(record=record(number), events=(alias_created(name, version),))


def sealed(owner_id: str = KEY_ID, blob: bytes = b"sealed") -> SealedMaterial:
    """A row of sealed material."""
    return SealedMaterial(
        account=ACCOUNT,
        owner_id=owner_id,
        material_id=MATERIAL_ID,
        seq=1,
        spec="SYMMETRIC_DEFAULT",
        origin="AWS_KMS",
        epoch=1,
        blob=blob,
    )


def insert(store: LedgerStore, *submissions: Submission) -> int:
    """Store submissions in one transaction, as the writer does."""
    rows = [row for submission in submissions for row in submission.encoded()]
    return store.insert(rows, submissions)


class News:
    """What the loop was told, in order."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.submissions: list[Submission] = []

    def __call__(self, position: int, submissions: Sequence[Submission]) -> None:
        self.positions.append(position)
        self.submissions += submissions


@asynccontextmanager
async def running(
    store: LedgerStore, news: News, *, queue_limit: int = 1000, deadline_s: float = 60
) -> AsyncIterator[Writer]:
    """A writer at work."""
    writer = Writer(
        store,
        loop=asyncio.get_running_loop(),
        queue_limit=queue_limit,
        deadline_s=deadline_s,
        on_news=news,
    )
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()
