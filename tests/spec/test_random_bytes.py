"""GenerateRandom. Source: KMS API Reference, GenerateRandom."""

import pytest
from mypy_boto3_kms import KMSClient

from tests.spec.support import Ledger, Told, invalid, members, refusal


@pytest.mark.parametrize("size", [1, 2, 32, 1023, 1024])
def test_as_many_bytes_come_as_were_asked_for(kms: KMSClient, size: int) -> None:
    answer = members(kms.generate_random(NumberOfBytes=size))
    assert set(answer) == {"Plaintext"}
    assert len(answer["Plaintext"]) == size


def test_no_two_answers_are_alike(kms: KMSClient) -> None:
    assert len({kms.generate_random(NumberOfBytes=16)["Plaintext"] for _ in range(50)}) == 50


def test_the_number_is_required_though_the_model_does_not_say_so(kms: KMSClient) -> None:
    expected = ("ValidationException", "NumberOfBytes is required.")
    assert refusal(kms.generate_random) == expected


@pytest.mark.parametrize(
    ("number", "bound"),
    [
        (0, "greater than or equal to 1"),
        (-1, "greater than or equal to 1"),
        (1025, "less than or equal to 1024"),
    ],
)
def test_the_number_is_1_to_1024(unchecked: KMSClient, number: int, bound: str) -> None:
    assert refusal(unchecked.generate_random, NumberOfBytes=number) == invalid(
        f"Value '{number}' at 'numberOfBytes' failed to satisfy constraint: "
        f"Member must have value {bound}"
    )


def test_there_are_no_custom_key_stores(kms: KMSClient) -> None:
    found = refusal(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId="cks-1")
    assert found.code == "CustomKeyStoreNotFoundException"


def test_an_attestation_document_is_never_accepted(kms: KMSClient) -> None:
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"doc"}
    found = refusal(kms.generate_random, NumberOfBytes=8, Recipient=recipient)
    assert found.code == "UnsupportedOperationException"


def test_the_record_has_the_number_and_no_resources(kms: KMSClient, ledger: Ledger) -> None:
    answer = kms.generate_random(NumberOfBytes=24)
    assert ledger.told(answer) == Told("GenerateRandom", {"numberOfBytes": 24})
