"""Encrypt and Decrypt.

Source: KMS API Reference, Encrypt, Decrypt; KMS Developer Guide, "Encryption context".
"""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec import raw
from tests.spec.support import MISSING_KEY, Ledger, alias_arn, invalid, key_arn, members, refusal

INCORRECT_KEY = (
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
)
HIDDEN = (
    "AccessDeniedException",
    (
        "The ciphertext refers to a customer master key that does not exist, does not exist in "
        "this region, or you are not allowed to access."
    ),
)
INVALID_CIPHERTEXT = ("InvalidCiphertextException", "")
CONTEXT = {"tenant": "42", "Purpose": "invoices", "": "empty name", "ünicode": "välue"}
LARGEST = 4096
KEY_ID_BYTES = range(4, 20)


def encrypt(kms: KMSClient, key_id: str, context: dict[str, str] | None = None) -> bytes:
    return kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext=context or {})[
        "CiphertextBlob"
    ]


def test_encrypt_answers_with_its_members(kms: KMSClient, key_id: str) -> None:
    answer = members(kms.encrypt(KeyId=key_id, Plaintext=b"secret"))
    blob = answer.pop("CiphertextBlob")
    assert answer == {"KeyId": key_arn(key_id), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    assert b"secret" not in blob


def test_decrypt_answers_with_its_members(kms: KMSClient, key_id: str) -> None:
    material_id = kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert members(kms.decrypt(CiphertextBlob=encrypt(kms, key_id))) == {
        "KeyId": key_arn(key_id),
        "Plaintext": b"secret",
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "KeyMaterialId": material_id,
    }


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000, LARGEST])
def test_1_to_4096_bytes_come_back_as_they_were(kms: KMSClient, key_id: str, size: int) -> None:
    plaintext = bytes(number % 256 for number in range(size))
    blob = kms.encrypt(KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"]
    assert len(blob) <= 6144
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext


@pytest.mark.parametrize(
    ("plaintext", "bound"),
    [(b"x" * (LARGEST + 1), "less than or equal to 4096"), (b"", "greater than or equal to 1")],
)
def test_more_or_fewer_bytes_are_refused_without_showing_them(
    kms: KMSClient, key_id: str, plaintext: bytes, bound: str
) -> None:
    assert refusal(kms.encrypt, KeyId=key_id, Plaintext=plaintext) == invalid(
        f"Value at 'plaintext' failed to satisfy constraint: Member must have length {bound}"
    )


def test_no_two_ciphertexts_are_alike(kms: KMSClient, key_id: str) -> None:
    assert len({encrypt(kms, key_id) for _ in range(20)}) == 20


# --- the encryption context ----------------------------------------------------------------------


def test_the_order_of_the_context_means_nothing(kms: KMSClient, key_id: str) -> None:
    blob = encrypt(kms, key_id, CONTEXT)
    turned = dict(reversed(CONTEXT.items()))
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=turned)["Plaintext"] == b"secret"


def test_an_empty_context_is_no_context(kms: KMSClient, key_id: str) -> None:
    blob = encrypt(kms, key_id, {})
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"tenant": "42"},
        {**CONTEXT, "more": "1"},
        {**CONTEXT, "tenant": "43"},
        {**CONTEXT, "tenant": "42 "},
        {**CONTEXT, "Purpose": "Invoices"},
        {"TENANT" if name == "tenant" else name: value for name, value in CONTEXT.items()},
        {**CONTEXT, "ünicode": "va\u0308lue"},  # looks the same, is not normalised
        {"tenant": "invoices", "Purpose": "42", "": "empty name", "ünicode": "välue"},
    ],
)
def test_the_context_must_match_exactly(kms: KMSClient, key_id: str, wrong: dict[str, str]) -> None:
    blob = encrypt(kms, key_id, CONTEXT)
    found = refusal(kms.decrypt, CiphertextBlob=blob, EncryptionContext=wrong)
    assert found == INVALID_CIPHERTEXT


