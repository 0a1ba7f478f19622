"""ScheduleKeyDeletion, CancelKeyDeletion, and what is left of a key when its time has come.

Source: KMS API Reference, ScheduleKeyDeletion; KMS Developer Guide, "Deleting KMS keys".
"""

import time
from datetime import UTC, datetime, timedelta

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec.support import (
    Json,
    Ledger,
    alias_arn,
    invalid,
    key_arn,
    members,
    refusal,
    told,
)

PATIENCE_S = 20.0
HIDDEN = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this "
    "region, or you are not allowed to access."
)


@pytest.mark.parametrize("form", ["id", "arn"])
@pytest.mark.parametrize("days", [7, 30])
def test_scheduling_answers_the_arn_and_the_date(
    kms: KMSClient, key_id: str, form: str, days: int
) -> None:
    name = key_id if form == "id" else key_arn(key_id)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    answer = members(kms.schedule_key_deletion(KeyId=name, PendingWindowInDays=days))
    window = timedelta(days=days)
    assert before + window <= answer.pop("DeletionDate") <= datetime.now(UTC) + window
    assert answer == {
        "KeyId": key_arn(key_id),
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }


def test_the_waiting_period_is_30_days_if_none_is_given(kms: KMSClient, key_id: str) -> None:
    answer = kms.schedule_key_deletion(KeyId=key_id)
    assert answer["PendingWindowInDays"] == 30
    assert answer["DeletionDate"] - datetime.now(UTC) > timedelta(days=29)


def test_a_pending_key_shows_its_deletion_date_until_it_is_saved(
    kms: KMSClient, key_id: str
) -> None:
    date = kms.schedule_key_deletion(KeyId=key_id)["DeletionDate"]
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (metadata["DeletionDate"], metadata["Enabled"]) == (date, False)
    assert "PendingDeletionWindowInDays" not in metadata
    assert members(kms.cancel_key_deletion(KeyId=key_id)) == {"KeyId": key_arn(key_id)}
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert ("DeletionDate" in metadata, metadata["KeyState"]) == (False, "Disabled")


@pytest.mark.parametrize(
    ("days", "bound"),
    [
        (6, "greater than or equal to 7"),
        (0, "greater than or equal to 7"),
        (31, "less than or equal to 30"),
        (365, "less than or equal to 30"),
    ],
)
def test_a_waiting_period_lasts_7_to_30_days(
    unchecked: KMSClient, key_id: str, days: int, bound: str
) -> None:
    found = refusal(unchecked.schedule_key_deletion, KeyId=key_id, PendingWindowInDays=days)
    assert found == invalid(
        f"Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: "
        f"Member must have value {bound}"
    )


def test_a_pending_key_stays_listed_and_keeps_its_aliases(
    kms: KMSClient, key_id: str, named: str
) -> None:
    kms.schedule_key_deletion(KeyId=key_id)
    assert [entry["AliasName"] for entry in kms.list_aliases(KeyId=key_id)["Aliases"]] == [named]
    taken = refusal(kms.create_alias, AliasName=named, TargetKeyId=key_id)
    assert taken.code in {"AlreadyExistsException", "KMSInvalidStateException"}
    listed = [
        key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]
    ]
    assert key_id in listed


def wait_for_deletion(ledger: Ledger, after: int) -> Json:
    """The record of the next DeleteKey after a position."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for record in ledger.records_after(after):
            if record["eventName"] == "DeleteKey":
                return record
    raise AssertionError("the key was not deleted")


def delete(server: RunningServer, key_id: str) -> Json:
    """Let the waiting period of a key pass; the record of its deletion."""
    ledger = Ledger(server)
    before = ledger.head
    server.kms().schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    server.clock.move(timedelta(days=7))
    try:
        return wait_for_deletion(ledger, before)
    finally:
        # Clients sign with the time of the machine.
        server.clock.move(-timedelta(days=7))
        ledger.close()


def test_at_the_end_the_key_and_all_its_aliases_are_gone(own_server: RunningServer) -> None:
    kms = own_server.kms()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/first", TargetKeyId=key_id)
    kms.create_alias(AliasName="alias/second", TargetKeyId=key_id)
    blob = kms.encrypt(KeyId="alias/first", Plaintext=b"x")["CiphertextBlob"]
    delete(own_server, key_id)
    gone = ("NotFoundException", f"Key '{key_arn(key_id)}' does not exist")
    assert refusal(kms.describe_key, KeyId=key_id) == gone
    assert refusal(kms.list_aliases, KeyId=key_id) == gone
    assert kms.list_keys()["Keys"] == []
    assert kms.list_aliases()["Aliases"] == []
    assert refusal(kms.decrypt, CiphertextBlob=blob) == ("AccessDeniedException", HIDDEN)
    unknown = ("NotFoundException", f"Alias {alias_arn('alias/first')} is not found.")
    assert refusal(kms.encrypt, KeyId="alias/first", Plaintext=b"x") == unknown


def test_the_names_of_a_deleted_key_are_free_again(own_server: RunningServer) -> None:
    kms = own_server.kms()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/first", TargetKeyId=key_id)
    delete(own_server, key_id)
    successor = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/first", TargetKeyId=successor)
    assert kms.describe_key(KeyId="alias/first")["KeyMetadata"]["KeyId"] == successor


def test_a_deletion_is_recorded_as_a_service_event(own_server: RunningServer) -> None:
    key_id = own_server.kms().create_key()["KeyMetadata"]["KeyId"]
    record = delete(own_server, key_id)
    found = told(record)
    assert (found.name, found.parameters, found.read_only) == ("DeleteKey", None, False)
    assert found.resources == (key_arn(key_id),)
    assert record["userIdentity"] == {"accountId": "111122223333", "invokedBy": "AWS Internal"}
    assert record["eventType"] == "AwsServiceEvent"
    assert record["sourceIPAddress"] == "AWS Internal"
