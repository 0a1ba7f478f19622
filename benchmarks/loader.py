"""A bulk loader: keys and aliases appended through the domain's own events, a record for each.

What it leaves is a ledger like any other: `keytrail verify` passes, and every key encrypts. Key
ids are made first and sorted, so that every index grows at its end; nothing else is unusual.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.identifiers import Identifiers
from api.provision import KEYRING_FILE, LEDGER_FILE, PROJECTIONS_FILE
from benchmarks.signing import Credentials
from domain import record as records
from domain.alias import create as create_alias
from domain.events import Event, KeyCreated
from domain.key import Key
from domain.key import create as create_key
from domain.names import AliasName, root_arn
from domain.policy.document import default_policy
from keystore.keyring import Keyring
from keystore.port import SealedMaterial
from keystore.root import read_root_file
from keystore.software import SoftwareKeyStore
from ledger.store import LedgerStore, Submission, VersionedEvent
from projections.catalogue import Catalogue
from projections.trail import TrailIndex

ROWS_OF_A_BATCH = 1000
ROWS_OF_A_KEY = 4  # KeyCreated, its record, AliasCreated, its record
KEY_SPEC = "SYMMETRIC_DEFAULT"
USER_AGENT = "keytrail-benchmark-loader"


def alias_name(number: int) -> str:
    """The alias of the key with this number, from 0."""
    return f"alias/loaded/{number:07}"


def count_rows(data: Path) -> int:
    """The rows of the ledger in a data directory."""
    with closing(sqlite3.connect(f"file:{data / LEDGER_FILE}?mode=ro", uri=True)) as connection:
        count: int = connection.execute("SELECT MAX(rowid) FROM stored_events").fetchone()[0]
        return count


def load(
    data: Path,
    credentials: Credentials,
    *,
    account: str,
    keys: int,
    on_progress: Callable[[int, int], None],
) -> None:
    """Append `keys` keys with an alias each to the ledger of a data directory just made."""
    store = LedgerStore.open(data / LEDGER_FILE, Catalogue())
    try:
        source = _Source(
            _key_store(data), credentials, account, default_policy(account), Identifiers(os.urandom)
        )
        key_ids = sorted(source.identifiers.request_id() for _ in range(keys))
        step = ROWS_OF_A_BATCH // ROWS_OF_A_KEY
        for start in range(0, keys, step):
            chunk = key_ids[start : start + step]
            submissions = [
                submission
                for number, key_id in enumerate(chunk, start=start)
                for submission in source.key_with_alias(number, key_id)
            ]
            rows = [row for submission in submissions for row in submission.encoded()]
            store.insert(rows, submissions)
            on_progress(start + len(chunk), keys)
        store.checkpoint()
    finally:
        store.close()
    _index(data)


def _index(data: Path) -> None:
    """Let the trail index catch up, so that a start finds a server at rest."""
    index = TrailIndex.open(data / PROJECTIONS_FILE, data / LEDGER_FILE)
    try:
        while index.step():
            pass
    finally:
        index.close()


def _key_store(data: Path) -> SoftwareKeyStore:
    keyring = Keyring.open(
        data / KEYRING_FILE,
        read_root_file(data / "root.key"),
        clock=_now,
        random=os.urandom,
    )
    # It only makes keys here: nothing is ever read back.
    return SoftwareKeyStore(
        keyring,
        _nothing,
        capacity=1,
        random=os.urandom,
        nonces=os.urandom,
        monotonic=time.monotonic,
    )


def _nothing(_account: str, _owner_id: str, _material_id: str) -> SealedMaterial | None:
    return None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Source:
    """Makes submissions as the gate makes them for CreateKey and CreateAlias."""

    key_store: SoftwareKeyStore
    credentials: Credentials
    account: str
    policy: str
    identifiers: Identifiers

    def key_with_alias(self, number: int, key_id: str) -> Iterator[Submission]:
        """The two submissions of one key."""
        at = _now()
        material = self.key_store.generate(account=self.account, key_id=key_id, spec=KEY_SPEC)
        made = self._key_created(number, key_id, material.material_id, at)
        key = create_key(made)
        yield self._submission("CreateKey", {"keySpec": KEY_SPEC}, key, made, (material,))
        name = AliasName(
            account=self.account, region=self.credentials.region, name=alias_name(number)
        )
        named = create_alias(name, None, key, 0, at)
        parameters = {"aliasName": name.name, "targetKeyId": key_id}
        yield self._submission("CreateAlias", parameters, key, named, ())

    def _key_created(self, number: int, key_id: str, material_id: str, at: datetime) -> KeyCreated:
        return KeyCreated(
            at=at,
            account=self.account,
            region=self.credentials.region,
            key_id=key_id,
            description=f"loaded key {number}",
            key_spec=KEY_SPEC,
            key_usage="ENCRYPT_DECRYPT",
            origin="AWS_KMS",
            multi_region=False,
            policy=self.policy,
            tags=(),
            material_id=material_id,
        )

    def _submission(
        self,
        name: str,
        parameters: records.Json,
        key: Key,
        event: Event,
        sealed: tuple[SealedMaterial, ...],
    ) -> Submission:
        subject = self._subject(name, event.at)
        result = records.Result(
            request_parameters=parameters,
            response_elements={"keyId": key.arn},
            resources=(records.key_resource(self.account, key.arn),),
        )
        keytrail = {"t": records.instant(event.at), "node": "loader", "dialect": "aws"}
        record = records.api_call(subject, result, event.at, keytrail)
        return Submission(
            record=record, events=(VersionedEvent(version=1, event=event),), sealed=sealed
        )

    def _subject(self, name: str, at: datetime) -> records.Subject:
        access_key_id = self.credentials.access_key_id
        return records.Subject(
            identity=records.root_identity(self.account, root_arn(self.account), access_key_id),
            account=self.account,
            region=self.credentials.region,
            source="kms.amazonaws.com",
            name=name,
            read_only=False,
            source_ip="127.0.0.1",
            user_agent=USER_AGENT,
            request_id=self.identifiers.request_id(),
            event_id=self.identifiers.event_id(at),
        )
