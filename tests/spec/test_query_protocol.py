"""The Query protocol on the wire: forms in, XML out, one record for each exchange.

Source: Smithy, "AWS Query protocol"; STS API Reference, "Common Errors".
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from api.call import Reply
from api.wire import aws_query
from api.wire.http import Exchange
from domain.errors import KMSInternal, Refusal, ServiceUnavailable
from tests.server import ACCOUNT, REGION, RunningServer
from tests.spec.raw import Answer, Request, exchange
from tests.spec.support import Json, Ledger

FORM = "application/x-www-form-urlencoded"
WHO = "Action=GetCallerIdentity&Version=2011-06-15"
TOKEN = "Action=GetSessionToken&Version=2011-06-15"
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
MALFORMED = "The body is not a valid form."
NOT_FOUND = "Could not find operation"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details."
)


class Error(NamedTuple):
    status: int
    code: str
    message: str


def signed(
    server: RunningServer, body: bytes, headers: Mapping[str, str], service: str = "sts"
) -> dict[str, str]:
    """The headers of a form as botocore signs it."""
    request = AWSRequest("POST", server.endpoint + "/", headers=dict(headers), data=body)
    key = Credentials(server.key.access_key_id, server.key.secret_access_key)
    SigV4Auth(key, service, REGION).add_auth(request)
    return dict(request.headers.items())


def send(server: RunningServer, body: str | bytes, content_type: str = FORM) -> Answer:
    """Sign a form and send it."""
    content = body.encode() if isinstance(body, str) else body
    headers = signed(server, content, {"Content-Type": content_type})
    return exchange(server, Request(body=content), headers)


def members(element: ET.Element) -> Any:
    """An element's text, or its children by name."""
    if not len(element):
        return element.text or ""
    return {child.tag.removeprefix(NAMESPACE): members(child) for child in element}


def document(answer: Answer, name: str) -> Json:
    """The content of an answer, which has the request's id in its header."""
    assert answer.headers["content-type"] == "text/xml"
    root = ET.fromstring(answer.body)  # noqa: S314 (from our own server)
    assert root.tag == NAMESPACE + name
    found: Json = members(root)
    request_id = found.pop("RequestId", None) or found.pop("ResponseMetadata")["RequestId"]
    assert str(UUID(request_id)) == request_id == answer.headers["x-amzn-requestid"]
    return found


def error(answer: Answer) -> Error:
    content = document(answer, "ErrorResponse")
    assert set(content) == {"Error"}
    found = content["Error"]
    assert found["Type"] == ("Sender" if answer.status < 500 else "Receiver")
    return Error(answer.status, found["Code"], found["Message"])


def test_an_answer_is_xml_in_the_namespace_of_its_version(server: RunningServer) -> None:
    answer = send(server, WHO)
    assert answer.status == 200
    arn = f"arn:aws:iam::{ACCOUNT}:root"
    assert document(answer, "GetCallerIdentityResponse") == {
        "GetCallerIdentityResult": {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": arn}
    }


@pytest.mark.parametrize(
    "content_type", [f"{FORM}; charset=utf-8", FORM.upper(), f"{FORM};charset=UTF-8; x=y"]
)
def test_the_media_type_is_what_counts(server: RunningServer, content_type: str) -> None:
    assert send(server, WHO, content_type).status == 200


@pytest.mark.parametrize(
    "body",
    [
        "Version=2011-06-15&Action=GetCallerIdentity",
        "Action=Get%43allerIdentity&Version=2011%2D06%2D15",
        f"{WHO}&Newer=member&Tags.member.1.Key=a+b",
    ],
)
def test_order_encoding_and_unknown_parameters_do_not_matter(
    server: RunningServer, body: str
) -> None:
    assert send(server, body).status == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Action=Nothing&Version=2011-06-15", "Nothing for version 2011-06-15"),
        ("Action=GetCallerIdentity&Version=2010-05-08", "GetCallerIdentity for version 2010-05-08"),
        ("Action=GetCallerIdentity", "GetCallerIdentity for version NO_VERSION_SPECIFIED"),
        ("Version=2011-06-15", " for version 2011-06-15"),
        ("", " for version NO_VERSION_SPECIFIED"),
        (b"\xff\xfe&&==", " for version NO_VERSION_SPECIFIED"),
        ("Action=" + "A" * 200 + "&Version=1", "A" * 128 + " for version 1"),
    ],
)
def test_an_unknown_action_is_refused_and_recorded_without_its_name(
    server: RunningServer, ledger: Ledger, body: str | bytes, text: str
) -> None:
    before = ledger.head
    assert error(send(server, body)) == Error(400, "InvalidAction", f"{NOT_FOUND} {text}")
    record = ledger.one_record_after(before)
    assert (record["eventName"], record["eventSource"]) == ("Unknown", "sts.amazonaws.com")
    assert record["errorCode"] == "UnknownOperationException"
    assert "errorMessage" not in record
    assert record["userIdentity"]["type"] == "Root"


