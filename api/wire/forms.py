"""Forms (application/x-www-form-urlencoded): `Action=GetSessionToken&DurationSeconds=900`.

Source: WHATWG URL Standard, section 5.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from api.wire.shape import Shape
from domain.errors import Serialization

CONTENT_TYPE = b"application/x-www-form-urlencoded"

MOST_PARAMETERS = 1_000
LONGEST_SELECTOR = 128


def selector(body: bytes, name: bytes) -> str:
    """The first value of one parameter, cut to 128 characters; empty when it is absent.

    Cheap, and never fails: a stranger's form is read no further than this before its signature.
    """
    for parameter in body.split(b"&", MOST_PARAMETERS):
        found, _, value = parameter.partition(b"=")
        if found == name:
            return unquote_plus(value[:LONGEST_SELECTOR].decode("latin-1"))
    return ""


def decoder(shape: type[Shape]) -> Callable[[bytes], Any]:
    """What reads one shape from a form. It raises Serialization, msgspec.ValidationError."""

    def decode(body: bytes) -> Any:
        return msgspec.convert(_parameters(body), shape, strict=False)

    return decode


def _parameters(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        # Its own text would show parts of the body.
        raise Serialization("The body is not a valid form.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        # Readers differ in which of two values they take: a request must mean one thing.
        raise Serialization("A parameter is repeated.")
    return found
