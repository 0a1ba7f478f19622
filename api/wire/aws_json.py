"""AWS JSON 1.1 over HTTP: exchanges to calls, replies to bytes.

Source: Smithy, "AWS JSON 1.1 protocol"; KMS API Reference, "Making API requests".
"""

import msgspec

from api.actions import BY_TARGET, JSON_SERVICES
from api.call import Call, Reply
from api.wire.http import Answer, Exchange
from domain.errors import AccessDenied, Refusal, Serialization

CONTENT_TYPE = b"application/x-amz-json-1.1"

_encode = msgspec.json.Encoder().encode


def parse(exchange: Exchange) -> Call:
    """A call from an exchange. Never fails: what is wrong with it is in the call."""
    target = exchange.target.decode("latin-1")
    prefix = target.rpartition(".")[0]
    refusal: Refusal | None = None
    if not exchange.has_type(CONTENT_TYPE):
        refusal = Serialization(f"The Content-Type must be {CONTENT_TYPE.decode()}.")
    return exchange.call(BY_TARGET.get(target), prefix if prefix in JSON_SERVICES else "", refusal)


def render(reply: Reply) -> Answer:
    """Status and body: one place for every answer and every error of the dialect."""
    refusal = reply.refusal
    if refusal is None:
        return Answer(200, CONTENT_TYPE, b"" if reply.body is None else _encode(reply.body))
    members = {"__type": refusal.code}
    if refusal.message:
        # AWS spells this one member of this one error with a capital letter.
        members["Message" if isinstance(refusal, AccessDenied) else "message"] = refusal.message
    return Answer(refusal.status, CONTENT_TYPE, _encode(members))
