"""Plaintext, ciphertext, data keys and tokens are in no row of the ledger, whatever happens.

Source: KMS Developer Guide, "Logging AWS KMS API calls": what is never logged.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec import raw
from tests.spec.support import Ledger, refused

CANARY = b"canary-7f3a9e51-plaintext"
CONTEXT = {"visible": "context"}


def forms(secret: bytes) -> Iterator[str]:
    """How a secret could be written in a row."""
    encoded = base64.b64encode(secret).decode()
    yield encoded.rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    yield secret.hex()
    yield secret.decode("latin-1")
    yield json.dumps(secret.decode("latin-1"))[1:-1]
    yield str(secret)[2:-1]
    # In the middle of a longer text the base64 form has other characters at its ends.
    for skipped in (1, 2):
        yield base64.b64encode(bytes(skipped) + secret).decode()[4:-4]


def rows_after(server: RunningServer, position: int) -> str:
    connection = server.keytrail.store.read_connection()
    query = "SELECT state FROM stored_events WHERE rowid > ?"
    states = [bytes(state) for (state,) in connection.execute(query, (position,))]
    connection.close()
    return b"\n".join(states).decode()


def absent(secret: bytes, text: str) -> bool:
    return not any(form in text for form in forms(secret))


def test_no_cryptographic_call_leaves_its_secrets(
    server: RunningServer, kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head
    common: dict[str, Any] = {"KeyId": key_id, "EncryptionContext": CONTEXT}
    blob = kms.encrypt(Plaintext=CANARY, **common)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, **common)["Plaintext"] == CANARY
    moved = kms.re_encrypt(
        CiphertextBlob=blob, SourceEncryptionContext=CONTEXT, DestinationKeyId=key_id
    )["CiphertextBlob"]
    data_key = kms.generate_data_key(KeySpec="AES_256", **common)
    sealed = kms.generate_data_key_without_plaintext(KeySpec="AES_256", **common)
    random = kms.generate_random(NumberOfBytes=32)["Plaintext"]
    text = rows_after(server, before)
    secrets = (CANARY, blob, moved, data_key["Plaintext"], data_key["CiphertextBlob"],
               sealed["CiphertextBlob"], random)  # fmt: skip
    assert all(absent(secret, text) for secret in secrets)
    assert text.count('"visible":"context"') == 5


def test_no_refused_call_leaves_its_secrets(
    server: RunningServer, kms: KMSClient, unchecked: KMSClient, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head
    token = CANARY.decode()
    recipient = {"AttestationDocument": CANARY}
    refused(kms.encrypt, KeyId="alias/none", Plaintext=CANARY)
    refused(unchecked.encrypt, KeyId=key_id, Plaintext=CANARY * 400)
    refused(kms.encrypt, KeyId=key_id, Plaintext=CANARY, GrantTokens=[token])
    refused(kms.encrypt, KeyId=key_id, Plaintext=CANARY, DryRun=True)
    refused(kms.decrypt, CiphertextBlob=CANARY * 5)
    refused(unchecked.decrypt, CiphertextBlob=CANARY * 400)
    refused(kms.re_encrypt, CiphertextBlob=CANARY * 5, DestinationKeyId=key_id)
    refused(kms.decrypt, CiphertextBlob=CANARY * 5, KeyId=key_id, Recipient=recipient)
    refused(kms.describe_key, KeyId=key_id, GrantTokens=[token])
    refused(kms.generate_random, NumberOfBytes=8, Recipient=recipient)
    kms.disable_key(KeyId=key_id)
    refused(kms.encrypt, KeyId=key_id, Plaintext=CANARY)
    text = rows_after(server, before)
    assert len(ledger.records_after(before)) == 12
    assert absent(CANARY, text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"KeyId": "x", "Plaintext": "%s"',
        b'{"KeyId": "x", "Plaintext": ["%s"]}',
        b'{"KeyId": "x", "Plaintext": "!%s"}',
        b'{"KeyId": 1, "Plaintext": "%s"}',
        b'{"KeyId": "x", "Plaintext": {"%s": 1}}',
        b'{"KeyId": "x", "%s": 1}',
        b'["%s"]',
        b'"%s"',
        b"%s",
    ],
)
def test_no_malformed_body_leaves_its_secrets(
    server: RunningServer, ledger: Ledger, body: bytes
) -> None:
    before = ledger.head
    encoded = base64.b64encode(CANARY)
    answers = [raw.call(server, "Encrypt", body.replace(b"%s", text)) for text in (encoded, CANARY)]
    assert {answer.status for answer in answers} == {400}
    text = rows_after(server, before) + "".join(answer.body.decode() for answer in answers)
    assert absent(CANARY, text)


def test_no_row_holds_a_secret_access_key_or_a_signature(
    server: RunningServer, ledger: Ledger
) -> None:
    headers = raw.signed(server, raw.Request())
    raw.exchange(server, raw.Request(), {**headers, "X-Amz-Date": "20200101T000000Z"})
    text = rows_after(server, 0)
    signature = headers["Authorization"].rpartition("Signature=")[2]
    assert server.key.secret_access_key not in text
    assert signature not in text
    assert server.key.access_key_id in text
