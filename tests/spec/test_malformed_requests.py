"""What is no request of the protocol: each is refused as JSON and leaves exactly one record.

Source: Smithy, "AWS JSON 1.1 protocol"; KMS API Reference, "Common Errors".
"""

from typing import Any
from uuid import UUID

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT, REGION, RunningServer
from tests.spec import raw
from tests.spec.support import Json, Ledger

UNKNOWN_OPERATION = (400, {"__type": "UnknownOperationException"})
LARGEST = 1_048_576


class Exchanges:
    """Sends one request and looks at the one record that it leaves."""

    def __init__(self, server: RunningServer, ledger: Ledger) -> None:
        self._server = server
        self._ledger = ledger

    def __call__(self, request: raw.Request) -> tuple[raw.Answer, Json]:
        """The answer to a signed request, and its record."""
        before = self._ledger.head
        answer = raw.send(self._server, request)
        record = self._ledger.one_record_after(before)
        assert record["requestID"] == answer.headers["x-amzn-requestid"]
        assert record["eventID"] == answer.headers["x-keytrail-event-id"]
        return answer, record

    def refused(self, operation: str, body: bytes) -> tuple[str, Json]:
        """The error that a KMS operation answers to a body, and its record."""
        answer, record = self(raw.Request(target=raw.KMS + operation, body=body))
        assert answer.status == 400
        assert answer.headers["content-type"] == raw.CONTENT_TYPE
        assert record["errorCode"] == answer.document["__type"]
        assert record["userIdentity"]["type"] == "Root"
        return answer.document["__type"], record


@pytest.fixture(scope="module")
def exchanges(server: RunningServer, ledger: Ledger) -> Exchanges:
    return Exchanges(server, ledger)


# --- the target ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "",
        "Encrypt",
        "TrentService",
        "TrentService.",
        "TrentService.Nope",
        "TrentService.encrypt",
        "trentservice.Encrypt",
        "TrentService.Encrypt ",
        "TrentService.Encrypt.Encrypt",
        "TrentService.LookupEvents",
        "DynamoDB_20120810.PutItem",
        # Known operations that are not served.
        "TrentService.Sign",
        "TrentService.CreateGrant",
        "TrentService.PutKeyPolicy",
    ],
)
def test_an_unknown_target_is_answered_without_a_message(exchanges: Exchanges, target: str) -> None:
    answer, record = exchanges(raw.Request(target=target, body=b'{"KeyId": "x"}'))
    assert answer.error == UNKNOWN_OPERATION
    assert (record["eventName"], record["errorCode"]) == ("Unknown", "UnknownOperationException")
    assert (record["requestParameters"], record["resources"]) == (None, [])
    assert (record["recipientAccountId"], record["awsRegion"]) == (ACCOUNT, REGION)


@pytest.mark.parametrize("operation", ["StopLogging", "DeleteTrail", "lookupevents"])
def test_an_unknown_target_of_the_trail_is_a_call_to_the_trail(
    exchanges: Exchanges, operation: str
) -> None:
    request = raw.Request(target=raw.CLOUDTRAIL + operation, service="cloudtrail")
    answer, record = exchanges(request)
    assert answer.error == UNKNOWN_OPERATION
    assert record["eventSource"] == "cloudtrail.amazonaws.com"
    assert record["eventName"] == "Unknown"
    assert operation not in str(record)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("PUT", "/"),
        ("DELETE", "/"),
        ("OPTIONS", "/"),
        ("PATCH", "/"),
        ("POST", "/other"),
        ("POST", "/index.html"),
        ("GET", "/../etc/passwd"),
        ("POST", "/%2e%2e/%00"),
    ],
)
def test_only_a_post_to_the_root_is_a_call(exchanges: Exchanges, method: str, path: str) -> None:
    answer, record = exchanges(raw.Request(method=method, path=path))
    assert answer.error == UNKNOWN_OPERATION
    assert record["eventName"] == "Unknown"
    assert path == "/" or path not in str(record)


