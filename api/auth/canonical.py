"""The canonical form of a request, which is what a signature is made of.

Source: IAM User Guide, "Create a signed AWS API request", steps 1 and 2.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from domain.errors import InvalidSignature

Headers = Sequence[tuple[bytes, bytes]]

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details."
)


class SignedRequest(NamedTuple):
    """A request as it came from the wire: header names in lower case, path and query raw."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes

    def __repr__(self) -> str:
        return f"<SignedRequest {self.method} {self.path!r}>"


def canonical_request(
    request: SignedRequest,
    headers: Mapping[bytes, bytes],
    names: Sequence[bytes],
    signed_headers: bytes,
) -> bytes:
    """The canonical request. Raises InvalidSignature when a signed header is missing."""
    lines = [
        request.method.encode(),
        b"/" if request.path == b"/" else _canonical_path(request.path),
        _canonical_query(request.query) if request.query else b"",
    ]
    try:
        lines += [name + b":" + trimmed(headers[name]) for name in names]
    except KeyError:
        raise InvalidSignature(MISMATCH) from None
    # The body's own hash, never one that a header claims.
    lines += (b"", signed_headers, sha256(request.body))
    return b"\n".join(lines)


def _canonical_path(path: bytes) -> bytes:
    """Without dot segments and empty segments, and encoded once more than on the wire."""
    segments: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del segments[-1:]
        elif segment not in (b"", b"."):
            segments.append(segment)
    trailing = b"/" if segments and path.endswith(b"/") else b""
    return quote(b"/" + b"/".join(segments) + trailing, safe="/~").encode()


def _canonical_query(query: bytes) -> bytes:
    """Names and values percent-encoded in one way, sorted by name and then by value."""
    pairs = [pair.partition(b"=") for pair in query.split(b"&") if pair]
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded).encode()


def _encoded(text: bytes) -> str:
    # On the wire a space is `+` or `%20`; what was signed is `%20`.
    return quote(unquote_to_bytes(text.replace(b"+", b" ")), safe="~")


def trimmed(value: bytes) -> bytes:
    """A header's value without outer spaces, inner ones folded to one."""
    # Most values have no space to fold, and to look for one is cheaper than to split.
    return b" ".join(value.split()) if b" " in value or b"\t" in value else value


def sha256(data: bytes) -> bytes:
    """The hash in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest().encode()
