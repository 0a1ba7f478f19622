"""What the record of each operation tells: parameters by allow-list, elements, resources.

Source: KMS Developer Guide, "Logging AWS KMS API calls with CloudTrail", and its examples.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT
from tests.spec.support import Recorded, Told, alias_arn, key_arn, members

CONTEXT = {"tenant": "42", "purpose": "invoices"}
SYMMETRIC = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
TAG = {"TagKey": "owner", "TagValue": "team"}
RECORDED_TAG = {"tagKey": "owner", "tagValue": "team"}


def material_of(kms: KMSClient, key_id: str) -> str:
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"]


def is_long_date(text: str, date: datetime) -> bool:
    """Whether it is that second, as Java writes it: `Dec 7, 2022, 10:37:45 PM`."""
    read = datetime.strptime(text, "%b %d, %Y, %I:%M:%S %p").replace(tzinfo=UTC)
    written = f"{read:%b} {read.day}, {read.year}, {read.hour % 12 or 12}:{read:%M:%S %p}"
    return text == written and abs(date - read) <= timedelta(seconds=1)


# --- keys ----------------------------------------------------------------------------------------


def test_create_key_is_recorded_with_its_defaults(kms: KMSClient, recorded: Recorded) -> None:
    answer = kms.create_key()
    metadata: dict[str, Any] = dict(answer["KeyMetadata"])
    found = recorded.told(answer)
    assert found.parameters == {
        "description": "",
        "keyUsage": "ENCRYPT_DECRYPT",
        "keySpec": "SYMMETRIC_DEFAULT",
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "origin": "AWS_KMS",
        "multiRegion": False,
        "bypassPolicyLockoutSafetyCheck": False,
        "tags": [],
    }
    assert (found.name, found.read_only) == ("CreateKey", False)
    assert found.resources == (metadata["Arn"],)
    elements = (found.elements or {})["keyMetadata"]
    assert is_long_date(elements.pop("creationDate"), metadata.pop("CreationDate"))
    assert elements == {name[0].lower() + name[1:]: value for name, value in metadata.items()}
    assert elements["aWSAccountId"] == ACCOUNT


def test_create_key_is_recorded_as_it_was_asked_for(kms: KMSClient, recorded: Recorded) -> None:
    policy = (
        '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", '
        '"Resource": "*"}}'
    )
    answer = kms.create_key(
        Description="payments",
        Policy=policy,
        Tags=[TAG],  # type: ignore[list-item]
        BypassPolicyLockoutSafetyCheck=True,
    )
    parameters = recorded.told(answer).parameters or {}
    assert parameters["policy"] == policy
    assert parameters["description"] == "payments"
    assert parameters["tags"] == [RECORDED_TAG]
    assert parameters["bypassPolicyLockoutSafetyCheck"] is True


def test_the_record_of_a_new_key_has_no_material(kms: KMSClient, recorded: Recorded) -> None:
    answer = kms.create_key()
    text = str(recorded(answer))
    assert text.count(answer["KeyMetadata"]["CurrentKeyMaterialId"]) == 1
    assert not any(len(word) > 100 for word in text.split())


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "EnableKey": ({}, {}),
    "DisableKey": ({}, {}),
    "UpdateKeyDescription": ({"Description": "new"}, {"description": "new"}),
    "TagResource": ({"Tags": [TAG]}, {"tags": [RECORDED_TAG]}),
    "UntagResource": ({"TagKeys": ["a", "b"]}, {"tagKeys": ["a", "b"]}),
}


@pytest.mark.parametrize("operation", CHANGES)
def test_a_change_of_a_key_is_recorded_as_sent_and_answered_with_the_arn(
    kms: KMSClient, recorded: Recorded, key_id: str, operation: str
) -> None:
    given, parameters = CHANGES[operation]
    names = {api: python for python, api in kms.meta.method_to_api_mapping.items()}
    for name in (key_id, key_arn(key_id)):
        answer = getattr(kms, names[operation])(KeyId=name, **given)
        assert recorded.told(answer) == Told(
            operation,
            {"keyId": name, **parameters},
            {"keyId": key_arn(key_id)},
            resources=(key_arn(key_id),),
            read_only=False,
        )


def test_scheduling_a_deletion_is_recorded_with_its_date(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    answer = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    found = recorded.told(answer)
    elements = dict(found.elements or {})
    assert is_long_date(elements.pop("deletionDate"), answer["DeletionDate"])
    assert elements == {
        "keyId": key_arn(key_id),
        "keyState": "PendingDeletion",
        "pendingWindowInDays": 7,
    }
    assert found.parameters == {"keyId": key_id, "pendingWindowInDays": 7}
    assert (found.name, found.read_only) == ("ScheduleKeyDeletion", False)
    assert found.resources == (key_arn(key_id),)


def test_saving_a_key_is_recorded(kms: KMSClient, recorded: Recorded, key_id: str) -> None:
    kms.schedule_key_deletion(KeyId=key_id)
    assert recorded.told(kms.cancel_key_deletion(KeyId=key_id)) == Told(
        "CancelKeyDeletion",
        {"keyId": key_id},
        {"keyId": key_arn(key_id)},
        resources=(key_arn(key_id),),
        read_only=False,
    )


def test_describe_key_is_recorded_with_the_name_as_sent(
    kms: KMSClient, recorded: Recorded, key_id: str, named: str
) -> None:
    for name in (key_id, key_arn(key_id), named, alias_arn(named)):
        assert recorded.told(kms.describe_key(KeyId=name)) == Told(
            "DescribeKey", {"keyId": name}, resources=(key_arn(key_id),)
        )


# --- listings ------------------------------------------------------------------------------------


def test_listings_are_recorded_with_their_parameters_and_no_resources(
    kms: KMSClient, recorded: Recorded, key_id: str, new_key: Callable[[], str]
) -> None:
    new_key()
    first = kms.list_keys(Limit=1)
    assert recorded.told(first) == Told("ListKeys", {"limit": 1})
    owners: dict[str, Any] = {"ResourceOwners": ["SELF"]}  # newer than the type stubs
    second = kms.list_keys(Limit=1, Marker=first["NextMarker"], **owners)
    assert recorded.told(second).parameters == {
        "limit": 1,
        "marker": first["NextMarker"],
        "resourceOwners": ["SELF"],
    }
    assert recorded.told(kms.list_keys()) == Told("ListKeys", None)
    assert recorded.told(kms.list_aliases(Limit=9)) == Told("ListAliases", {"limit": 9})
    by_key = recorded.told(kms.list_aliases(KeyId=key_id))
    assert by_key == Told("ListAliases", {"keyId": key_id})


def test_list_resource_tags_is_recorded_with_its_key(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    assert recorded.told(kms.list_resource_tags(KeyId=key_id, Limit=5)) == Told(
        "ListResourceTags", {"keyId": key_id, "limit": 5}, resources=(key_arn(key_id),)
    )


# --- aliases -------------------------------------------------------------------------------------


def keytrail(record: dict[str, Any]) -> dict[str, Any]:
    """Our own part of a record."""
    found: dict[str, Any] = record["additionalEventData"]["keytrail"]
    return found


@pytest.mark.parametrize("form", ["id", "arn"])
def test_create_alias_is_recorded_with_the_key_and_then_the_alias(
    kms: KMSClient, recorded: Recorded, key_id: str, alias: str, form: str
) -> None:
    target = key_id if form == "id" else key_arn(key_id)
    answer = kms.create_alias(AliasName=alias, TargetKeyId=target)
    assert recorded.told(answer) == Told(
        "CreateAlias",
        {"aliasName": alias, "targetKeyId": target},
        {"keyId": key_arn(key_id)},
        resources=(key_arn(key_id), alias_arn(alias)),
        read_only=False,
    )
    assert keytrail(recorded(answer))["alias"] == alias


def test_update_alias_is_recorded_with_the_alias_then_the_new_key_and_the_old_target(
    kms: KMSClient, recorded: Recorded, key_id: str, named: str, new_key: Callable[[], str]
) -> None:
    target = new_key()
    answer = kms.update_alias(AliasName=named, TargetKeyId=target)
    assert recorded.told(answer) == Told(
        "UpdateAlias",
        {"aliasName": named, "targetKeyId": target},
        {"keyId": key_arn(target)},
        resources=(alias_arn(named), key_arn(target)),
        read_only=False,
    )
    assert keytrail(recorded(answer))["previousTargetKeyId"] == key_id


def test_delete_alias_is_recorded_with_the_alias_then_the_key(
    kms: KMSClient, recorded: Recorded, key_id: str, named: str
) -> None:
    answer = kms.delete_alias(AliasName=named)
    assert recorded.told(answer) == Told(
        "DeleteAlias",
        {"aliasName": named},
        {"keyId": key_arn(key_id)},
        resources=(alias_arn(named), key_arn(key_id)),
        read_only=False,
    )


# --- cryptography --------------------------------------------------------------------------------


def test_encrypt_by_alias_is_recorded_with_the_alias_as_sent_and_the_key_it_meant(
    kms: KMSClient, recorded: Recorded, key_id: str, named: str
) -> None:
    for name in (named, alias_arn(named)):
        answer = kms.encrypt(KeyId=name, Plaintext=b"x", EncryptionContext=CONTEXT)
        assert recorded.told(answer) == Told(
            "Encrypt",
            {"keyId": name, **SYMMETRIC, "encryptionContext": CONTEXT},
            additional={"keyMaterialId": material_of(kms, key_id)},
            resources=(key_arn(key_id),),
        )
        assert keytrail(recorded(answer))["alias"] == named


def test_decrypt_is_recorded_with_its_algorithm_and_with_the_key_only_if_given(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    for name in ({}, {"KeyId": key_id}):
        answer = kms.decrypt(CiphertextBlob=blob, **name)  # type: ignore[arg-type]
        given = {"keyId": key_id} if name else {}
        assert recorded.told(answer) == Told(
            "Decrypt",
            {**SYMMETRIC, **given},
            additional={"keyMaterialId": material_of(kms, key_id)},
            resources=(key_arn(key_id),),
        )


def test_re_encrypt_is_recorded_with_the_source_and_then_the_destination(
    kms: KMSClient, recorded: Recorded, key_id: str, named: str, new_key: Callable[[], str]
) -> None:
    source = new_key()
    blob = kms.encrypt(KeyId=source, Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    answer = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceKeyId=source,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=named,
        DestinationEncryptionContext={"new": "1"},
    )
    assert recorded.told(answer) == Told(
        "ReEncrypt",
        {
            "sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "destinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "sourceEncryptionContext": CONTEXT,
            "destinationEncryptionContext": {"new": "1"},
            "destinationKeyId": named,
            "sourceKeyId": source,
        },
        additional={
            "sourceKeyMaterialId": material_of(kms, source),
            "destinationKeyMaterialId": material_of(kms, key_id),
        },
        resources=(key_arn(source), key_arn(key_id)),
    )


@pytest.mark.parametrize("operation", ["generate_data_key", "generate_data_key_without_plaintext"])
@pytest.mark.parametrize(
    ("given", "parameters"),
    [({"KeySpec": "AES_128"}, {"keySpec": "AES_128"}),
     ({"NumberOfBytes": 77}, {"numberOfBytes": 77})],
)  # fmt: skip
def test_a_data_key_is_recorded_with_its_spec_or_size(
    kms: KMSClient, recorded: Recorded, named: str, operation: str,
    given: dict[str, Any], parameters: dict[str, Any],
) -> None:  # fmt: skip
    answer = getattr(kms, operation)(KeyId=named, EncryptionContext=CONTEXT, **given)
    assert recorded.told(answer) == Told(
        "".join(word.capitalize() for word in operation.split("_")),
        {"keyId": named, **parameters, "encryptionContext": CONTEXT},
        additional={"keyMaterialId": members(answer)["KeyMaterialId"]},
        resources=(answer["KeyId"],),
    )
