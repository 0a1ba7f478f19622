"""Signature Version 4 through HTTP: each defect has its error, and a record of nobody.

Source: IAM User Guide, "Create a signed AWS API request"; KMS API Reference, "Common Errors".
"""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from tests.server import ACCOUNT, REGION, RunningServer
from tests.spec import raw
from tests.spec.conftest import OTHER_ACCOUNT, TwoAccounts
from tests.spec.support import Json, Ledger

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details."
)
UNKNOWN_TOKEN = "The security token included in the request is invalid."
Change = Callable[[raw.Headers], object]


def replaced(old: str, new: str) -> Change:
    """A change of the Authorization header."""

    def change(headers: raw.Headers) -> None:
        assert old in headers["Authorization"]
        headers["Authorization"] = headers["Authorization"].replace(old, new)

    return change


def header(name: str, value: str) -> Change:
    return lambda headers: headers.update({name: value})


def another_second(headers: raw.Headers) -> None:
    """Another second of the same minute."""
    date = headers["X-Amz-Date"]
    headers["X-Amz-Date"] = date[:-3] + ("01Z" if date.endswith("00Z") else "00Z")


MISSING = "MissingAuthenticationTokenException"
INCOMPLETE = "IncompleteSignatureException"
UNRECOGNIZED = "UnrecognizedClientException"
INVALID = "InvalidSignatureException"

# What a record calls the error, where that is another name.
RECORDED = {INCOMPLETE: "IncompleteSignature", INVALID: "SignatureDoesNotMatch"}