def test_an_echo_is_escaped_and_stays_xml(server: RunningServer) -> None:
    action = "<a>&amp;\"'\x00\x1b\r\n\ufffe]]>\U0001f511"
    body = b"Action=%b&Version=1" % "".join(f"%{byte:02x}" for byte in action.encode()).encode()
    text = action.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\ufffe", "\ufffd")
    assert error(send(server, body)).message == f"{NOT_FOUND} {text} for version 1"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("&DurationSeconds=900&DurationSeconds=901", "A parameter is repeated."),
        ("&%41ction=GetCallerIdentity", "A parameter is repeated."),
        ("&DurationSeconds", MALFORMED),
        ("&SerialNumber=%ff", MALFORMED),
        ("&a=b" * 1001, MALFORMED),
        ("&DurationSeconds=soon", "Expected `int | null`, got `str` - at `$.DurationSeconds`"),
        ("&DurationSeconds=", "Expected `int | null`, got `str` - at `$.DurationSeconds`"),
    ],
)
def test_a_form_that_does_not_decode_is_refused_and_recorded(
    server: RunningServer, ledger: Ledger, more: str, text: str
) -> None:
    before = ledger.head
    assert error(send(server, TOKEN + more)) == Error(400, "MalformedInput", text)
    record = ledger.one_record_after(before)
    assert (record["eventName"], record["errorMessage"]) == ("GetSessionToken", text)
    assert record["requestParameters"] is None


def test_a_form_above_the_limit_is_refused_and_recorded(
    server: RunningServer, ledger: Ledger
) -> None:
    before = ledger.head
    answer = error(send(server, f"{WHO}&More={'A' * 1_048_576}"))
    text = "The body is larger than 1048576 bytes."
    assert answer == Error(413, "RequestEntityTooLarge", text)
    assert ledger.one_record_after(before)["errorMessage"] == text


def test_a_form_that_is_not_signed_is_refused_and_recorded(
    server: RunningServer, ledger: Ledger
) -> None:
    before = ledger.head
    answer = exchange(server, Request(body=WHO.encode()), {"Content-Type": FORM})
    text = "Missing Authentication Token"
    assert error(answer) == Error(403, "MissingAuthenticationToken", text)
    assert ledger.one_record_after(before)["userIdentity"] == {"type": "Unknown"}


def test_a_changed_form_is_refused_and_recorded(server: RunningServer, ledger: Ledger) -> None:
    before = ledger.head
    headers = signed(server, WHO.encode(), {"Content-Type": FORM})
    answer = exchange(server, Request(body=TOKEN.encode()), headers)
    assert error(answer) == Error(403, "SignatureDoesNotMatch", MISMATCH)
    record = ledger.one_record_after(before)
    assert (record["errorCode"], record["eventName"]) == (
        "SignatureDoesNotMatch",
        "GetSessionToken",
    )


def test_a_malformed_authorization_is_incomplete(server: RunningServer) -> None:
    headers = {"Content-Type": FORM, "Authorization": "AWS4-HMAC-SHA256 Credential=a"}
    answer = error(exchange(server, Request(body=WHO.encode()), headers))
    assert (answer.status, answer.code) == (400, "IncompleteSignature")


@pytest.mark.parametrize(("service", "answers"), [("sts", 200), ("kms", 403)])
def test_a_form_is_signed_for_its_own_service(
    server: RunningServer, service: str, answers: int
) -> None:
    headers = signed(server, WHO.encode(), {"Content-Type": FORM}, service)
    assert exchange(server, Request(body=WHO.encode()), headers).status == answers


@pytest.mark.parametrize("target", ["TrentService.ListKeys", "2011-06-15.GetCallerIdentity"])
def test_a_target_makes_a_call_one_of_the_json_protocol(server: RunningServer, target: str) -> None:
    headers = signed(server, WHO.encode(), {"Content-Type": FORM, "X-Amz-Target": target}, "kms")
    answer = exchange(server, Request(body=WHO.encode()), headers)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/x-amz-json-1.1")
    assert answer.document["__type"] in {"SerializationException", "UnknownOperationException"}


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (ServiceUnavailable("Not recorded."), 503, "AuditUnavailable"),
        (KMSInternal("Not recorded."), 500, "InternalFailure"),
    ],
)
def test_a_fault_of_the_server_is_not_the_sender_s(
    refusal: Refusal, status: int, code: str
) -> None:
    form = Exchange(
        method="POST", path=b"/", query=b"", headers=[], body=WHO.encode(), client="127.0.0.1"
    )
    call = aws_query.parse(form)
    answer = aws_query.render(call, Reply("id", refusal=refusal))
    assert (answer.status, answer.content_type) == (status, b"text/xml")
    assert answer.body.decode() == (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<Error><Type>Receiver</Type><Code>{code}</Code><Message>Not recorded.</Message></Error>"
        "<RequestId>id</RequestId></ErrorResponse>\n"
    )


def test_every_exchange_is_recorded_exactly_once(server: RunningServer, ledger: Ledger) -> None:
    before = ledger.head
    for body in (WHO, TOKEN, "Action=No", "=", f"{TOKEN}&DurationSeconds=1"):
        send(server, body)
    names = [record["eventName"] for record in ledger.records_after(before)]
    assert names == [
        "GetCallerIdentity",
        "GetSessionToken",
        "Unknown",
        "Unknown",
        "GetSessionToken",
    ]
