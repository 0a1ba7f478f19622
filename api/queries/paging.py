"""Markers of listings: opaque to clients, bound to the listing that gave them out.

A marker names the last item of its page, so it survives insertions and deletions. Source: KMS API
Reference, Marker and NextMarker.
"""

import base64
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from domain.errors import InvalidMarker

Item = TypeVar("Item")

_INVALID = "Invalid marker."


def encode(listing: Sequence[str], last: str) -> str:
    """`listing` is what the page belongs to: operation, account, region, filter."""
    text = json.dumps([*listing, last], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(listing: Sequence[str], marker: str) -> str:
    """The last item of the page before. Raises InvalidMarker for any other listing's marker."""
    try:
        parts = json.loads(base64.b64decode(marker.encode(), altchars=b"-_", validate=True))
        is_ours = isinstance(parts, list) and parts[:-1] == list(listing)
        # Text without a UTF-8 form (a lone surrogate) names nothing, and SQLite does not take it.
        if not is_ours or not isinstance(parts[-1], str) or not parts[-1].encode():
            raise InvalidMarker(_INVALID)
    except (ValueError, RecursionError):
        raise InvalidMarker(_INVALID) from None
    last: str = parts[-1]
    return last


def page(
    items: list[Item], limit: int, listing: Sequence[str], name: Callable[[Item], str]
) -> tuple[list[Item], dict[str, object]]:
    """The page's items out of up to `limit` + 1, and its Truncated and NextMarker members."""
    if len(items) <= limit:
        return items, {"Truncated": False}
    shown = items[:limit]
    return shown, {"Truncated": True, "NextMarker": encode(listing, name(shown[-1]))}
