"""The key policy that CreateKey takes, and what it then decides.

Source: KMS API Reference, CreateKey, Policy; KMS Developer Guide, "Default key policy".
"""

import json
from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT, REGION
from tests.spec.support import Ledger, key_arn, refusal, refused

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ALL: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"AWS": ROOT},
    "Action": "kms:*",
    "Resource": "*",
}
NO_ENCRYPT = {**ALL, "Effect": "Deny", "Action": "kms:Encrypt", "Sid": "no encryption"}
LARGEST = 32_768
NOT_AUTHORIZED = f"User: {ROOT} is not authorized to perform: kms:Encrypt on resource: {{}} "


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def key_with(kms: KMSClient, *statements: dict[str, Any], bypass: bool = False) -> str:
    return kms.create_key(Policy=policy(*statements), BypassPolicyLockoutSafetyCheck=bypass)[
        "KeyMetadata"
    ]["KeyId"]


def test_the_default_policy_lets_the_account_do_everything(kms: KMSClient, ledger: Ledger) -> None:
    answer = kms.create_key()
    key_id = answer["KeyMetadata"]["KeyId"]
    authz = ledger.record(kms.encrypt(KeyId=key_id, Plaintext=b"x"))["additionalEventData"][
        "keytrail"
    ]["authz"]
    assert (authz["decision"], authz["by"]) == ("Allow", "key-policy")
    assert authz["matched"] == ["Enable IAM User Permissions"]


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        '"text"',
        '{"Statement": []}',
        '{"Statement": ["x"]}',
        policy({**ALL, "Effect": "Maybe"}),
        policy({name: value for name, value in ALL.items() if name != "Principal"}),
        policy({**ALL, "Principal": "everyone"}),
        "[" * 5000,
    ],
)
def test_what_is_no_policy_is_refused(kms: KMSClient, text: str) -> None:
    assert refusal(kms.create_key, Policy=text).code == "MalformedPolicyDocumentException"


def test_a_policy_has_at_most_32768_bytes(kms: KMSClient) -> None:
    text = policy(ALL)
    kms.create_key(Policy=text + " " * (LARGEST - len(text)))
    found = refusal(kms.create_key, Policy=text + " " * (LARGEST - len(text) + 1))
    assert found.code == "LimitExceededException"


def test_a_character_outside_latin_1_breaks_the_constraint(kms: KMSClient) -> None:
    found = refusal(kms.create_key, Policy=policy(ALL)[:-1] + "\u0100}")
    assert found.code == "ValidationException"
    assert found.message.endswith(
        r"failed to satisfy constraint: Member must satisfy regular expression pattern: "
        r"[\u0009\u000A\u000D\u0020-\u00FF]+"
    )


def test_a_policy_that_locks_its_owner_out_needs_a_word_of_its_own(kms: KMSClient) -> None:
    only_reads = {**ALL, "Action": ["kms:DescribeKey", "kms:List*"]}
    found = refusal(kms.create_key, Policy=policy(only_reads))
    assert found.code == "MalformedPolicyDocumentException"
    key_id = key_with(kms, only_reads, bypass=True)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyId"] == key_id


def test_what_no_statement_allows_is_denied(kms: KMSClient) -> None:
    key_id = key_with(kms, {**ALL, "Action": ["kms:DescribeKey"]}, bypass=True)
    assert refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x") == (
        "AccessDeniedException",
        NOT_AUTHORIZED.format(key_arn(key_id))
        + "because no resource-based policy allows the kms:Encrypt action",
    )


def test_an_explicit_deny_wins_over_an_allow(kms: KMSClient, alias: str) -> None:
    key_id = key_with(kms, ALL, NO_ENCRYPT)
    kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    expected = (
        "AccessDeniedException",
        NOT_AUTHORIZED.format(key_arn(key_id)) + "with an explicit deny in a resource-based policy",
    )
    assert refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x") == expected
    assert refusal(kms.encrypt, KeyId=alias, Plaintext=b"x") == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"Action": "kms:En?rypt"},
        {"Resource": f"arn:aws:kms:*:{ACCOUNT}:key/*"},
        {"Resource": "arn:aws:kms:*"},
        {"Action": "kms:*crypt", "Resource": f"arn:aws:kms:{REGION}:*:key/????????-*"},
    ],
)
def test_a_denial_by_a_pattern_binds(kms: KMSClient, changed: dict[str, str]) -> None:
    key_id = key_with(kms, ALL, {**NO_ENCRYPT, **changed})
    assert refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x").code == "AccessDeniedException"
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyId"] == key_id


@pytest.mark.parametrize("resource", ["arn:aws:kms:*", "key/*", f"arn:aws:kms:*:{ACCOUNT}:key/*"])
def test_a_denial_by_a_pattern_can_lock_out(kms: KMSClient, resource: str) -> None:
    text = policy(ALL, {**NO_ENCRYPT, "Action": "kms:PutKeyPolic?", "Resource": resource})
    assert refusal(kms.create_key, Policy=text).code == "MalformedPolicyDocumentException"


def test_a_denial_comes_before_the_state_of_the_key(kms: KMSClient) -> None:
    key_id = key_with(kms, ALL, NO_ENCRYPT)
    kms.disable_key(KeyId=key_id)
    assert refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x").code == "AccessDeniedException"


def test_re_encryption_needs_permission_on_both_sides(kms: KMSClient, key_id: str) -> None:
    no_source = key_with(kms, ALL, {**NO_ENCRYPT, "Action": "kms:ReEncryptFrom"})
    no_destination = key_with(kms, ALL, {**NO_ENCRYPT, "Action": "kms:ReEncryptTo"})
    blob = kms.encrypt(KeyId=no_source, Plaintext=b"x")["CiphertextBlob"]
    found = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=key_id)
    assert "kms:ReEncryptFrom on resource: " + key_arn(no_source) in found.message
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    found = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=no_destination)
    assert "kms:ReEncryptTo on resource: " + key_arn(no_destination) in found.message


def test_an_alias_operation_needs_permission_on_the_key(kms: KMSClient, alias: str) -> None:
    no_aliases = {**NO_ENCRYPT, "Action": ["kms:CreateAlias", "kms:DeleteAlias"]}
    key_id = key_with(kms, ALL, no_aliases)
    found = refusal(kms.create_alias, AliasName=alias, TargetKeyId=key_id)
    assert found.code == "AccessDeniedException"
    assert f"kms:CreateAlias on resource: {key_arn(key_id)}" in found.message


def test_a_denial_is_recorded_with_its_parameters_and_resources(
    kms: KMSClient, ledger: Ledger
) -> None:
    key_id = key_with(kms, ALL, NO_ENCRYPT)
    answer = refused(kms.encrypt, KeyId=key_id, Plaintext=b"x", EncryptionContext={"a": "b"})
    record = ledger.record(answer)
    assert record["errorCode"] == "AccessDenied"
    assert record["errorMessage"] == answer["Error"]["Message"]
    assert record["requestParameters"]["encryptionContext"] == {"a": "b"}
    assert [resource["ARN"] for resource in record["resources"]] == [key_arn(key_id)]
    authz = record["additionalEventData"]["keytrail"]["authz"]
    assert (authz["decision"], authz["by"]) == ("Deny", "key-policy")
    assert authz["matched"] == ["no encryption"]
