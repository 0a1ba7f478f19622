"""The four forms in which a key is named, and what names nothing.

Source: KMS API Reference, KeyId; KMS Developer Guide, "Key identifiers (KeyId)".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT, REGION
from tests.spec.conftest import OTHER_ACCOUNT, TwoAccounts
from tests.spec.support import MISSING_KEY, Refusal, alias_arn, invalid, key_arn, refusal

Call = Callable[[KMSClient, str], Any]
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
UNSEEN = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)

ANY_FORM: dict[str, Call] = {
    "DescribeKey": lambda kms, name: kms.describe_key(KeyId=name),
    "Encrypt": lambda kms, name: kms.encrypt(KeyId=name, Plaintext=b"x"),
    "Decrypt": lambda kms, name: kms.decrypt(KeyId=name, CiphertextBlob=b"x" * 100),
    "ReEncrypt": lambda kms, name: kms.re_encrypt(
        SourceKeyId=name, DestinationKeyId=name, CiphertextBlob=b"x" * 100
    ),
    "GenerateDataKey": lambda kms, name: kms.generate_data_key(KeyId=name, KeySpec="AES_256"),
    "GenerateDataKeyWithoutPlaintext": lambda kms, name: kms.generate_data_key_without_plaintext(
        KeyId=name, KeySpec="AES_256"
    ),
}
KEYS_ONLY: dict[str, Call] = {
    "UpdateKeyDescription": lambda kms, name: kms.update_key_description(
        KeyId=name, Description="x"
    ),
    "EnableKey": lambda kms, name: kms.enable_key(KeyId=name),
    "DisableKey": lambda kms, name: kms.disable_key(KeyId=name),
    "ScheduleKeyDeletion": lambda kms, name: kms.schedule_key_deletion(KeyId=name),
    "CancelKeyDeletion": lambda kms, name: kms.cancel_key_deletion(KeyId=name),
    "TagResource": lambda kms, name: kms.tag_resource(
        KeyId=name, Tags=[{"TagKey": "a", "TagValue": "b"}]
    ),
    "UntagResource": lambda kms, name: kms.untag_resource(KeyId=name, TagKeys=["a"]),
    "ListResourceTags": lambda kms, name: kms.list_resource_tags(KeyId=name),
    "ListAliases": lambda kms, name: kms.list_aliases(KeyId=name),
}
TARGETS: dict[str, Call] = {
    "CreateAlias": lambda kms, name: kms.create_alias(AliasName="alias/new", TargetKeyId=name),
}
EVERY = ANY_FORM | KEYS_ONLY | TARGETS


def refused(call: Call, kms: KMSClient, name: str) -> Refusal:
    return refusal(lambda: call(kms, name))


class Names(NamedTuple):
    """One key in its four forms."""

    key_id: str
    arn: str
    alias: str
    alias_arn: str


@pytest.fixture
def names(key_id: str, named: str) -> Names:
    return Names(key_id, key_arn(key_id), named, alias_arn(named))


@pytest.mark.parametrize("form", Names._fields)
def test_a_key_is_described_by_each_of_its_four_names(
    kms: KMSClient, names: Names, form: str
) -> None:
    metadata = kms.describe_key(KeyId=getattr(names, form))["KeyMetadata"]
    assert (metadata["KeyId"], metadata["Arn"]) == (names.key_id, names.arn)


@pytest.mark.parametrize("form", Names._fields)
def test_a_key_is_used_by_each_of_its_four_names_and_answers_with_its_arn(
    kms: KMSClient, names: Names, form: str
) -> None:
    name = getattr(names, form)
    encrypted = kms.encrypt(KeyId=name, Plaintext=b"x")
    blob = encrypted["CiphertextBlob"]
    assert encrypted["KeyId"] == names.arn
    assert kms.decrypt(CiphertextBlob=blob, KeyId=name)["KeyId"] == names.arn
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceKeyId=name, DestinationKeyId=name)
    assert (moved["SourceKeyId"], moved["KeyId"]) == (names.arn, names.arn)
    assert kms.generate_data_key(KeyId=name, NumberOfBytes=8)["KeyId"] == names.arn
    sealed = kms.generate_data_key_without_plaintext(KeyId=name, NumberOfBytes=8)
    assert sealed["KeyId"] == names.arn


@pytest.mark.parametrize("operation", KEYS_ONLY)
@pytest.mark.parametrize("form", ["key_id", "arn"])
def test_a_management_operation_takes_id_and_arn(
    kms: KMSClient, names: Names, operation: str, form: str
) -> None:
    if operation == "CancelKeyDeletion":
        kms.schedule_key_deletion(KeyId=names.key_id)
    answer = KEYS_ONLY[operation](kms, getattr(names, form))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    if "KeyId" in answer:
        assert answer["KeyId"] == names.arn


@pytest.mark.parametrize("operation", KEYS_ONLY)
def test_a_management_operation_takes_no_alias(
    kms: KMSClient, names: Names, operation: str
) -> None:
    for name in (names.alias, names.alias_arn):
        expected = ("NotFoundException", f"Invalid keyId '{name}'")
        assert refused(KEYS_ONLY[operation], kms, name) == expected


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("name", [MISSING_KEY, key_arn(MISSING_KEY)])
def test_a_key_that_does_not_exist_is_named_by_its_arn(
    kms: KMSClient, operation: str, name: str
) -> None:
    expected = ("NotFoundException", f"Key '{key_arn(MISSING_KEY)}' does not exist")
    assert refused(EVERY[operation], kms, name) == expected


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize(
    "name", ["xyz", "mrk-123", MISSING_KEY + "0", MISSING_KEY.replace("1", "g"), "Alias/x", " "]
)
def test_what_is_no_key_id_is_an_invalid_one(kms: KMSClient, operation: str, name: str) -> None:
    expected = ("NotFoundException", f"Invalid keyId '{name}'")
    assert refused(EVERY[operation], kms, name) == expected


def test_the_id_of_a_multi_region_key_is_well_formed(kms: KMSClient) -> None:
    missing = "mrk-" + MISSING_KEY.replace("-", "")
    expected = ("NotFoundException", f"Key '{key_arn(missing)}' does not exist")
    assert refusal(kms.describe_key, KeyId=missing) == expected


@pytest.mark.parametrize("operation", EVERY)
def test_an_arn_of_another_region_is_invalid(kms: KMSClient, operation: str) -> None:
    expected = ("NotFoundException", f"Invalid arn {REGION}")
    assert refused(EVERY[operation], kms, key_arn(MISSING_KEY, region="us-east-1")) == expected


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize(
    "name",
    [
        "arn:",
        "arn:aws:kms",
        "arn:aws:iam::111122223333:root",
        f"arn:aws:s3:{REGION}:111122223333:key/{MISSING_KEY}",
        f"arn:aws:kms:{REGION}:111122223333:grant/{MISSING_KEY}",
        f"arn:aws:kms:{REGION}:111122223333:{MISSING_KEY}",
    ],
)
def test_an_arn_that_is_no_key_or_alias_is_an_invalid_arn(
    kms: KMSClient, operation: str, name: str
) -> None:
    assert refused(EVERY[operation], kms, name).code == "InvalidArnException"


@pytest.mark.parametrize("operation", ANY_FORM)
def test_an_unknown_alias_is_named_by_its_arn(kms: KMSClient, alias: str, operation: str) -> None:
    expected = ("NotFoundException", f"Alias {alias_arn(alias)} is not found.")
    assert refused(ANY_FORM[operation], kms, alias) == expected
    assert refused(ANY_FORM[operation], kms, alias_arn(alias)) == expected


@pytest.mark.parametrize("operation", ANY_FORM)
def test_there_are_no_aliases_managed_by_aws(kms: KMSClient, operation: str) -> None:
    expected = ("NotFoundException", f"Alias {alias_arn('alias/aws/s3')} is not found.")
    assert refused(ANY_FORM[operation], kms, "alias/aws/s3") == expected


@pytest.mark.parametrize("name", ["xyz", MISSING_KEY, "alias/missing", "arn:aws:iam::1:root"])
def test_the_destination_of_a_re_encryption_is_named_as_any_key(
    kms: KMSClient, key_id: str, name: str
) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    found = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=name)
    assert found == refusal(kms.describe_key, KeyId=name)


@pytest.mark.parametrize("operation", ["DescribeKey", "EnableKey"])
def test_a_key_id_has_1_to_2048_characters(unchecked: KMSClient, operation: str) -> None:
    call = EVERY[operation]
    assert refused(call, unchecked, "").message == (
        "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    assert refused(call, unchecked, "k" * 2049).message.endswith(
        "at 'keyId' failed to satisfy constraint: "
        "Member must have length less than or equal to 2048"
    )


def test_a_key_id_that_is_left_out_must_not_be_null(unchecked: KMSClient) -> None:
    assert refusal(unchecked.describe_key) == invalid(
        "Value null at 'keyId' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize("operation", ANY_FORM | KEYS_ONLY)
def test_a_key_of_another_account_is_denied_whether_it_exists_or_not(
    two_accounts: TwoAccounts, operation: str
) -> None:
    server = two_accounts.server
    foreign = server.kms(key=two_accounts.other).create_key()["KeyMetadata"]["Arn"]
    missing = key_arn(MISSING_KEY, account=OTHER_ACCOUNT)
    answers = [refused(EVERY[operation], server.kms(), arn) for arn in (foreign, missing)]
    texts = [
        answer.message.replace(arn, "ARN")
        for answer, arn in zip(answers, (foreign, missing), strict=True)
    ]
    assert texts[0] == texts[1]
    assert answers[0].code == answers[1].code


@pytest.mark.parametrize("operation", ["DescribeKey", "Encrypt", "EnableKey", "TagResource"])
def test_the_denial_does_not_tell_whether_a_foreign_key_exists(
    two_accounts: TwoAccounts, operation: str
) -> None:
    missing = key_arn(MISSING_KEY, account=OTHER_ACCOUNT)
    assert refused(EVERY[operation], two_accounts.server.kms(), missing) == (
        "AccessDeniedException",
        f"User: {ROOT} is not authorized to perform: kms:{operation} on resource: {missing} "
        + UNSEEN,
    )


def test_an_alias_of_another_account_is_denied_whether_it_exists_or_not(
    two_accounts: TwoAccounts,
) -> None:
    server = two_accounts.server
    theirs = server.kms(key=two_accounts.other)
    key_id = theirs.create_key()["KeyMetadata"]["KeyId"]
    theirs.create_alias(AliasName="alias/theirs", TargetKeyId=key_id)
    for name in ("alias/theirs", "alias/missing"):
        arn = alias_arn(name, account=OTHER_ACCOUNT)
        found = refusal(server.kms().encrypt, KeyId=arn, Plaintext=b"x")
        assert found.code == "AccessDeniedException"
        assert arn in found.message


@pytest.mark.parametrize("exists", [True, False])
def test_an_alias_cannot_point_to_a_key_of_another_account(
    two_accounts: TwoAccounts, exists: bool, alias: str
) -> None:
    server = two_accounts.server
    arn = key_arn(MISSING_KEY, account=OTHER_ACCOUNT)
    if exists:
        arn = server.kms(key=two_accounts.other).create_key()["KeyMetadata"]["Arn"]
    found = refusal(server.kms().create_alias, AliasName=alias, TargetKeyId=arn)
    assert found == ("NotFoundException", f"Key '{arn}' does not exist")
