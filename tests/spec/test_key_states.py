"""Which operation works in which state of a key, and what the others answer.

Source: KMS Developer Guide, "Key states of KMS keys".
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from mypy_boto3_kms import KMSClient

from tests.spec.support import Ledger, key_arn, members, refusal

DISABLED = ("DisabledException", "{arn} is disabled.")
PENDING = ("KMSInvalidStateException", "{arn} is pending deletion.")
NOT_PENDING = ("KMSInvalidStateException", "{arn} is not pending deletion.")
Error = tuple[str, str]

# The refusal in each state in which the operation is refused.
ALWAYS: Mapping[str, Error] = {}
ONLY_ENABLED = {"Disabled": DISABLED, "PendingDeletion": PENDING}
NOT_WHILE_PENDING = {"PendingDeletion": PENDING}
ONLY_WHILE_PENDING = {"Enabled": NOT_PENDING, "Disabled": NOT_PENDING}


class Subject(NamedTuple):
    """A key in the state under test, and what an operation may need beside it."""

    kms: KMSClient
    key_id: str
    blob: bytes  # encrypted under the key while it was enabled
    other_key: str  # enabled
    other_blob: bytes
    alias: str  # of the key
    other_alias: str  # of the other key


class Case(NamedTuple):
    """An operation, and the states that refuse it."""

    refused: Mapping[str, Error]
    call: Callable[[Subject], Any]


CASES: dict[str, Case] = {
    "Encrypt": Case(ONLY_ENABLED, lambda s: s.kms.encrypt(KeyId=s.key_id, Plaintext=b"x")),
    "Decrypt": Case(ONLY_ENABLED, lambda s: s.kms.decrypt(CiphertextBlob=s.blob)),
    "Decrypt with the key": Case(
        ONLY_ENABLED, lambda s: s.kms.decrypt(CiphertextBlob=s.blob, KeyId=s.key_id)
    ),
    "ReEncrypt from it": Case(
        ONLY_ENABLED,
        lambda s: s.kms.re_encrypt(CiphertextBlob=s.blob, DestinationKeyId=s.other_key),
    ),
    "ReEncrypt to it": Case(
        ONLY_ENABLED,
        lambda s: s.kms.re_encrypt(CiphertextBlob=s.other_blob, DestinationKeyId=s.key_id),
    ),
    "GenerateDataKey": Case(
        ONLY_ENABLED, lambda s: s.kms.generate_data_key(KeyId=s.key_id, KeySpec="AES_256")
    ),
    "GenerateDataKeyWithoutPlaintext": Case(
        ONLY_ENABLED,
        lambda s: s.kms.generate_data_key_without_plaintext(KeyId=s.key_id, KeySpec="AES_256"),
    ),
    "EnableKey": Case(NOT_WHILE_PENDING, lambda s: s.kms.enable_key(KeyId=s.key_id)),
    "DisableKey": Case(NOT_WHILE_PENDING, lambda s: s.kms.disable_key(KeyId=s.key_id)),
    "ScheduleKeyDeletion": Case(
        NOT_WHILE_PENDING, lambda s: s.kms.schedule_key_deletion(KeyId=s.key_id)
    ),
    "CancelKeyDeletion": Case(
        ONLY_WHILE_PENDING, lambda s: s.kms.cancel_key_deletion(KeyId=s.key_id)
    ),
    "CreateAlias": Case(
        NOT_WHILE_PENDING,
        lambda s: s.kms.create_alias(AliasName=s.alias + "-2", TargetKeyId=s.key_id),
    ),
    "UpdateAlias to it": Case(
        NOT_WHILE_PENDING,
        lambda s: s.kms.update_alias(AliasName=s.other_alias, TargetKeyId=s.key_id),
    ),
    "UpdateAlias to itself": Case(
        NOT_WHILE_PENDING, lambda s: s.kms.update_alias(AliasName=s.alias, TargetKeyId=s.key_id)
    ),
    "UpdateAlias away from it": Case(
        ALWAYS, lambda s: s.kms.update_alias(AliasName=s.alias, TargetKeyId=s.other_key)
    ),
    "DeleteAlias": Case(ALWAYS, lambda s: s.kms.delete_alias(AliasName=s.alias)),
    "ListAliases": Case(ALWAYS, lambda s: s.kms.list_aliases(KeyId=s.key_id)),
    "TagResource": Case(
        NOT_WHILE_PENDING,
        lambda s: s.kms.tag_resource(KeyId=s.key_id, Tags=[{"TagKey": "a", "TagValue": "b"}]),
    ),
    "UntagResource": Case(
        NOT_WHILE_PENDING, lambda s: s.kms.untag_resource(KeyId=s.key_id, TagKeys=["a"])
    ),
    "UpdateKeyDescription": Case(
        NOT_WHILE_PENDING,
        lambda s: s.kms.update_key_description(KeyId=s.key_id, Description="new"),
    ),
    "DescribeKey": Case(ALWAYS, lambda s: s.kms.describe_key(KeyId=s.key_id)),
    "DescribeKey by its alias": Case(ALWAYS, lambda s: s.kms.describe_key(KeyId=s.alias)),
    "ListResourceTags": Case(ALWAYS, lambda s: s.kms.list_resource_tags(KeyId=s.key_id)),
}
STATES = ["Enabled", "Disabled", "PendingDeletion"]


@pytest.fixture
def subject(kms: KMSClient, key_id: str, named: str, new_key: Callable[[], str]) -> Subject:
    other = new_key()
    kms.create_alias(AliasName=named + "-other", TargetKeyId=other)
    return Subject(
        kms=kms,
        key_id=key_id,
        blob=kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"],
        other_key=other,
        other_blob=kms.encrypt(KeyId=other, Plaintext=b"x")["CiphertextBlob"],
        alias=named,
        other_alias=named + "-other",
    )


def bring(kms: KMSClient, key_id: str, state: str) -> None:
    if state == "Disabled":
        kms.disable_key(KeyId=key_id)
    if state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", CASES)
def test_the_state_of_the_key_decides(
    subject: Subject, ledger: Ledger, operation: str, state: str
) -> None:
    bring(subject.kms, subject.key_id, state)
    expected = CASES[operation].refused.get(state)
    before = ledger.head
    if expected is None:
        answer = CASES[operation].call(subject)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        return
    code, text = expected
    found = refusal(lambda: CASES[operation].call(subject))
    assert found == (code, text.format(arn=key_arn(subject.key_id)))
    assert ledger.one_record_after(before)["errorCode"] == code


def test_a_pending_key_that_is_also_disabled_is_pending(kms: KMSClient, key_id: str) -> None:
    kms.disable_key(KeyId=key_id)
    kms.schedule_key_deletion(KeyId=key_id)
    expected = ("KMSInvalidStateException", f"{key_arn(key_id)} is pending deletion.")
    assert refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x") == expected


def test_the_source_of_a_re_encryption_is_judged_first(subject: Subject) -> None:
    subject.kms.disable_key(KeyId=subject.key_id)
    subject.kms.disable_key(KeyId=subject.other_key)
    found = refusal(
        subject.kms.re_encrypt, CiphertextBlob=subject.blob, DestinationKeyId=subject.other_key
    )
    assert found.message == f"{key_arn(subject.key_id)} is disabled."


def test_a_key_works_again_after_it_was_disabled(subject: Subject) -> None:
    kms, key_id = subject.kms, subject.key_id
    kms.disable_key(KeyId=key_id)
    assert refusal(kms.decrypt, CiphertextBlob=subject.blob).code == "DisabledException"
    kms.enable_key(KeyId=key_id)
    assert kms.decrypt(CiphertextBlob=subject.blob)["Plaintext"] == b"x"


def test_a_saved_key_is_disabled_and_then_as_it_was(subject: Subject) -> None:
    kms, key_id = subject.kms, subject.key_id
    before = members(kms.describe_key(KeyId=key_id))
    kms.schedule_key_deletion(KeyId=key_id)
    kms.cancel_key_deletion(KeyId=key_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key_id)
    assert members(kms.describe_key(KeyId=key_id)) == before
    assert kms.decrypt(CiphertextBlob=subject.blob)["Plaintext"] == b"x"
