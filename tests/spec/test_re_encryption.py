"""ReEncrypt. Source: KMS API Reference, ReEncrypt."""

from collections.abc import Callable

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec.support import Ledger, alias_arn, key_arn, members, refusal

INCORRECT_KEY = (
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
)
INVALID_CIPHERTEXT = ("InvalidCiphertextException", "")
OLD = {"stage": "old"}
NEW = {"stage": "new"}


@pytest.fixture
def blob(kms: KMSClient, key_id: str) -> bytes:
    """A ciphertext under `key_id` in the context OLD."""
    answer = kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext=OLD)
    return answer["CiphertextBlob"]


@pytest.fixture
def other(new_key: Callable[[], str]) -> str:
    """Another key."""
    return new_key()


def material_of(kms: KMSClient, key_id: str) -> str:
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"]


def test_re_encrypt_answers_with_its_members(
    kms: KMSClient, blob: bytes, key_id: str, other: str
) -> None:
    answer = members(
        kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=OLD, DestinationKeyId=other)
    )
    moved = answer.pop("CiphertextBlob")
    assert answer == {
        "SourceKeyId": key_arn(key_id),
        "KeyId": key_arn(other),
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "SourceKeyMaterialId": material_of(kms, key_id),
        "DestinationKeyMaterialId": material_of(kms, other),
    }
    assert kms.decrypt(CiphertextBlob=moved, KeyId=other)["Plaintext"] == b"secret"


def test_the_context_changes_with_the_ciphertext(kms: KMSClient, blob: bytes, other: str) -> None:
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=OLD,
        DestinationKeyId=other,
        DestinationEncryptionContext=NEW,
    )["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=moved, EncryptionContext=NEW)["Plaintext"] == b"secret"
    found = refusal(kms.decrypt, CiphertextBlob=moved, EncryptionContext=OLD)
    assert found == INVALID_CIPHERTEXT


@pytest.mark.parametrize("context", [{}, NEW, {**OLD, "more": "1"}])
def test_the_source_context_must_match(
    kms: KMSClient, blob: bytes, other: str, context: dict[str, str]
) -> None:
    found = refusal(
        kms.re_encrypt,
        CiphertextBlob=blob,
        SourceEncryptionContext=context,
        DestinationKeyId=other,
    )
    assert found == INVALID_CIPHERTEXT


def test_source_and_destination_may_be_the_same_key(
    kms: KMSClient, blob: bytes, key_id: str
) -> None:
    answer = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=OLD,
        SourceKeyId=key_id,
        DestinationKeyId=key_arn(key_id),
    )
    assert answer["CiphertextBlob"] != blob
    assert kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["Plaintext"] == b"secret"


def test_the_named_source_must_be_the_key_that_encrypted(
    kms: KMSClient, blob: bytes, other: str, alias: str
) -> None:
    kms.create_alias(AliasName=alias, TargetKeyId=other)
    for name in (other, key_arn(other), alias, alias_arn(alias)):
        found = refusal(
            kms.re_encrypt,
            CiphertextBlob=blob,
            SourceEncryptionContext=OLD,
            SourceKeyId=name,
            DestinationKeyId=other,
        )
        assert found == INCORRECT_KEY


def test_a_tampered_source_is_invalid(kms: KMSClient, blob: bytes, other: str) -> None:
    for damaged in (blob[:-1], blob[:-1] + bytes([blob[-1] ^ 1]), b"none"):
        found = refusal(
            kms.re_encrypt,
            CiphertextBlob=damaged,
            SourceEncryptionContext=OLD,
            DestinationKeyId=other,
        )
        assert found == INVALID_CIPHERTEXT


@pytest.mark.parametrize("side", ["SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"])
def test_the_algorithm_must_fit_on_both_sides(
    kms: KMSClient, blob: bytes, other: str, side: str
) -> None:
    found = refusal(
        kms.re_encrypt,
        CiphertextBlob=blob,
        SourceEncryptionContext=OLD,
        DestinationKeyId=other,
        **{side: "RSAES_OAEP_SHA_256"},
    )
    assert found.code == "InvalidKeyUsageException"


def test_the_largest_plaintext_can_be_re_encrypted(kms: KMSClient, key_id: str) -> None:
    plaintext = bytes(4096)
    blob = kms.encrypt(KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=key_id)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=moved)["Plaintext"] == plaintext


def test_a_destination_and_a_ciphertext_must_be_given(
    unchecked: KMSClient, blob: bytes, other: str
) -> None:
    missing = refusal(unchecked.re_encrypt, CiphertextBlob=blob)
    assert missing.message.endswith(
        "Value null at 'destinationKeyId' failed to satisfy constraint: Member must not be null"
    )
    found = refusal(unchecked.re_encrypt, DestinationKeyId=other)
    assert found.code == "ValidationException"


def test_the_source_of_another_region_is_hidden(server: RunningServer, blob: bytes) -> None:
    elsewhere = server.kms(region="us-west-2")
    own = elsewhere.create_key()["KeyMetadata"]["KeyId"]
    found = refusal(
        elsewhere.re_encrypt,
        CiphertextBlob=blob,
        SourceEncryptionContext=OLD,
        DestinationKeyId=own,
    )
    assert found.code == "AccessDeniedException"
    assert found.message.startswith("The ciphertext refers to a customer master key that does not")


def test_the_key_that_encrypted_can_go_once_all_is_re_encrypted(
    kms: KMSClient, ledger: Ledger, blob: bytes, key_id: str, other: str
) -> None:
    answer = kms.re_encrypt(
        CiphertextBlob=blob, SourceEncryptionContext=OLD, DestinationKeyId=other
    )
    kms.schedule_key_deletion(KeyId=key_id)
    assert kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["Plaintext"] == b"secret"
    assert ledger.told(answer).resources == (key_arn(key_id), key_arn(other))
