"""GenerateDataKey and GenerateDataKeyWithoutPlaintext.

Source: KMS API Reference, those operations.
"""

from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec import raw
from tests.spec.support import MISSING_KEY, invalid, key_arn, members, refusal

CONTEXT = {"tenant": "42"}
EITHER = ("ValidationException", "Please specify either number of bytes or key spec.")
LENGTH = "Value '{}' at 'numberOfBytes' failed to satisfy constraint: Member must have value {}"
SPEC = (
    "Value 'AES_192' at 'keySpec' failed to satisfy constraint: "
    "Member must satisfy enum value set: [AES_256, AES_128]"
)
OPERATIONS = ["generate_data_key", "generate_data_key_without_plaintext"]


def material_of(kms: KMSClient, key_id: str) -> str:
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"]


def test_a_data_key_comes_with_its_members(kms: KMSClient, key_id: str) -> None:
    answer = members(kms.generate_data_key(KeyId=key_id, KeySpec="AES_256"))
    plaintext, blob = answer.pop("Plaintext"), answer.pop("CiphertextBlob")
    assert answer == {"KeyId": key_arn(key_id), "KeyMaterialId": material_of(kms, key_id)}
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext


def test_a_data_key_without_plaintext_comes_without_it(kms: KMSClient, key_id: str) -> None:
    answer = members(kms.generate_data_key_without_plaintext(KeyId=key_id, KeySpec="AES_128"))
    blob = answer.pop("CiphertextBlob")
    assert answer == {"KeyId": key_arn(key_id), "KeyMaterialId": material_of(kms, key_id)}
    assert len(kms.decrypt(CiphertextBlob=blob)["Plaintext"]) == 16


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"KeySpec": "AES_128"}, 16),
        ({"KeySpec": "AES_256"}, 32),
        *(({"NumberOfBytes": size}, size) for size in (1, 16, 31, 64, 1024)),
    ],
)
def test_a_data_key_has_the_length_that_was_asked_for(
    kms: KMSClient, key_id: str, operation: str, given: dict[str, Any], size: int
) -> None:
    answer = getattr(kms, operation)(KeyId=key_id, **given)
    opened = kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["Plaintext"]
    assert len(opened) == size
    assert answer.get("Plaintext", opened) == opened


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("given", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
def test_exactly_one_of_spec_and_number_is_given(
    kms: KMSClient, key_id: str, operation: str, given: dict[str, Any]
) -> None:
    assert refusal(getattr(kms, operation), KeyId=key_id, **given) == EITHER


@pytest.mark.parametrize("operation", OPERATIONS)
def test_members_that_do_not_go_together_are_refused_before_the_key_is_sought(
    kms: KMSClient, operation: str
) -> None:
    assert refusal(getattr(kms, operation), KeyId=MISSING_KEY) == EITHER


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("given", "failure"),
    [
        ({"NumberOfBytes": 0}, LENGTH.format(0, "greater than or equal to 1")),
        ({"NumberOfBytes": 1025}, LENGTH.format(1025, "less than or equal to 1024")),
        ({"KeySpec": "AES_192"}, SPEC),
    ],
)
def test_other_lengths_break_the_constraint(
    unchecked: KMSClient, key_id: str, operation: str, given: dict[str, Any], failure: str
) -> None:
    assert refusal(getattr(unchecked, operation), KeyId=key_id, **given) == invalid(failure)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_data_key_is_bound_to_its_context(kms: KMSClient, key_id: str, operation: str) -> None:
    answer = getattr(kms, operation)(KeyId=key_id, KeySpec="AES_256", EncryptionContext=CONTEXT)
    blob = answer["CiphertextBlob"]
    assert refusal(kms.decrypt, CiphertextBlob=blob) == ("InvalidCiphertextException", "")
    assert len(kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"]) == 32


def test_no_two_data_keys_are_alike(kms: KMSClient, key_id: str) -> None:
    made = [kms.generate_data_key(KeyId=key_id, NumberOfBytes=16) for _ in range(20)]
    assert len({answer["Plaintext"] for answer in made}) == 20
    assert len({answer["CiphertextBlob"] for answer in made}) == 20


def test_a_data_key_can_be_re_encrypted(kms: KMSClient, key_id: str) -> None:
    made = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256", EncryptionContext=CONTEXT)
    moved = kms.re_encrypt(
        CiphertextBlob=made["CiphertextBlob"],
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=key_id,
    )
    opened = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])
    assert opened["Plaintext"] == made["Plaintext"]


@pytest.mark.parametrize("recipient", [{}, {"AttestationDocument": "AAAA"}])
def test_an_attestation_document_is_never_accepted(
    server: RunningServer, key_id: str, recipient: dict[str, str]
) -> None:
    body = {"KeyId": key_id, "KeySpec": "AES_256", "Recipient": recipient}
    status, error = raw.call(server, "GenerateDataKey", body).error
    assert (status, error["__type"]) == (400, "ValidationException")
    blob = server.kms().encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    found = refusal(
        server.kms().decrypt, CiphertextBlob=blob, Recipient={"AttestationDocument": b"doc"}
    )
    assert found.code == "ValidationException"