def test_the_head_of_an_answer_has_no_body(exchanges: Exchanges) -> None:
    answer, record = exchanges(raw.Request(method="HEAD"))
    assert (answer.status, answer.body) == (400, b"")
    assert record["errorCode"] == "UnknownOperationException"


def test_a_query_string_that_is_signed_changes_nothing(exchanges: Exchanges) -> None:
    answer, record = exchanges(raw.Request(path="/?b=%20c&Action=Sign&a"))
    assert answer.status == 200
    assert record["eventName"] == "ListKeys"


# --- the content type ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "application/x-amz-json-1.0", "text/plain", "application/cbor",
     "application/x-amz-json-1.1x", "*/*"],
)  # fmt: skip
def test_another_content_type_is_refused(exchanges: Exchanges, content_type: str) -> None:
    answer, record = exchanges(raw.Request(headers={"Content-Type": content_type}))
    assert (answer.status, answer.document["__type"]) == (400, "SerializationException")
    assert (record["eventName"], record["errorCode"]) == ("ListKeys", "SerializationException")


def test_no_content_type_is_refused(exchanges: Exchanges) -> None:
    answer, _ = exchanges(raw.Request(headers={}))
    assert (answer.status, answer.document["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize(
    "content_type",
    ["application/x-amz-json-1.1; charset=utf-8", "Application/X-Amz-JSON-1.1",
     "application/x-amz-json-1.1 ;charset=UTF-8"],
)  # fmt: skip
def test_a_content_type_may_have_parameters_and_other_letters(
    exchanges: Exchanges, content_type: str
) -> None:
    answer, _ = exchanges(raw.Request(headers={"Content-Type": content_type}))
    assert answer.status == 200


# --- the body ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b"none",
        b"[]",
        b"[{}]",
        b'"text"',
        b"7",
        b"null",
        b"true",
        b"{}{}",
        b"{'Limit': 1}",
        b'{"Limit": 1,}',
        b'{"Limit": NaN}',
        b'{"Limit": 01}',
        b'{"Marker": "\xff"}',
        b'{"Marker": "\\ud800"}',
        b'{"Marker": "\n"}',
        b"\xef\xbb\xbf{}",
        b"\0",
        b'{"Unknown": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(exchanges: Exchanges, body: bytes) -> None:
    code, record = exchanges.refused("ListKeys", body)
    assert code == "SerializationException"
    assert (record["eventName"], record["requestParameters"]) == ("ListKeys", None)


@pytest.mark.parametrize("body", [b"", b"{}", b" {\n} ", b'{"Limit": null}'])
def test_an_empty_body_is_an_empty_object(exchanges: Exchanges, body: bytes) -> None:
    answer, record = exchanges(raw.Request(body=body))
    assert answer.status == 200
    assert record["requestParameters"] is None


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("ListKeys", b'{"Limit": "5"}'),
        ("ListKeys", b'{"Limit": 1.5}'),
        ("ListKeys", b'{"Limit": true}'),
        ("ListKeys", b'{"Limit": 2147483648}'),
        ("ListKeys", b'{"Limit": 1e400}'),
        ("ListKeys", b'{"Limit": %s}' % (b"9" * 5000)),
        ("ListKeys", b'{"ResourceOwners": "SELF"}'),
        ("ListKeys", b'{"ResourceOwners": [null]}'),
        ("DescribeKey", b'{"KeyId": 7}'),
        ("DescribeKey", b'{"KeyId": ["x"]}'),
        ("DescribeKey", b'{"KeyId": {}}'),
        ("CreateKey", b'{"MultiRegion": "false"}'),
        ("CreateKey", b'{"MultiRegion": 0}'),
        ("CreateKey", b'{"Tags": {"a": "b"}}'),
        ("CreateKey", b'{"Tags": ["a"]}'),
        ("CreateKey", b'{"Tags": [{"TagKey": 1, "TagValue": "x"}]}'),
        ("CreateKey", b'{"Policy": {"Statement": []}}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "AA==", "EncryptionContext": {"a": 1}}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "AA==", "EncryptionContext": {"a": null}}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "AA==", "EncryptionContext": ["a"]}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "AA==", "DryRun": "yes"}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "AA==", "GrantTokens": [1]}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": [65]}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "A"}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "AA=A"}'),
        ("Encrypt", b'{"KeyId": "x", "Plaintext": "no base64!"}'),
        ("Decrypt", b'{"CiphertextBlob": "===="}'),
        ("Decrypt", b'{"CiphertextBlob": "\xc3\xa4"}'),
        ("Decrypt", b'{"CiphertextBlob": "AA==", "Recipient": "x"}'),
    ],
)
def test_a_member_of_the_wrong_type_is_refused(
    exchanges: Exchanges, operation: str, body: bytes
) -> None:
    code, record = exchanges.refused(operation, body)
    assert (code, record["eventName"]) == ("SerializationException", operation)


