"""CreateKey, DescribeKey, UpdateKeyDescription, EnableKey, DisableKey.

Source: KMS API Reference, those operations and KeyMetadata.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT, RunningServer
from tests.spec import raw
from tests.spec.support import Ledger, invalid, key_arn, members, refusal

KEY_SPECS = (
    "RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, "
    "SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, ML_DSA_65, "
    "ML_DSA_87, ECC_NIST_EDWARDS25519, ML_KEM_512, ML_KEM_768, ML_KEM_1024"
)
WRONG_USAGE = (
    "The operation failed because the KeyUsage value of the CMK is SIGN_VERIFY. To perform this "
    "operation, the KeyUsage value must be ENCRYPT_DECRYPT."
)
TWO_SPECS = (
    "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
    "CustomerMasterKeySpec is deprecated."
)


def test_a_new_key_has_the_documented_members_and_no_others(kms: KMSClient) -> None:
    answer = kms.create_key()
    assert set(members(answer)) == {"KeyMetadata"}
    metadata: dict[str, Any] = dict(answer["KeyMetadata"])
    created, key_id = metadata.pop("CreationDate"), metadata.pop("KeyId")
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=5)
    assert str(UUID(key_id)) == key_id
    assert len(bytes.fromhex(metadata.pop("CurrentKeyMaterialId"))) == 32
    assert metadata == {
        "AWSAccountId": ACCOUNT,
        "Arn": key_arn(key_id),
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "Description": "",
        "Enabled": True,
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": False,
        "Origin": "AWS_KMS",
    }


def test_describe_key_tells_what_create_key_told(kms: KMSClient) -> None:
    created = kms.create_key(Description="payments", Tags=[{"TagKey": "a", "TagValue": "b"}])
    described = kms.describe_key(KeyId=created["KeyMetadata"]["KeyId"])
    assert members(described) == members(created)


def test_every_default_of_create_key_may_be_given(kms: KMSClient) -> None:
    metadata = kms.create_key(
        Description="payments",
        KeyUsage="ENCRYPT_DECRYPT",
        KeySpec="SYMMETRIC_DEFAULT",
        Origin="AWS_KMS",
        MultiRegion=False,
        BypassPolicyLockoutSafetyCheck=False,
        Tags=[],
    )["KeyMetadata"]
    assert (metadata["Description"], metadata["KeySpec"]) == ("payments", "SYMMETRIC_DEFAULT")


def test_the_older_name_of_the_key_spec_is_understood(kms: KMSClient) -> None:
    metadata = kms.create_key(CustomerMasterKeySpec="SYMMETRIC_DEFAULT")["KeyMetadata"]
    assert metadata["KeySpec"] == metadata["CustomerMasterKeySpec"] == "SYMMETRIC_DEFAULT"


def test_timestamps_are_numbers_and_absent_members_are_left_out(
    server: RunningServer, key_id: str
) -> None:
    answer = raw.call(server, "DescribeKey", {"KeyId": key_id, "GrantTokens": None})
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    metadata = answer.document["KeyMetadata"]
    assert isinstance(metadata["CreationDate"], float)
    assert None not in metadata.values()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}, TWO_SPECS),
        ({"KeyUsage": "SIGN_VERIFY"}, WRONG_USAGE),
        ({"KeyUsage": "SIGN_VERIFY", "KeySpec": "SYMMETRIC_DEFAULT"}, WRONG_USAGE),
    ],
)
def test_members_of_create_key_must_go_together(
    kms: KMSClient, given: dict[str, str], expected: str
) -> None:
    assert refusal(kms.create_key, **given) == ("ValidationException", expected)


def test_an_unknown_key_spec_is_answered_with_all_that_are_known(kms: KMSClient) -> None:
    assert refusal(kms.create_key, KeySpec="AES_256") == invalid(
        f"Value 'AES_256' at 'keySpec' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{KEY_SPECS}]"
    )


def test_every_broken_constraint_is_named_in_one_answer(kms: KMSClient) -> None:
    assert refusal(kms.create_key, Origin="MOON", XksKeyId="a b") == invalid(
        "Value 'MOON' at 'origin' failed to satisfy constraint: Member must satisfy enum value "
        "set: [AWS_KMS, EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE]",
        "Value 'a b' at 'xksKeyId' failed to satisfy constraint: Member must satisfy regular "
        "expression pattern: ^[a-zA-Z0-9-_.]+$",
    )


def test_a_description_has_at_most_8192_characters(kms: KMSClient, key_id: str) -> None:
    longest = "é" * 8192
    kms.update_key_description(KeyId=key_id, Description=longest)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == longest
    too_long = invalid(
        f"Value '{longest}x' at 'description' failed to satisfy constraint: "
        "Member must have length less than or equal to 8192"
    )
    assert refusal(kms.create_key, Description=longest + "x") == too_long
    found = refusal(kms.update_key_description, KeyId=key_id, Description=longest + "x")
    assert found == too_long


def test_a_custom_key_store_that_does_not_exist_is_not_found(kms: KMSClient) -> None:
    found = refusal(kms.create_key, CustomKeyStoreId="cks-1234567890abcdef0")
    assert found.code == "CustomKeyStoreNotFoundException"


@pytest.mark.parametrize("form", ["id", "arn"])
def test_a_description_can_be_replaced_and_emptied(kms: KMSClient, key_id: str, form: str) -> None:
    name = key_id if form == "id" else key_arn(key_id)
    answer = kms.update_key_description(KeyId=name, Description="payments")
    assert members(answer) == {}
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == "payments"
    kms.update_key_description(KeyId=name, Description="")
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == ""


def test_disabling_and_enabling_change_the_state_and_answer_nothing(
    kms: KMSClient, key_id: str
) -> None:
    assert members(kms.disable_key(KeyId=key_id)) == {}
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (metadata["Enabled"], metadata["KeyState"]) == (False, "Disabled")
    assert members(kms.enable_key(KeyId=key_arn(key_id))) == {}
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (metadata["Enabled"], metadata["KeyState"]) == (True, "Enabled")


def test_a_state_that_the_key_has_already_is_no_change(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head
    kms.enable_key(KeyId=key_id)
    assert ledger.one_record_after(before)["eventName"] == "EnableKey"
    kms.disable_key(KeyId=key_id)
    before = ledger.head
    kms.disable_key(KeyId=key_id)
    assert ledger.one_record_after(before)["eventName"] == "DisableKey"


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("EnableKey", {}),
        ("DisableKey", {}),
        ("UpdateKeyDescription", {"Description": "x"}),
        ("TagResource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        ("UntagResource", {"TagKeys": ["a"]}),
    ],
)
def test_an_operation_without_output_has_an_empty_body(
    server: RunningServer, key_id: str, operation: str, body: dict[str, object]
) -> None:
    answer = raw.call(server, operation, {"KeyId": key_id, **body})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
def test_an_alias_operation_has_an_empty_body(
    server: RunningServer, kms: KMSClient, key_id: str, alias: str, operation: str
) -> None:
    if operation != "CreateAlias":
        kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    answer = raw.call(server, operation, {"AliasName": alias, "TargetKeyId": key_id})
    assert (answer.status, answer.body) == (200, b"")


def test_unknown_members_are_ignored(server: RunningServer, key_id: str) -> None:
    body = {"KeyId": key_id, "FromNextYear": {"Deep": [1, None]}}
    answer = raw.call(server, "DescribeKey", json.dumps(body).encode())
    assert answer.status == 200
