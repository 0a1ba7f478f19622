"""What the dialects of `POST /` share: an exchange as it arrives, and sending its answer.

Plain ASGI, because every call passes here.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from api.actions import Action
from api.auth.canonical import SignedRequest
from api.call import Call, Headers, Reply
from domain.errors import Refusal, RequestEntityTooLarge, UnknownOperation

MOST_BODY_BYTES = 1_048_576

# A body above the limit is read on up to here and thrown away, so that the client gets to read the
# answer; beyond it the connection is closed.
MOST_DRAINED_BYTES = 16 * MOST_BODY_BYTES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Answer(NamedTuple):
    """What a dialect makes of a reply."""

    status: int
    content_type: bytes
    body: bytes


class Exchange:
    """One HTTP request, and the headers that tell the dialects apart.

    Path and query are raw. The body is empty when it is above the limit.
    """

    __slots__ = (
        "body",
        "client",
        "content_type",
        "headers",
        "is_too_large",
        "method",
        "path",
        "query",
        "target",
        "tls",
        "user_agent",
    )

    def __init__(  # noqa: PLR0913 (one place for what a request has)
        self,
        *,
        method: str,
        path: bytes,
        query: bytes,
        headers: Headers,
        body: bytes,
        client: str,
        is_too_large: bool = False,
        tls: Mapping[str, object] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.client = client
        self.is_too_large = is_too_large
        self.tls = tls
        self.target = self.content_type = self.user_agent = b""
        for name, value in headers:
            if name == b"x-amz-target":
                self.target = value
            elif name == b"content-type":
                self.content_type = value
            elif name == b"user-agent":
                self.user_agent = value

    def has_type(self, media_type: bytes) -> bool:
        """Whether the body is of a media type; its letters' case and parameters do not matter."""
        given = self.content_type
        return given == media_type or given.split(b";")[0].strip().lower() == media_type

    def call(self, action: Action | None, prefix: str, refusal: Refusal | None = None) -> Call:
        """The call for what a dialect found; what both refuse is refused here."""
        if self.is_too_large:
            refusal = RequestEntityTooLarge(f"The body is larger than {MOST_BODY_BYTES} bytes.")
        elif action is None or self.method != "POST" or self.path != b"/":
            action, refusal = None, UnknownOperation()
        return Call(
            action=action,
            prefix=prefix,
            request=SignedRequest(self.method, self.path, self.query, self.headers, self.body),
            source_ip=self.client,
            user_agent=self.user_agent.decode("latin-1"),
            refusal=refusal,
            is_unverifiable=self.is_too_large,
            tls=self.tls,
        )


async def receive_exchange(scope: Scope, receive: Receive) -> Exchange:
    """Read a request to its end."""
    body, is_too_large = await _read(receive)
    client = scope.get("client")
    return Exchange(
        method=scope["method"],
        path=scope["raw_path"],
        query=scope["query_string"],
        headers=scope["headers"],
        body=body,
        client=client[0] if client else "",
        is_too_large=is_too_large,
        tls=scope.get("keytrail.tls"),
    )


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it is above the limit; then it is empty."""
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= MOST_DRAINED_BYTES:
        message = await receive()
        part: bytes = message.get("body", b"")
        more = bool(message.get("more_body"))
        size += len(part)
        if size <= MOST_BODY_BYTES:
            parts.append(part)
    return (b"", True) if size > MOST_BODY_BYTES else (b"".join(parts), False)


def headers_of(reply: Reply, answer: Answer) -> Headers:
    """The headers of an answer: the dialect's, and what the gate says beside it."""
    return [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-amzn-requestid", reply.request_id.encode()),
        *reply.headers,
    ]


async def send_answer(send: Send, reply: Reply, answer: Answer) -> None:
    """Send an answer through ASGI."""
    headers = headers_of(reply, answer)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
