"""DryRun, DryRunModifiers and GrantTokens.

Source: KMS API Reference, DryRun of each operation; KMS Developer Guide, "Testing permissions".
"""

from collections.abc import Callable
from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.spec.support import MISSING_KEY, Ledger, key_arn, refusal, refused

DRY_RUN = (
    "DryRunOperationException",
    "The request would have succeeded, but the DryRun option is set.",
)
Call = tuple[Callable[..., Any], dict[str, Any]]
OPERATIONS = ["Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey",
              "GenerateDataKeyWithoutPlaintext"]  # fmt: skip


@pytest.fixture
def calls(kms: KMSClient, key_id: str) -> dict[str, Call]:
    """A call of each operation that succeeds."""
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    data_key = {"KeyId": key_id, "KeySpec": "AES_256"}
    return {
        "Encrypt": (kms.encrypt, {"KeyId": key_id, "Plaintext": b"x"}),
        "Decrypt": (kms.decrypt, {"CiphertextBlob": blob}),
        "ReEncrypt": (kms.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": key_id}),
        "GenerateDataKey": (kms.generate_data_key, data_key),
        "GenerateDataKeyWithoutPlaintext": (kms.generate_data_key_without_plaintext, data_key),
    }


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_dry_run_that_would_succeed_says_so_and_releases_nothing(
    calls: dict[str, Call], ledger: Ledger, key_id: str, operation: str
) -> None:
    call, given = calls[operation]
    answer = refused(call, **given, DryRun=True)
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == DRY_RUN
    assert set(answer) <= {"Error", "ResponseMetadata", "message"}
    record = ledger.record(answer)
    assert (record["eventName"], record["errorCode"]) == (operation, "DryRunOperationException")
    assert {resource["ARN"] for resource in record["resources"]} == {key_arn(key_id)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_dry_run_that_is_switched_off_is_a_real_call(
    calls: dict[str, Call], operation: str
) -> None:
    call, given = calls[operation]
    assert call(**given, DryRun=False)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_dry_run_that_would_fail_fails_as_the_real_call(
    kms: KMSClient, calls: dict[str, Call], key_id: str, operation: str
) -> None:
    call, given = calls[operation]
    kms.disable_key(KeyId=key_id)
    expected = ("DisabledException", f"{key_arn(key_id)} is disabled.")
    assert refusal(call, **given, DryRun=True) == expected


def test_a_dry_run_sees_through_a_tampered_ciphertext(calls: dict[str, Call]) -> None:
    for operation in ("Decrypt", "ReEncrypt"):
        call, given = calls[operation]
        damaged = {**given, "CiphertextBlob": given["CiphertextBlob"][:-1]}
        found = refusal(call, **damaged, DryRun=True)
        assert found == ("InvalidCiphertextException", "")


def test_a_dry_run_checks_the_constraints_first(kms: KMSClient, key_id: str) -> None:
    found = refusal(kms.encrypt, KeyId=key_id, Plaintext=b"", DryRun=True)
    assert found.code == "ValidationException"


# --- DryRunModifiers -----------------------------------------------------------------------------


def test_the_ciphertext_may_be_ignored_in_a_dry_run(kms: KMSClient, key_id: str) -> None:
    ignoring: dict[str, Any] = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    assert refusal(kms.decrypt, KeyId=key_id, **ignoring) == DRY_RUN
    found = refusal(kms.re_encrypt, SourceKeyId=key_id, DestinationKeyId=key_id, **ignoring)
    assert found == DRY_RUN
    found = refusal(kms.decrypt, KeyId=key_id, CiphertextBlob=b"none", **ignoring)
    assert found == DRY_RUN


def test_a_dry_run_without_ciphertext_names_its_key(kms: KMSClient, key_id: str) -> None:
    ignoring: dict[str, Any] = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    assert refusal(kms.decrypt, **ignoring).code == "ValidationException"
    found = refusal(kms.re_encrypt, DestinationKeyId=key_id, **ignoring)
    assert found.code == "ValidationException"
    unknown = refusal(kms.decrypt, KeyId=MISSING_KEY, **ignoring)
    assert unknown == ("NotFoundException", f"Key '{key_arn(MISSING_KEY)}' does not exist")


@pytest.mark.parametrize("dry_run", [{}, {"DryRun": False}])
def test_modifiers_need_a_dry_run(
    calls: dict[str, Call], key_id: str, dry_run: dict[str, bool]
) -> None:
    for operation in ("Decrypt", "ReEncrypt"):
        call, given = calls[operation]
        found = refusal(call, **given, **dry_run, DryRunModifiers=["IGNORE_CIPHERTEXT"])
        assert found.code == "ValidationException"


def test_modifiers_without_a_dry_run_are_refused_before_the_key_is_sought(kms: KMSClient) -> None:
    found = refusal(
        kms.decrypt,
        KeyId=MISSING_KEY,
        CiphertextBlob=b"none",
        DryRunModifiers=["IGNORE_CIPHERTEXT"],
    )
    assert found.code == "ValidationException"


def test_an_unknown_modifier_breaks_the_enumeration(kms: KMSClient, key_id: str) -> None:
    found = refusal(kms.decrypt, KeyId=key_id, DryRun=True, DryRunModifiers=["IGNORE_ALL"])
    assert found.code == "ValidationException"
    assert "at 'dryRunModifiers' failed to satisfy constraint" in found.message


# --- GrantTokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_unknown_grant_token_is_never_ignored(
    calls: dict[str, Call], ledger: Ledger, operation: str
) -> None:
    call, given = calls[operation]
    answer = refused(call, **given, GrantTokens=["secret-token"])
    assert answer["Error"]["Code"] == "InvalidGrantTokenException"
    assert "secret-token" not in ledger.text(answer)


def test_describe_key_does_not_ignore_a_grant_token(kms: KMSClient, key_id: str) -> None:
    found = refusal(kms.describe_key, KeyId=key_id, GrantTokens=["token"])
    assert found.code == "InvalidGrantTokenException"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_grant_tokens_are_none(calls: dict[str, Call], operation: str) -> None:
    call, given = calls[operation]
    assert call(**given, GrantTokens=[])["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_there_are_at_most_ten_grant_tokens(unchecked: KMSClient, key_id: str) -> None:
    found = refusal(unchecked.describe_key, KeyId=key_id, GrantTokens=["x"] * 11)
    assert found.message.endswith(
        "at 'grantTokens' failed to satisfy constraint: "
        "Member must have length less than or equal to 10"
    )
    for token in ("", "x" * 8193):
        found = refusal(unchecked.describe_key, KeyId=key_id, GrantTokens=[token])
        assert found.code == "ValidationException"
