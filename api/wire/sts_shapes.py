"""The requests of STS 2011-06-15. They come as forms: every value is text until it is decoded."""

from typing import Annotated

from api.wire.constraints import Length, Pattern, Range, Sensitive
from api.wire.shape import Shape


class GetCallerIdentity(Shape, frozen=True):
    """GetCallerIdentity has no members."""


class GetSessionToken(Shape, frozen=True):
    """GetSessionToken. The code of an MFA device is never shown."""

    duration_seconds: Annotated[int | None, Range(900, 129_600)] = None
    serial_number: Annotated[str | None, Length(9, 256), Pattern(r"[\w+=/:,.@-]*")] = None
    token_code: Annotated[str | None, Length(6, 6), Pattern(r"[\d]*"), Sensitive()] = None


SHAPES: tuple[type[Shape], ...] = (GetCallerIdentity, GetSessionToken)
