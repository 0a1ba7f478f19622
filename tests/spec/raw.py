"""Hand-made HTTP requests, for what boto3 refuses to send.

The signature is botocore's own; everything else may be as wrong as a test wants it.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from api.provision import AccessKey
from tests.server import REGION, RunningServer

CONTENT_TYPE = "application/x-amz-json-1.1"
KMS = "TrentService."
CLOUDTRAIL = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."

Headers = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One exchange; the defaults make a correct one. `at` is when it claims to be signed."""

    target: str = KMS + "ListKeys"
    body: bytes = b"{}"
    method: str = "POST"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": CONTENT_TYPE})
    service: str = "kms"
    region: str = REGION
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body as the JSON object that it is."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def error(self) -> tuple[int, dict[str, Any]]:
        """The status, and the members of the error."""
        return self.status, self.document


class _Signer(SigV4Auth):
    """botocore's signer at an instant of the test's choice."""

    def add_auth(self, request: AWSRequest) -> None:
        instant = request.context["at"].strftime("%Y%m%dT%H%M%SZ")
        request.context["timestamp"] = instant
        request.headers["X-Amz-Date"] = instant
        text = self.string_to_sign(request, self.canonical_request(request))
        names = self.signed_headers(self.headers_to_sign(request))
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.scope(request)}, SignedHeaders={names}, "
            f"Signature={self.signature(text, request)}"
        )


def signed(server: RunningServer, request: Request, key: AccessKey | None = None) -> Headers:
    """The headers of a request as botocore signs it."""
    key = key or server.key
    headers = {"X-Amz-Target": request.target, **request.headers}
    unsigned = AWSRequest(
        method=request.method,
        url=server.endpoint + request.path,
        headers=headers,
        data=request.body,
    )
    unsigned.context["at"] = request.at or server.clock()
    credentials = Credentials(key.access_key_id, key.secret_access_key)
    _Signer(credentials, request.service, request.region).add_auth(unsigned)
    return dict(unsigned.headers.items())


def exchange(server: RunningServer, request: Request, headers: Mapping[str, str]) -> Answer:
    """Send exactly these headers and read the answer."""
    address = urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    try:
        connection.request(request.method, request.path, request.body, dict(headers))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def send(server: RunningServer, request: Request, key: AccessKey | None = None) -> Answer:
    """Sign a request and send it."""
    return exchange(server, request, signed(server, request, key))


def call(server: RunningServer, operation: str, body: Any) -> Answer:
    """Call a KMS operation with any JSON at all, or with bytes that are none."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return send(server, Request(target=KMS + operation, body=content))
