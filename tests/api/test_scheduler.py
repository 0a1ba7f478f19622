"""What the server does by itself when time passes: deletion, and destruction of the material."""

import asyncio
import json
import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import botocore.auth
import pytest
from mypy_boto3_kms import KMSClient

from api.provision import KEYRING_FILE, LEDGER_FILE
from api.service_acts import delete_due_keys
from domain.errors import KeyUnavailable
from domain.key import Key
from domain.names import KeyName
from tests.faults.process import eventually, files_of, records_of, rows_of, verified
from tests.server import ACCOUNT, REGION, RunningServer, new_server, running, settings_for

T = TypeVar("T")

WINDOW = timedelta(days=7)
# After its first round the server does nothing by itself.
UNHURRIED = {"scheduler_interval_s": 60.0, "destruction_sweep_interval_s": 604_800.0}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    verified(path)


@pytest.fixture
def still(data: Path) -> Iterator[RunningServer]:
    """A server whose scheduler runs when the test says so."""
    with new_server(data, **UNHURRIED) as server:
        yield server


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> "ClientClock":
    """The clock by which boto3 signs."""
    clock = ClientClock()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", clock)
    return clock


class ClientClock:
    """Real time, moved as the server's is."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self, *, remove_tzinfo: bool = True) -> datetime:
        now = datetime.now(UTC) + self.offset
        return now.replace(tzinfo=None) if remove_tzinfo else now

    def move(self, server: RunningServer, by: timedelta) -> None:
        """Let time pass for the server and its clients."""
        server.clock.move(by)
        self.offset += by


def on_loop(server: RunningServer, coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, server.loop).result(30)


def delete_due(server: RunningServer) -> int:
    """Delete what is due now: how many keys."""
    keytrail = server.keytrail
    return on_loop(server, delete_due_keys(keytrail.gate, keytrail.catalogue, server.clock()))


def sweep(server: RunningServer) -> int:
    """Destroy what is deleted, as soon as no reader is in the way: how many keys."""
    done: int | None = None
    while done is None:
        done = on_loop(server, server.keytrail.scheduler.sweep())
    return done


def key_of(server: RunningServer, key_id: str) -> Key:
    async def read() -> Key | None:
        name = KeyName(account=ACCOUNT, region=REGION, key_id=key_id)
        return server.keytrail.catalogue.key(name)

    key = on_loop(server, read())
    assert key is not None
    return key


def material_of(data: Path, key_id: str) -> list[bytes]:
    """The sealed blobs of a key."""
    with closing(sqlite3.connect(data / LEDGER_FILE)) as connection:
        query = "SELECT blob FROM key_material WHERE owner_id = ?"
        return [blob for (blob,) in connection.execute(query, (key_id,))]


def epochs_of(data: Path) -> dict[int, str]:
    """The epochs of the keyring file and their sealed keys."""
    epochs = json.loads((data / KEYRING_FILE).read_bytes())["epochs"]
    return {one["epoch"]: one["kek"] for one in epochs}


def named(data: Path, name: str) -> list[dict[str, Any]]:
    return [record for record in records_of(data) if record["eventName"] == name]


def due_key(kms: KMSClient, *aliases: str) -> str:
    """A key with a week to live."""
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    for alias in aliases:
        kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    return key_id


# --- deletion ------------------------------------------------------------------------------------


def test_at_the_end_of_the_waiting_period_the_server_deletes_the_key_itself(
    own_server: RunningServer, moved: ClientClock
) -> None:
    kms = own_server.kms()
    key_id = due_key(kms, "alias/first", "alias/second")
    moved.move(own_server, WINDOW)
    eventually(lambda: key_of(own_server, key_id).state in ("Deleted", "Destroyed"))
    assert kms.list_aliases()["Aliases"] == []
    assert kms.list_keys()["Keys"] == []
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=key_id)


def test_the_deletion_is_one_service_event_with_its_aliases(
    still: RunningServer, data: Path, moved: ClientClock
) -> None:
    key_id = due_key(still.kms(), "alias/first", "alias/second")
    moved.move(still, WINDOW)
    delete_due(still)
    (record,) = named(data, "DeleteKey")
    assert record["eventType"] == "AwsServiceEvent"
    assert record["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "AWS Internal"}
    names = [one["ARN"].rpartition("/")[2] for one in record["resources"]]
    assert names == [key_id, "first", "second"]
    freed = record["additionalEventData"]["keytrail"]["deletedAliases"]
    assert freed == ["alias/first", "alias/second"]
    rows = [row.topic for row in rows_of(data)]
    start = rows.index("keytrail.KeyDeleted.v1") - 2
    assert rows[start : start + 2] == ["keytrail.AliasDeleted.v1"] * 2


def test_the_deletion_is_found_by_the_key_and_by_each_alias(
    still: RunningServer, moved: ClientClock
) -> None:
    names = [f"alias/{number}" for number in range(5)]
    key_id = due_key(still.kms(), *names)
    moved.move(still, WINDOW)
    delete_due(still)
    deleted: Any = {"AttributeKey": "EventName", "AttributeValue": "DeleteKey"}
    for name in (key_id, *names):
        named: Any = {"AttributeKey": "ResourceName", "AttributeValue": name}
        found = still.cloudtrail().lookup_events(LookupAttributes=[deleted, named])["Events"]
        assert [event["EventName"] for event in found] == ["DeleteKey"]


def test_a_key_is_not_deleted_before_its_time(still: RunningServer, moved: ClientClock) -> None:
    key_id = due_key(still.kms())
    deletion_date = key_of(still, key_id).deletion_date
    assert deletion_date is not None

    async def due(at: datetime) -> list[str]:
        return [key.key_id for key in still.keytrail.catalogue.keys_due(at, 10)]

    assert on_loop(still, due(deletion_date - timedelta(seconds=1))) == []
    assert on_loop(still, due(deletion_date)) == [key_id]
    moved.move(still, WINDOW - timedelta(minutes=1))
    delete_due(still)
    assert key_of(still, key_id).state == "PendingDeletion"
    moved.move(still, timedelta(minutes=1))
    delete_due(still)
    assert key_of(still, key_id).state == "Deleted"


def test_a_cancelled_deletion_saves_the_key(still: RunningServer, moved: ClientClock) -> None:
    kms = still.kms()
    key_id = due_key(kms, "alias/saved")
    moved.move(still, WINDOW - timedelta(minutes=1))
    kms.cancel_key_deletion(KeyId=key_id)
    moved.move(still, timedelta(days=365))
    delete_due(still)
    assert kms.describe_key(KeyId="alias/saved")["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key_id)
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"still here")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"still here"


def test_a_name_that_a_deletion_freed_can_be_given_again(
    still: RunningServer, moved: ClientClock
) -> None:
    kms = still.kms()
    due_key(kms, "alias/freed")
    moved.move(still, WINDOW)
    delete_due(still)
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/freed", TargetKeyId=key_id)
    assert kms.describe_key(KeyId="alias/freed")["KeyMetadata"]["KeyId"] == key_id


def test_many_keys_that_are_due_at_once_are_all_deleted(
    still: RunningServer, moved: ClientClock
) -> None:
    kms = still.kms()
    key_ids = {due_key(kms) for _ in range(120)}
    kept = kms.create_key()["KeyMetadata"]["KeyId"]
    moved.move(still, WINDOW)
    assert [delete_due(still), delete_due(still), delete_due(still)] == [100, 20, 0]
    assert [key["KeyId"] for key in kms.list_keys()["Keys"]] == [kept]
    assert {key_of(still, key_id).state for key_id in key_ids} == {"Deleted"}


def test_a_key_that_came_due_while_the_server_was_down_is_deleted_after_its_start(
    data: Path, moved: ClientClock
) -> None:
    with new_server(data) as server:
        key_id = due_key(server.kms(), "alias/due")
    with running(server.settings, server.key) as restarted:
        moved.move(restarted, WINDOW)
        eventually(lambda: key_of(restarted, key_id).state in ("Deleted", "Destroyed"))
        assert restarted.kms().list_aliases()["Aliases"] == []


# --- destruction ---------------------------------------------------------------------------------


def test_a_deleted_key_takes_its_material_along(
    still: RunningServer, data: Path, moved: ClientClock
) -> None:
    key_id = due_key(still.kms())
    assert len(material_of(data, key_id)) == 1
    moved.move(still, WINDOW)
    delete_due(still)
    assert material_of(data, key_id) == []


def test_a_sweep_leaves_nothing_of_the_material_in_any_file(
    still: RunningServer, data: Path, moved: ClientClock
) -> None:
    key_id = due_key(still.kms())
    (blob,) = material_of(data, key_id)
    assert any(blob in content for content in files_of(data).values())
    old_epochs = epochs_of(data)
    moved.move(still, WINDOW)
    delete_due(still)
    assert sweep(still) == 1
    assert epochs_of(data).keys().isdisjoint(old_epochs)
    for content in files_of(data).values():
        assert blob not in content
        assert all(kek.encode() not in content for kek in old_epochs.values())


def test_a_sweep_is_certified_by_an_event_and_a_record(
    still: RunningServer, data: Path, moved: ClientClock
) -> None:
    key_id = due_key(still.kms())
    (old_epoch,) = epochs_of(data)
    material_id = key_of(still, key_id).material_id
    moved.move(still, WINDOW)
    delete_due(still)
    sweep(still)
    (record,) = named(data, "DestroyKeyMaterial")
    details = record["serviceEventDetails"]
    assert details["keyId"].endswith(key_id)
    assert details["keyMaterialIds"] == [material_id]
    assert details["retiredEpoch"] == old_epoch
    event = json.loads(rows_of(data)[-2].state)
    assert event["topic"] == "keytrail.KeyMaterialDestroyed.v1"
    assert key_of(still, key_id).state == "Destroyed"
    assert sweep(still) == 0


def test_one_sweep_certifies_every_deleted_key(
    still: RunningServer, data: Path, moved: ClientClock
) -> None:
    kms = still.kms()
    key_ids = {due_key(kms) for _ in range(110)}
    moved.move(still, WINDOW)
    while delete_due(still):
        pass
    assert sweep(still) == 110
    details = [record["serviceEventDetails"] for record in named(data, "DestroyKeyMaterial")]
    assert {one["keyId"].rpartition("/")[2] for one in details} == key_ids
    assert len(details) == 110
    assert {one["retiredEpoch"] for one in details} == {1}
    assert len(epochs_of(data)) == 1


def test_a_sweep_leaves_other_keys_and_secrets_as_they_were(data: Path, moved: ClientClock) -> None:
    with new_server(data, **UNHURRIED) as server:
        kms = server.kms()
        kept = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=kept, Plaintext=b"kept")["CiphertextBlob"]
        due_key(kms)
        moved.move(server, WINDOW)
        delete_due(server)
        sweep(server)
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    moved.offset = timedelta()
    with running(server.settings, server.key) as restarted:
        assert restarted.kms().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_an_older_copy_of_the_database_does_not_bring_a_key_back(
    still: RunningServer, data: Path, moved: ClientClock
) -> None:
    key_id = due_key(still.kms())
    with closing(sqlite3.connect(data / LEDGER_FILE)) as connection:
        query = "SELECT epoch FROM key_material WHERE owner_id = ?"
        (epoch,) = connection.execute(query, (key_id,)).fetchone()
    moved.move(still, WINDOW)
    delete_due(still)
    sweep(still)
    with pytest.raises(KeyUnavailable):
        still.keytrail.keyring.kek(epoch)
    assert epoch not in epochs_of(data)


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupted_sweep_is_taken_up_again_after_a_restart(
    data: Path, moved: ClientClock, *, begun: bool
) -> None:
    with new_server(data, **UNHURRIED) as server:
        key_id = due_key(server.kms())
        old_epochs = epochs_of(data)
        moved.move(server, WINDOW)
        delete_due(server)
        if begun:
            # As if the process had ended between this step and the next one.
            server.keytrail.keyring.begin_epoch()
    with running(settings_for(data), server.key) as restarted:
        eventually(lambda: key_of(restarted, key_id).state == "Destroyed")
    assert epochs_of(data).keys().isdisjoint(old_epochs)
    assert len(named(data, "DestroyKeyMaterial")) == 1


def test_the_server_sweeps_by_itself(data: Path, moved: ClientClock) -> None:
    with new_server(data, destruction_sweep_interval_s=0.05) as server:
        key_id = due_key(server.kms())
        moved.move(server, WINDOW)
        eventually(lambda: key_of(server, key_id).state == "Destroyed")
    assert material_of(data, key_id) == []
    assert len(named(data, "DestroyKeyMaterial")) == 1


def test_calls_go_on_while_epochs_change(data: Path, moved: ClientClock) -> None:
    with new_server(data, destruction_sweep_interval_s=0.01, scheduler_interval_s=0.01) as server:
        kms = server.kms()
        kept = kms.create_key()["KeyMetadata"]["KeyId"]
        blobs = []
        for _ in range(10):
            due_key(kms)
            moved.move(server, WINDOW)
            blobs += [
                kms.encrypt(KeyId=kept, Plaintext=b"kept")["CiphertextBlob"] for _ in range(5)
            ]
        assert {kms.decrypt(CiphertextBlob=blob)["Plaintext"] for blob in blobs} == {b"kept"}
        eventually(lambda: len(named(data, "DestroyKeyMaterial")) == 10)