def test_a_context_cannot_be_added_afterwards(kms: KMSClient, key_id: str) -> None:
    found = refusal(kms.decrypt, CiphertextBlob=encrypt(kms, key_id), EncryptionContext={"a": "b"})
    assert found == INVALID_CIPHERTEXT


@pytest.mark.parametrize(
    "context",
    [
        '{"a": "1", "a": "2"}',
        '{"a": "1", "a": "1"}',
        '{"a": "1", "\\u0061": "2"}',
        '{"b": "\\"", "a": "1", "a": "2"}',
    ],
)
def test_a_name_given_twice_in_the_context_is_refused(
    server: RunningServer, key_id: str, context: str
) -> None:
    body = f'{{"KeyId": "{key_id}", "Plaintext": "AA==", "EncryptionContext": {context}}}'
    answer = raw.call(server, "Encrypt", body.encode())
    assert (answer.status, answer.document["__type"]) == (400, "SerializationException")


# --- Decrypt and the key -------------------------------------------------------------------------


def test_the_named_key_must_be_the_one_that_encrypted(
    kms: KMSClient, key_id: str, new_key: Callable[[], str], alias: str
) -> None:
    blob, other = encrypt(kms, key_id), new_key()
    kms.create_alias(AliasName=alias, TargetKeyId=other)
    for name in (other, key_arn(other), alias, alias_arn(alias)):
        assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=name) == INCORRECT_KEY


def test_an_alias_that_was_moved_no_longer_decrypts(
    kms: KMSClient, named: str, new_key: Callable[[], str]
) -> None:
    blob = encrypt(kms, named)
    kms.update_alias(AliasName=named, TargetKeyId=new_key())
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=named) == INCORRECT_KEY
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=alias_arn(named)) == INCORRECT_KEY
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"


def test_a_ciphertext_outlives_the_alias_that_it_was_made_with(
    kms: KMSClient, key_id: str, named: str
) -> None:
    blob = encrypt(kms, named)
    kms.delete_alias(AliasName=named)
    assert kms.decrypt(CiphertextBlob=blob)["KeyId"] == key_arn(key_id)