# Name of the defect: the change, the error, a part of its text.
DEFECTS: dict[str, tuple[Change, str, str]] = {
    "no header": (
        lambda headers: headers.pop("Authorization"), MISSING, "Missing Authentication Token"),
    "an empty header": (header("Authorization", ""), MISSING, "Missing Authentication Token"),
    "a bearer token": (header("Authorization", "Bearer abc"), INCOMPLETE, "'Bearer'"),
    "another algorithm": (
        replaced("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), INCOMPLETE, "AWS4-HMAC-SHA512"),
    "no credential": (replaced("Credential=", "Cred="), INCOMPLETE, "'Credential'"),
    "no signed headers": (replaced("SignedHeaders=", "Signed="), INCOMPLETE, "'SignedHeaders'"),
    "no signature": (replaced("Signature=", "Sign="), INCOMPLETE, "'Signature'"),
    "no parameters": (header("Authorization", "AWS4-HMAC-SHA256 x"), INCOMPLETE, "equal-sign"),
    "no date": (lambda headers: headers.pop("X-Amz-Date"), INCOMPLETE, "X-Amz-Date"),
    "a damaged date": (header("X-Amz-Date", "yesterday"), INCOMPLETE, "ISO-8601"),
    "four parts of a scope": (replaced("/aws4_request", ""), INCOMPLETE, "5 slash-delimited"),
    "an unknown access key": (
        replaced("Credential=AKIA", "Credential=AKIB"), UNRECOGNIZED, UNKNOWN_TOKEN),
    "a damaged signature": (replaced("Signature=", "Signature=0"), INVALID, MISMATCH),
    "another target": (
        header("X-Amz-Target", raw.KMS + "ListAliases"), INVALID, MISMATCH),
    "a date of the same day": (another_second, INVALID, MISMATCH),
    "another host": (header("Host", "example.org"), INVALID, MISMATCH),
    "an unsigned target": (replaced(";x-amz-target", ""), INVALID, "'x-amz-target' must be"),
    "an unsigned host": (replaced("host;", ""), INVALID, "'Host'"),
    "another x-amz header": (header("X-Amz-More", "1"), INVALID, "'x-amz-more' must be"),
    "a signed header that is missing": (
        replaced("host;", "host;more;"), INVALID, MISMATCH),
    "another service": (replaced("/kms/", "/s3/"), INVALID, "correct service: 'kms'"),
    "another region": (replaced(f"/{REGION}/", "/us-east-1/"), INVALID, MISMATCH),
    "no region": (replaced(f"/{REGION}/", "/here/"), INVALID, "valid region, not 'here'"),
    "another terminator": (replaced("aws4_request", "aws5_request"), INVALID, "terminator"),
}  # fmt: skip


def refused(
    server: RunningServer, ledger: Ledger, headers: raw.Headers, request: raw.Request
) -> tuple[str, str, Json]:
    """The error, its text, and the one record that is left."""
    before = ledger.head
    answer = raw.exchange(server, request, headers)
    assert (answer.status, answer.headers["content-type"]) == (400, raw.CONTENT_TYPE)
    record = ledger.one_record_after(before)
    assert record["requestID"] == answer.headers["x-amzn-requestid"]
    return answer.document["__type"], answer.document["message"], record


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_of_a_signature_has_its_error_and_its_record(
    server: RunningServer, ledger: Ledger, defect: str
) -> None:
    change, expected, text = DEFECTS[defect]
    headers = raw.signed(server, raw.Request())
    change(headers)
    code, message, record = refused(server, ledger, headers, raw.Request())
    assert (code, text in message) == (expected, True), message
    assert record["errorCode"] == RECORDED.get(code, code)
    assert record["errorMessage"] == message
    assert record["userIdentity"]["type"] == "Unknown"
    assert set(record["userIdentity"]) <= {"type", "accessKeyId"}
    assert (record["recipientAccountId"], record["awsRegion"]) == (ACCOUNT, REGION)
    assert (record["requestParameters"], record["resources"]) == (None, [])


@pytest.mark.parametrize(
    ("defect", "claimed"),
    [("a damaged signature", True), ("no signature", True), ("no header", False),
     ("a bearer token", False)],
)  # fmt: skip
def test_the_record_keeps_the_access_key_that_was_claimed(
    server: RunningServer, ledger: Ledger, defect: str, claimed: bool
) -> None:
    headers = raw.signed(server, raw.Request())
    DEFECTS[defect][0](headers)
    *_, record = refused(server, ledger, headers, raw.Request())
    given = {"accessKeyId": server.key.access_key_id} if claimed else {}
    assert record["userIdentity"] == {"type": "Unknown", **given}


def test_a_wrong_secret_does_not_match(server: RunningServer, ledger: Ledger) -> None:
    key = msgspec.structs.replace(server.key, secret_access_key="x" * 40)
    headers = raw.signed(server, raw.Request(), key)
    code, message, record = refused(server, ledger, headers, raw.Request())
    assert (code, message) == (INVALID, MISMATCH)
    assert record["errorCode"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "sent",
    [
        raw.Request(body=b'{"Limit": 1}'),
        raw.Request(path="/?a=b"),
        raw.Request(path="/other"),
        raw.Request(method="PUT"),
    ],
)
def test_what_was_signed_cannot_be_changed(
    server: RunningServer, ledger: Ledger, sent: raw.Request
) -> None:
    headers = raw.signed(server, raw.Request())
    headers["Content-Length"] = str(len(sent.body))
    code, message, _ = refused(server, ledger, headers, sent)
    assert (code, message) == (INVALID, MISMATCH)


@pytest.mark.parametrize("minutes", [-6, -60, 6, 60])
def test_a_date_more_than_five_minutes_off_is_refused(
    server: RunningServer, ledger: Ledger, minutes: int
) -> None:
    request = raw.Request(at=server.clock() + timedelta(minutes=minutes))
    code, message, record = refused(server, ledger, raw.signed(server, request), request)
    start = "Signature expired: " if minutes < 0 else "Signature not yet current: "
    assert (code, message.startswith(start)) == (INVALID, True)
    assert record["errorCode"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_date_up_to_five_minutes_off_is_accepted(server: RunningServer, minutes: int) -> None:
    request = raw.Request(at=server.clock() + timedelta(minutes=minutes))
    assert raw.send(server, request).status == 200


def test_an_answer_tells_the_time_by_which_clients_correct_their_clock(
    server: RunningServer,
) -> None:
    request = raw.Request(at=server.clock() + timedelta(hours=1))
    assert "date" in raw.send(server, request).headers


def test_a_session_token_that_nobody_gave_out_is_refused(
    server: RunningServer, ledger: Ledger
) -> None:
    request = raw.Request(
        headers={"Content-Type": raw.CONTENT_TYPE, "X-Amz-Security-Token": "token"}
    )
    code, message, record = refused(server, ledger, raw.signed(server, request), request)
    assert (code, message) == (UNRECOGNIZED, UNKNOWN_TOKEN)
    assert "token" not in record["userIdentity"].values()


def test_a_signature_in_the_query_string_is_none(server: RunningServer, ledger: Ledger) -> None:
    headers = raw.signed(server, raw.Request())
    signature = headers.pop("Authorization").rpartition("Signature=")[2]
    request = raw.Request(path=f"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={signature}")
    code, _, record = refused(server, ledger, headers, request)
    assert code == MISSING
    assert signature not in str(record)


def test_a_bad_signature_hides_every_other_defect(server: RunningServer, ledger: Ledger) -> None:
    request = raw.Request(
        target="TrentService.Nope", body=b"{", headers={"Content-Type": "text/plain"}
    )
    headers = raw.signed(server, request)
    replaced("Signature=", "Signature=0")(headers)
    code, _, record = refused(server, ledger, headers, request)
    assert (code, record["eventName"]) == (INVALID, "Unknown")


def test_the_trail_is_signed_as_cloudtrail(server: RunningServer, ledger: Ledger) -> None:
    target = raw.CLOUDTRAIL + "LookupEvents"
    request = raw.Request(target=target, service="kms")
    code, message, record = refused(server, ledger, raw.signed(server, request), request)
    assert (code, "correct service: 'cloudtrail'" in message) == (INVALID, True)
    assert record["eventSource"] == "cloudtrail.amazonaws.com"


def test_a_claim_to_be_of_another_account_is_recorded_at_home(two_accounts: TwoAccounts) -> None:
    server, ledger = two_accounts.server, Ledger(two_accounts.server)
    headers = raw.signed(server, raw.Request(region="us-west-2"), two_accounts.other)
    replaced("Signature=", "Signature=0")(headers)
    *_, record = refused(server, ledger, headers, raw.Request())
    ledger.close()
    assert record["userIdentity"]["accessKeyId"] == two_accounts.other.access_key_id
    assert (record["recipientAccountId"], record["awsRegion"]) == (ACCOUNT, REGION)
    assert OTHER_ACCOUNT not in str(record)
