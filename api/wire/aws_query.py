"""AWS Query over HTTP: forms to calls, replies to XML.

Source: Smithy, "AWS Query protocol"; STS API Reference, "Common Errors".
"""

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from api.actions import BY_VERSION, QUERY_SERVICES, STS_VERSION
from api.call import Call, Reply
from api.wire import forms
from api.wire.http import Answer, Exchange
from domain import errors
from domain.errors import Refusal

CONTENT_TYPE = b"text/xml"

# A refusal's code and status in this dialect. What is not here keeps its own.
_ERRORS: dict[type[Refusal], tuple[str, int]] = {
    errors.MissingAuthenticationToken: ("MissingAuthenticationToken", 403),
    errors.IncompleteSignature: ("IncompleteSignature", 400),
    errors.UnrecognizedClient: ("InvalidClientTokenId", 403),
    errors.InvalidSignature: ("SignatureDoesNotMatch", 403),
    errors.ExpiredToken: ("ExpiredToken", 403),
    errors.AccessDenied: ("AccessDenied", 403),
    errors.UnknownOperation: ("InvalidAction", 400),
    errors.Serialization: ("MalformedInput", 400),
    errors.Validation: ("ValidationError", 400),
    errors.RequestEntityTooLarge: ("RequestEntityTooLarge", 413),
    errors.KeyUnavailable: ("InternalFailure", 500),
    errors.KMSInternal: ("InternalFailure", 500),
}

# XML 1.0 has no way to write these, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_query(exchange: Exchange) -> bool:
    """Whether an exchange is in this dialect: a form without an `X-Amz-Target`."""
    return not exchange.target and exchange.has_type(forms.CONTENT_TYPE)


def parse(exchange: Exchange) -> Call:
    """A call from a form. Never fails: what is wrong with it is in the call."""
    version = forms.selector(exchange.body, b"Version")
    action = BY_VERSION.get((version, forms.selector(exchange.body, b"Action")))
    return exchange.call(action, version if version in QUERY_SERVICES else STS_VERSION)


def render(call: Call, reply: Reply) -> Answer:
    """Status and XML: one place for every answer and every error of the dialect."""
    refusal = reply.refusal
    namespace = f"https://{QUERY_SERVICES[call.prefix]}.amazonaws.com/doc/{call.prefix}/"
    if refusal is not None:
        code, status = _ERRORS.get(type(refusal), (refusal.code, refusal.status))
        fault = "Sender" if status < 500 else "Receiver"
        message = refusal.message or _message(call, refusal)
        error = {"Error": {"Type": fault, "Code": code, "Message": message}}
        content = {**error, "RequestId": reply.request_id}
        return Answer(status, CONTENT_TYPE, _document("ErrorResponse", namespace, content))
    name = call.action.name if call.action else ""
    result = {} if reply.body is None else {f"{name}Result": reply.body}
    content = {**result, "ResponseMetadata": {"RequestId": reply.request_id}}
    return Answer(200, CONTENT_TYPE, _document(f"{name}Response", namespace, content))


def _message(call: Call, refusal: Refusal) -> str:
    """What a record does not hold: it never shows text of an unknown request."""
    if not isinstance(refusal, errors.UnknownOperation):
        return ""
    action = forms.selector(call.request.body, b"Action")
    version = forms.selector(call.request.body, b"Version") or "NO_VERSION_SPECIFIED"
    return f"Could not find operation {action} for version {version}"


def _document(name: str, namespace: str, content: Mapping[str, object]) -> bytes:
    return f'<{name} xmlns="{namespace}">{"".join(_elements(content))}</{name}>\n'.encode()


def _elements(content: Mapping[str, object]) -> Iterator[str]:
    """Structures of structures of texts and numbers; the names are our own."""
    for name, value in content.items():
        inner = "".join(_elements(value)) if isinstance(value, Mapping) else _text(str(value))
        yield f"<{name}>{inner}</{name}>"


def _text(value: str) -> str:
    return escape(_UNWRITABLE.sub("\ufffd", value), {"\r": "&#13;"})
