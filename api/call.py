"""A call as the wire hands it to the gate, and the reply that comes back."""

from collections.abc import Mapping

from api.actions import Action
from api.auth.canonical import SignedRequest
from domain.errors import Refusal

Headers = list[tuple[bytes, bytes]]


class Call:
    """One HTTP exchange. `action` is None when the target names nothing that is served.

    `refusal` is what the wire itself found wrong; it stands behind a bad signature, unless
    `is_unverifiable` says that the signature could not be checked at all.
    """

    __slots__ = (
        "action",
        "is_unverifiable",
        "prefix",
        "refusal",
        "request",
        "source_ip",
        "tls",
        "user_agent",
    )

    def __init__(  # noqa: PLR0913 (one place for what an exchange has)
        self,
        *,
        action: Action | None,
        prefix: str,
        request: SignedRequest,
        source_ip: str,
        user_agent: str,
        refusal: Refusal | None = None,
        is_unverifiable: bool = False,
        tls: Mapping[str, object] | None = None,
    ) -> None:
        self.action = action
        self.prefix = prefix
        self.request = request
        self.source_ip = source_ip
        self.user_agent = user_agent
        self.refusal = refusal
        self.is_unverifiable = is_unverifiable
        self.tls = tls


class Reply:
    """What goes back: exactly one of `body` and `refusal`; an empty answer has neither."""

    __slots__ = ("body", "headers", "refusal", "request_id")

    def __init__(
        self,
        request_id: str,
        *,
        body: Mapping[str, object] | None = None,
        refusal: Refusal | None = None,
        headers: Headers | None = None,
    ) -> None:
        self.request_id = request_id
        self.body = body
        self.refusal = refusal
        self.headers = headers or []
