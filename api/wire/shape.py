"""What every request's shape has in common."""

import msgspec


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A request or a structure in one. Its repr shows no members: some are plaintext."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"
