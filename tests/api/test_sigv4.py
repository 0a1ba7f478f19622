"""Signature Version 4, against botocore's signer and the vectors of AWS's test suite."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from api.auth.canonical import MISMATCH, SignedRequest
from api.auth.sigv4 import (
    Credential,
    Verified,
    Verifier,
    claimed_access_key_id,
)
from domain.errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    Refusal,
    UnrecognizedClient,
)
from keystore.session_tokens import INVALID_TOKEN

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIAL = Credential(KEY_ID, SECRET, "111122223333", "arn:aws:iam::111122223333:root")
BODY = b'{"KeyId": "alias/payments", "Plaintext": "cGF5"}'
HEADERS = {
    "X-Amz-Target": "TrentService.Encrypt",
    "Content-Type": "application/x-amz-json-1.1",
    "User-Agent": "Boto3/1.44.5",
    "amz-sdk-request": "attempt=1; max=3",
}
URL = "http://127.0.0.1:8014/"

# AWS's Signature Version 4 test suite: the signature of each request, and the request.
SIGNATURES = {
    "get-vanilla": "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    "post-vanilla": "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    "query-order": "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    "header-trim": "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    "header-duplicate": "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    "get-unreserved": "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    "get-utf8": "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    "get-slashes": "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    "get-space": "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
}
UNRESERVED = b"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TRIMMED = ((b"my-header1", b" value1"), (b"my-header2", b' "a   b   c"'))
REPEATED = tuple((b"my-header1", value) for value in (b"value2", b"value2", b"value1"))
VECTORS: list[tuple[str, str, bytes, bytes, tuple[tuple[bytes, bytes], ...]]] = [
    ("get-vanilla", "GET", b"/", b"", ()),
    ("get-vanilla", "GET", b"/./example/..", b"", ()),
    ("post-vanilla", "POST", b"/", b"", ()),
    ("query-order", "GET", b"/", b"Param2=value2&Param1=value1", ()),
    ("header-trim", "GET", b"/", b"", TRIMMED),
    ("header-duplicate", "GET", b"/", b"", REPEATED),
    ("get-unreserved", "GET", UNRESERVED, b"", ()),
    ("get-utf8", "GET", "/ሴ".encode(), b"", ()),
    ("get-slashes", "GET", b"//example//", b"", ()),
    ("get-space", "GET", b"/example space/", b"", ()),
]


def signed(
    *,
    url: str = URL,
    headers: dict[str, str] = HEADERS,
    params: dict[str, str] | None = None,
    region: str = "us-east-1",
    secret: str = SECRET,
) -> SignedRequest:
    """Sign with botocore, and lay the request out as a server receives it."""
    request = AWSRequest("POST", url, headers=dict(headers), data=BODY, params=params)
    SigV4Auth(Credentials(KEY_ID, secret), "kms", region).add_auth(request)
    target = urlsplit(request.prepare().url)
    sent = [(b"host", target.netloc.encode())]
    sent += [
        (name.lower().encode(), str(value).encode()) for name, value in request.headers.items()
    ]
    return SignedRequest("POST", target.path.encode(), target.query.encode(), tuple(sent), BODY)


def header(request: SignedRequest, name: bytes) -> bytes:
    return dict(request.headers)[name]


def with_header(request: SignedRequest, name: bytes, value: bytes) -> SignedRequest:
    return request._replace(headers=(*without_header(request, name).headers, (name, value)))


def with_authorization(request: SignedRequest, old: bytes, new: bytes) -> SignedRequest:
    authorization = header(request, b"authorization")
    return with_header(request, b"authorization", authorization.replace(old, new))


def without_header(request: SignedRequest, name: bytes) -> SignedRequest:
    return request._replace(headers=tuple(pair for pair in request.headers if pair[0] != name))


def signing_instant(request: SignedRequest) -> datetime:
    return datetime.fromisoformat(header(request, b"x-amz-date").decode())


def verifier(
    find: Callable[[str], Credential | None] = {KEY_ID: CREDENTIAL}.get,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    capacity: int = 2,
) -> Verifier:
    return Verifier(find=lambda key_id, _token: find(key_id), clock=clock, capacity=capacity)


def refusal(request: SignedRequest, kind: type[Refusal]) -> str:
    """Why it is refused: first by a verifier that knows nothing, then by one with memories."""
    subject = verifier()
    with pytest.raises(kind) as fresh:
        subject.verify(request, "kms")
    subject.verify(signed(), "kms")
    with pytest.raises(kind) as caught:
        subject.verify(request, "kms")
    assert caught.value.message == fresh.value.message
    return caught.value.message


def test_a_request_signed_by_botocore_proves_its_caller_and_region() -> None:
    request = signed(region="eu-central-1")
    assert verifier().verify(request, "kms") == Verified(CREDENTIAL, "eu-central-1")


@pytest.mark.parametrize(("name", "method", "path", "query", "more"), VECTORS)
def test_the_vectors_of_the_aws_test_suite_verify(
    name: str, method: str, path: bytes, query: bytes, more: tuple[tuple[bytes, bytes], ...]
) -> None:
    headers = ((b"host", b"example.amazonaws.com"), *more, (b"x-amz-date", b"20150830T123600Z"))
    authorization = b"AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=%b, Signature=%b" % (
        b"AKIDEXAMPLE/20150830/us-east-1/service/aws4_request",
        b";".join(sorted(dict(headers))),
        SIGNATURES[name].encode(),
    )
    headers = (*headers, (b"authorization", authorization))
    credential = replace(CREDENTIAL, secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    subject = verifier(lambda _: credential, lambda: datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    request = SignedRequest(method, path, query, headers, b"")
    assert subject.verify(request, "service").region == "us-east-1"


@pytest.mark.parametrize("params", [{"b": "2", "a": "1"}, {"a b": "c d+e&f=g/h"}, {"ö": ""}])
def test_a_query_string_is_part_of_the_signature(params: dict[str, str]) -> None:
    request = signed(params=params)
    assert verifier().verify(request, "kms").credential == CREDENTIAL
    assert refusal(request._replace(query=request.query + b"&z=1"), InvalidSignature) == MISMATCH


@pytest.mark.parametrize("path", ["a/b", "a%20b/", "a/../b", "x~y"])
def test_a_path_is_part_of_the_signature(path: str) -> None:
    request = signed(url=URL + path)
    assert verifier().verify(request, "kms").credential == CREDENTIAL
    assert refusal(request._replace(path=b"/other"), InvalidSignature) == MISMATCH


def test_spaces_around_and_inside_a_signed_header_do_not_matter() -> None:
    request = signed(headers={**HEADERS, "X-Amz-Note": "one two"})
    spaced = with_header(request, b"x-amz-note", b"  one   two\t")
    assert verifier().verify(spaced, "kms").credential == CREDENTIAL


def test_the_parts_of_the_authorization_come_in_any_order_and_spacing() -> None:
    request = signed()
    algorithm, _, rest = header(request, b"authorization").partition(b" ")
    parts = [part.strip() for part in rest.split(b",")]
    turned = algorithm + b"   " + b"  ,".join(reversed(parts))
    reordered = with_header(request, b"authorization", turned)
    assert verifier().verify(reordered, "kms").credential == CREDENTIAL


def test_the_date_header_stands_in_for_x_amz_date() -> None:
    request = signed(headers={**HEADERS, "Date": "replaced while signing"})
    assert b"x-amz-date" not in dict(request.headers)
    assert verifier().verify(request, "kms").credential == CREDENTIAL


def test_headers_that_proxies_add_need_no_signature() -> None:
    request = with_header(signed(), b"x-amzn-trace-id", b"Root=1-5759e988-bd862e3fe1be46a994272793")
    assert verifier().verify(request, "kms").credential == CREDENTIAL


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_may_be_five_minutes_off(seconds: int) -> None:
    request = signed()
    now = signing_instant(request) + timedelta(seconds=seconds, microseconds=900_000)
    assert verifier(clock=lambda: now).verify(request, "kms").credential == CREDENTIAL


EXPIRED = "Signature expired: {} is now earlier than {} ({} - 5 min.)"
NOT_YET = "Signature not yet current: {} is still later than {} ({} + 5 min.)"


@pytest.mark.parametrize(("seconds", "text"), [(301, EXPIRED), (-301, NOT_YET)])
def test_a_clock_may_not_be_a_second_more_off(seconds: int, text: str) -> None:
    request = signed()
    now = (instant := signing_instant(request)) + timedelta(seconds=seconds)
    bound = instant + timedelta(seconds=1 if seconds > 0 else -1)
    with pytest.raises(InvalidSignature) as caught:
        verifier(clock=lambda: now).verify(request, "kms")
    written = [f"{value:%Y%m%dT%H%M%SZ}" for value in (instant, bound, now)]
    assert caught.value.message == text.format(*written)


def test_a_request_without_authorization_is_unauthenticated() -> None:
    request = without_header(signed(), b"authorization")
    assert refusal(request, MissingAuthenticationToken) == "Missing Authentication Token"


def test_an_unknown_access_key_is_not_recognized() -> None:
    request = with_authorization(signed(), KEY_ID.encode(), b"AKIAUNKNOWN")
    assert refusal(request, UnrecognizedClient) == INVALID_TOKEN


def test_an_access_key_that_is_no_identifier_is_never_looked_up() -> None:
    request = with_authorization(signed(), KEY_ID.encode(), b"AKIA' OR 1=1")
    with pytest.raises(UnrecognizedClient):
        verifier(lambda _: CREDENTIAL).verify(request, "kms")


def tampered_requests() -> dict[str, SignedRequest]:
    request, again = signed(), (b"x-amz-target", b"TrentService.Decrypt")
    return {
        "secret": signed(secret="another"),
        "body": request._replace(body=BODY + b" "),
        "method": request._replace(method="GET"),
        "path": request._replace(path=b"/other"),
        "query": request._replace(query=b"a=1"),
        "header": with_header(request, *again),
        "repeated header": request._replace(headers=(*request.headers, again)),
        "missing header": without_header(request, b"content-type"),
        "claimed hash": signed(headers={**HEADERS, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
    }


@pytest.mark.parametrize("part", tampered_requests())
def test_a_changed_request_does_not_match(part: str) -> None:
    assert refusal(tampered_requests()[part], InvalidSignature) == MISMATCH


REGION = "Credential should be scoped to a valid region, not '{}'."
SERVICE = "Credential should be scoped to correct service: 'kms'."
TERM = "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"/kms/", b"/sts/", SERVICE),
        (b"aws4_request", b"aws5_request", TERM),
        (b"us-east-1", b"US-EAST-1", REGION.format("US-EAST-1")),
        (b"us-east-1", b"east", REGION.format("east")),
        (b"us-east-1/kms", b"/sts", REGION.format("") + " " + SERVICE),
    ],
)
def test_a_wrong_scope_is_named(old: bytes, new: bytes, text: str) -> None:
    assert refusal(with_authorization(signed(), old, new), InvalidSignature) == text


def test_the_date_of_the_scope_must_be_the_date_of_the_request() -> None:
    request = signed()
    date = header(request, b"x-amz-date").decode()
    wrong = with_authorization(request, f"/{date[:8]}/".encode(), b"/20150830/")
    assert refusal(wrong, InvalidSignature) == (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
        f"HTTP: '20150830' != '{date[:8]}', from '{date}'."
    )


@pytest.mark.parametrize("part", ["Credential", "Signature", "SignedHeaders"])
def test_a_missing_part_of_the_authorization_is_named(part: str) -> None:
    request = with_authorization(signed(), f"{part}=".encode(), b"Other=")
    text = refusal(request, IncompleteSignature)
    assert text.startswith(f"Authorization header requires '{part}' parameter. (Hashed")


def test_a_missing_date_is_named() -> None:
    text = refusal(without_header(signed(), b"x-amz-date"), IncompleteSignature)
    assert text.startswith("Authorization header requires existence of either a 'X-Amz-Date'")


@pytest.mark.parametrize(
    "authorization",
    [
        b"AWS4-HMAC-SHA256",
        b"AWS4-HMAC-SHA256 Credential=a/b,Signature=c,Signature=d,SignedHeaders=host",
        b"AWS4-HMAC-SHA256 Credential=a/b,Signature=c,SignedHeaders=host;x-amz-date;x-amz-target",
        b"AWS4-HMAC-SHA1 Credential=a/b/c/d/e,Signature=c,SignedHeaders=host",
        b"Basic dXNlcjpwYXNz",
        b"\xff\xfe",
    ],
)
def test_a_malformed_authorization_is_incomplete(authorization: bytes) -> None:
    refusal(with_header(signed(), b"authorization", authorization), IncompleteSignature)


@pytest.mark.parametrize(
    "date",
    b"20261121T250000Z 2026-W01T200000Z 20261121T2000.0Z 2026-11-21T20:00:00Z \xff soon".split(),
)
def test_a_malformed_date_is_incomplete(date: bytes) -> None:
    text = refusal(with_header(signed(), b"x-amz-date", date), IncompleteSignature)
    assert text.startswith("Date must be in ISO-8601 'basic format'. Got '")


@pytest.mark.parametrize("now_known", [{}, {KEY_ID: replace(CREDENTIAL, secret="another")}])
def test_a_key_that_was_deactivated_or_replaced_is_refused_at_once(
    now_known: dict[str, Credential],
) -> None:
    known = {KEY_ID: CREDENTIAL}
    subject, request = verifier(known.get), signed()
    subject.verify(request, "kms")
    known.clear()
    known.update(now_known)
    with pytest.raises((UnrecognizedClient, InvalidSignature)):
        subject.verify(request, "kms")


def test_a_remembered_key_does_not_serve_another_service() -> None:
    subject, request = verifier(), signed()
    subject.verify(request, "kms")
    with pytest.raises(InvalidSignature):
        subject.verify(request, "cloudtrail")


def test_a_remembered_key_still_verifies_after_many_regions() -> None:
    subject = verifier(capacity=2)
    for region in ("us-east-1", "eu-west-1", "us-east-1", "ap-south-1", "us-east-1"):
        assert subject.verify(signed(region=region), "kms").region == region


PIECES = [b"AWS4-HMAC-SHA256 ", b"Credential=", b"SignedHeaders=", b"Signature=", b"host", b";"]
PIECES += [b"/", b",", b"=", b" ", b"20261121", b"us-east-1", b"kms", b"aws4_request", b"\xff"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=20), st.binary())
def test_hostile_headers_are_refused_and_never_break_the_server(
    pieces: list[bytes], date: bytes
) -> None:
    headers = ((b"host", b"h"), (b"authorization", b"".join(pieces)), (b"x-amz-date", date))
    claimed_access_key_id(headers)
    with pytest.raises(Refusal):
        verifier().verify(SignedRequest("POST", b"/", b"", headers, b""), "kms")


@settings(deadline=None)
@given(st.data())
def test_a_changed_authorization_is_refused_or_means_the_same(data: st.DataObject) -> None:
    request = signed()
    authorization = header(request, b"authorization")
    start = data.draw(st.integers(0, len(authorization)))
    end = data.draw(st.integers(start, len(authorization)))
    changed = authorization[:start] + data.draw(st.binary(max_size=6)) + authorization[end:]
    try:
        verified = verifier().verify(with_header(request, b"authorization", changed), "kms")
    except Refusal:
        return
    assert verified == Verified(CREDENTIAL, "us-east-1")


@settings(deadline=None)
@given(st.binary(), st.binary())
def test_any_path_and_query_are_refused_without_breaking(path: bytes, query: bytes) -> None:
    request = signed()._replace(path=b"/x" + path, query=query)
    assert refusal(request, InvalidSignature) == MISMATCH


def test_the_claimed_access_key_is_read_without_proof() -> None:
    assert claimed_access_key_id(signed().headers) == KEY_ID


@pytest.mark.parametrize(
    "authorization",
    [
        b"AWS4-HMAC-SHA256 Credential=" + b"A" * 129 + b"/20261121",
        b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPL\xc3/20261121",
        b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7<EXAMPLE>/20261121",
        b"AWS4-HMAC-SHA256 Credential=wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY/20261121",
    ],
)
def test_what_is_no_access_key_id_is_not_claimed(authorization: bytes) -> None:
    assert claimed_access_key_id([(b"authorization", authorization)]) is None
    assert claimed_access_key_id([(b"host", authorization)]) is None


def test_neither_the_secret_nor_the_body_is_shown() -> None:
    assert SECRET not in repr(Verified(CREDENTIAL, "us-east-1"))
    assert "cGF5" not in repr(signed())
