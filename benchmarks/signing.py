"""Signed requests made beforehand: AWS Signature Version 4 for the JSON protocol.

Source: AWS General Reference, "Create a signed AWS API request". The headers are those that
boto3 sends, so that the server parses and checks what it will meet in use.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

SIGNED_HEADERS = "content-type;host;x-amz-date;x-amz-target"
CONTENT_TYPE = "application/x-amz-json-1.1"
USER_AGENT = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 lang/python#3.11 cfg/retry-mode"
SPREAD_S = 200
"""Seconds into the past over which signing times are spread; a signature is good for 300."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An access key and the region of its scope."""

    access_key_id: str
    secret_access_key: str
    region: str


@lru_cache(maxsize=8)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, "kms", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(
    credentials: Credentials, *, host: str, operation: str, body: bytes, at: datetime
) -> bytes:
    """A whole HTTP/1.1 request for `TrentService.<operation>`, signed at the instant `at`."""
    instant = at.strftime("%Y%m%dT%H%M%SZ")
    date = instant[:8]
    scope = f"{date}/{credentials.region}/kms/aws4_request"
    canonical = (
        f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{instant}\n"
        f"x-amz-target:TrentService.{operation}\n\n{SIGNED_HEADERS}\n"
        f"{hashlib.sha256(body).hexdigest()}"
    )
    to_sign = (
        f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    )
    key = _signing_key(credentials.secret_access_key, date, credentials.region)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    head = (
        f"POST / HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
        f"X-Amz-Target: TrentService.{operation}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"User-Agent: {USER_AGENT}\r\nX-Amz-Date: {instant}\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={SIGNED_HEADERS}, Signature={signature}\r\n"
        "amz-sdk-invocation-id: 0f6a4c1e-6d1f-4b9b-9d53-3a8d1f1b6a7c\r\n"
        "amz-sdk-request: attempt=1\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def sign_all(
    credentials: Credentials, *, host: str, operation: str, bodies: list[bytes], now: datetime
) -> list[bytes]:
    """One request for each body, no two alike: the signing times of equal bodies differ."""
    return [
        sign(
            credentials,
            host=host,
            operation=operation,
            body=body,
            at=now - timedelta(seconds=index % SPREAD_S),
        )
        for index, body in enumerate(bodies)
    ]