@pytest.mark.parametrize(
    "body",
    [b'{"StartTime": "2026-01-01"}', b'{"StartTime": 1e300}', b'{"MaxResults": "1"}',
     b'{"LookupAttributes": {}}', b'{"LookupAttributes": [7]}'],
)  # fmt: skip
def test_a_lookup_with_members_of_the_wrong_type_is_refused(
    exchanges: Exchanges, body: bytes
) -> None:
    target = raw.CLOUDTRAIL + "LookupEvents"
    answer, record = exchanges(raw.Request(target=target, service="cloudtrail", body=body))
    assert (answer.status, answer.document["__type"]) == (400, "SerializationException")
    assert record["eventSource"] == "cloudtrail.amazonaws.com"


# --- its size ------------------------------------------------------------------------------------


def test_a_body_of_one_mebibyte_is_read(exchanges: Exchanges) -> None:
    answer, _ = exchanges(raw.Request(body=b"{}".ljust(LARGEST)))
    assert answer.status == 200


@pytest.mark.parametrize("size", [LARGEST + 1, 3 * LARGEST])
def test_a_larger_body_is_refused_with_a_clear_error(
    server: RunningServer, exchanges: Exchanges, size: int
) -> None:
    answer, record = exchanges(raw.Request(body=b"{}".ljust(size)))
    assert answer.status == 400
    assert answer.document == {
        "__type": "RequestEntityTooLargeException",
        "message": "The body is larger than 1048576 bytes.",
    }
    assert record["errorCode"] == "RequestEntityTooLargeException"
    assert record["eventName"] == "ListKeys"
    # Its signature cannot be checked: who sent it is not proven.
    identity = {"type": "Unknown", "accessKeyId": server.key.access_key_id}
    assert record["userIdentity"] == identity
    assert (record["recipientAccountId"], record["awsRegion"]) == (ACCOUNT, REGION)


def test_the_server_answers_on_after_a_body_that_is_too_large(
    server: RunningServer, kms: KMSClient
) -> None:
    raw.send(server, raw.Request(body=bytes(LARGEST + 1)))
    assert kms.list_keys(Limit=1)["ResponseMetadata"]["HTTPStatusCode"] == 200


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"KeyId": "xyz"}, {}, [], {"KeyId": 1}])
def test_every_answer_has_a_request_id_a_date_and_its_length(
    server: RunningServer, body: Any
) -> None:
    answer = raw.call(server, "DescribeKey", body)
    assert UUID(answer.headers["x-amzn-requestid"]).version == 4
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["date"].endswith("GMT")
    assert set(answer.document) <= {"__type", "message"}


def test_the_text_of_a_denial_is_spelt_with_a_capital_letter(server: RunningServer) -> None:
    foreign = f"arn:aws:kms:{REGION}:999999999999:key/12345678-1234-1234-1234-123456789012"
    answer = raw.call(server, "DescribeKey", {"KeyId": foreign})
    assert set(answer.document) == {"__type", "Message"}
    assert answer.document["__type"] == "AccessDeniedException"