def test_a_ciphertext_of_an_unknown_key_does_not_tell_which(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    blob = bytearray(encrypt(kms, key_id))
    blob[KEY_ID_BYTES[0] : KEY_ID_BYTES[-1] + 1] = bytes.fromhex(MISSING_KEY.replace("-", ""))
    before = ledger.head
    assert refusal(kms.decrypt, CiphertextBlob=bytes(blob)) == HIDDEN
    assert ledger.one_record_after(before)["errorCode"] == "AccessDenied"


def test_a_ciphertext_of_another_region_is_hidden(
    server: RunningServer, kms: KMSClient, key_id: str
) -> None:
    elsewhere = server.kms(region="us-west-2")
    assert refusal(elsewhere.decrypt, CiphertextBlob=encrypt(kms, key_id)) == HIDDEN


# --- tampering -----------------------------------------------------------------------------------


def test_every_flipped_byte_is_noticed(kms: KMSClient, key_id: str) -> None:
    blob = encrypt(kms, key_id, CONTEXT)
    for place in range(len(blob)):
        flipped = bytearray(blob)
        flipped[place] ^= 1 << place % 8
        found = refusal(kms.decrypt, CiphertextBlob=bytes(flipped), EncryptionContext=CONTEXT)
        # The header names the key: with another id it names one that does not exist.
        assert found == (HIDDEN if place in KEY_ID_BYTES else INVALID_CIPHERTEXT), place


@pytest.mark.parametrize("with_key", [False, True])
def test_every_truncation_is_noticed(kms: KMSClient, key_id: str, with_key: bool) -> None:
    blob = encrypt(kms, key_id)
    name: dict[str, Any] = {"KeyId": key_id} if with_key else {}
    for end in range(1, len(blob)):
        found = refusal(kms.decrypt, CiphertextBlob=blob[:end], **name)
        assert found == INVALID_CIPHERTEXT, end
        found = refusal(kms.decrypt, CiphertextBlob=blob[end:], **name)
        assert found == INVALID_CIPHERTEXT, end


@pytest.mark.parametrize("foreign", [b"x", b"KT\x01\x01", b"KT\x01\x01" + bytes(200), b"\0" * 6144])
def test_bytes_that_are_no_ciphertext_are_invalid(kms: KMSClient, foreign: bytes) -> None:
    assert refusal(kms.decrypt, CiphertextBlob=foreign) in (INVALID_CIPHERTEXT, HIDDEN)


def test_parts_of_two_ciphertexts_make_none(kms: KMSClient, key_id: str) -> None:
    one, two = encrypt(kms, key_id), encrypt(kms, key_id)
    for place in (44, 52, 84, len(one) - 16):
        found = refusal(kms.decrypt, CiphertextBlob=one[:place] + two[place:])
        assert found == INVALID_CIPHERTEXT, place


def test_appended_bytes_are_noticed(kms: KMSClient, key_id: str) -> None:
    for more in (b"\0", b"x" * 100):
        found = refusal(kms.decrypt, CiphertextBlob=encrypt(kms, key_id) + more)
        assert found == INVALID_CIPHERTEXT


def test_a_ciphertext_has_1_to_6144_bytes(unchecked: KMSClient) -> None:
    for blob, bound in ((b"", "greater than or equal to 1"),
                        (bytes(6145), "less than or equal to 6144")):  # fmt: skip
        found = refusal(unchecked.decrypt, CiphertextBlob=blob)
        assert found.code == "ValidationException"
        assert found.message.endswith(f"constraint: Member must have length {bound}")


def test_an_invalid_ciphertext_is_answered_without_a_message_member(server: RunningServer) -> None:
    body = {"CiphertextBlob": base64.b64encode(b"none").decode()}
    answer = raw.call(server, "Decrypt", body)
    assert answer.error == (400, {"__type": "InvalidCiphertextException"})


def test_the_record_of_a_tampered_ciphertext_has_no_message(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    blob, before = encrypt(kms, key_id), ledger.head
    refusal(kms.decrypt, CiphertextBlob=blob[:-1] + b"x", EncryptionContext={"a": "b"})
    record = ledger.one_record_after(before)
    assert record["errorCode"] == "InvalidCiphertextException"
    assert "errorMessage" not in record
    assert record["requestParameters"]["encryptionContext"] == {"a": "b"}
    assert [resource["ARN"] for resource in record["resources"]] == [key_arn(key_id)]


# --- the algorithm -------------------------------------------------------------------------------


def test_the_algorithm_may_be_named(kms: KMSClient, key_id: str) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionAlgorithm="SYMMETRIC_DEFAULT")[
        "CiphertextBlob"
    ]
    answer = kms.decrypt(CiphertextBlob=blob, EncryptionAlgorithm="SYMMETRIC_DEFAULT")
    assert answer["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])
def test_an_algorithm_of_other_keys_does_not_fit(
    kms: KMSClient, key_id: str, algorithm: str
) -> None:
    text = f"Algorithm {algorithm} is incompatible with key spec SYMMETRIC_DEFAULT."
    expected = ("InvalidKeyUsageException", text)
    blob = encrypt(kms, key_id)
    members = {"KeyId": key_id, "EncryptionAlgorithm": algorithm}
    assert refusal(kms.encrypt, Plaintext=b"x", **members) == expected
    assert refusal(kms.decrypt, CiphertextBlob=blob, **members) == expected


def test_an_unknown_algorithm_breaks_the_enumeration(kms: KMSClient, key_id: str) -> None:
    found = refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x", EncryptionAlgorithm="ROT13")
    assert found == invalid(
        "Value 'ROT13' at 'encryptionAlgorithm' failed to satisfy constraint: Member must satisfy "
        "enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]"
    )


def test_decrypt_needs_a_ciphertext(kms: KMSClient, unchecked: KMSClient, key_id: str) -> None:
    assert refusal(unchecked.decrypt).code == "ValidationException"
    assert refusal(unchecked.decrypt, KeyId=key_id).code == "ValidationException"
