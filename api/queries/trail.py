"""LookupEvents: from the request to a query, and from the page to the answer.

Source: CloudTrail API Reference, LookupEvents. Beyond AWS: all attributes count, joined by AND,
and ResourceName also takes a bare key id or the name of an alias.
"""

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from api.outcome import Caller, Found, Outcome, Services
from domain.errors import (
    InvalidEventCategory,
    InvalidLookupAttributes,
    InvalidMaxResults,
    InvalidNextToken,
    InvalidTimeRange,
)
from projections.trail_query import (
    ATTRIBUTE_KEYS,
    LAST_SECOND,
    Page,
    Query,
    TrailEvent,
    access_key_id,
    event_seconds,
    user_name,
)

_MOST_ATTRIBUTES = 8
_LONGEST_VALUE = 2000
_MOST_RESULTS = 50
_POSITION_BYTES = 8
_DIGEST_BYTES = 16


class LookupAttribute(Protocol):
    """One pair of LookupAttributes."""

    @property
    def attribute_key(self) -> str | None: ...
    @property
    def attribute_value(self) -> str | None: ...


class LookupRequest(Protocol):
    """The members of LookupEvents; times are seconds since 1970."""

    @property
    def lookup_attributes(self) -> Sequence[LookupAttribute] | None: ...
    @property
    def start_time(self) -> float | None: ...
    @property
    def end_time(self) -> float | None: ...
    @property
    def event_category(self) -> str | None: ...
    @property
    def max_results(self) -> int | None: ...
    @property
    def next_token(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A request that has been checked: `limit` results, of those before a position if given."""

    query: Query
    limit: int
    before: int | None


def lookup_events(
    services: Services, caller: Caller, request: LookupRequest, found: Found
) -> Outcome:
    """The account's records of the region, newest first."""
    del found
    lookup = parse(request, caller.account, caller.region)
    return Outcome(render(lookup, services.trail.page(lookup.query, lookup.limit, lookup.before)))


def parse(request: LookupRequest, account: str, region: str) -> Lookup:
    """Check a request.

    Raises InvalidEventCategory, InvalidLookupAttributes, InvalidMaxResults, InvalidNextToken,
    InvalidTimeRange.
    """
    if request.event_category not in {None, "insight"}:
        raise InvalidEventCategory("The event category is not valid: the only value is insight.")
    limit = _MOST_RESULTS if request.max_results is None else request.max_results
    if not 1 <= limit <= _MOST_RESULTS:
        raise InvalidMaxResults(f"The maximum results must be between 1 and {_MOST_RESULTS}.")
    start, end = _times(request)
    query = Query(
        account=account,
        region=region,
        attributes=_attributes(request.lookup_attributes or ()),
        start=start,
        end=end,
        category=request.event_category,
    )
    before = None if request.next_token is None else _position(request.next_token, query)
    return Lookup(query=query, limit=limit, before=before)


def render(lookup: Lookup, page: Page) -> dict[str, object]:
    """Write the answer."""
    body: dict[str, object] = {"Events": [_event(event) for event in page.events]}
    if page.next is not None:
        body["NextToken"] = _token(page.next, lookup.query)
    return body


def _times(request: LookupRequest) -> tuple[int, int]:
    start = 0.0 if request.start_time is None else request.start_time
    end = float(LAST_SECOND) if request.end_time is None else request.end_time
    if start > end:
        raise InvalidTimeRange("The start time is after the end time.")
    # Records have whole seconds, so the first one included is the next whole second.
    return math.ceil(_bounded(start)), math.floor(_bounded(end))


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0), LAST_SECOND)


def _attributes(given: Sequence[LookupAttribute]) -> tuple[tuple[str, str], ...]:
    if len(given) > _MOST_ATTRIBUTES:
        raise InvalidLookupAttributes(f"There are more than {_MOST_ATTRIBUTES} attributes.")
    # Sorted, since their order means nothing: a token stands for the query, not for its spelling.
    return tuple(sorted({_attribute(pair) for pair in given}))


def _attribute(pair: LookupAttribute) -> tuple[str, str]:
    key, value = pair.attribute_key, pair.attribute_value
    if key not in ATTRIBUTE_KEYS:
        names = ", ".join(sorted(ATTRIBUTE_KEYS))
        raise InvalidLookupAttributes(f"The attribute key must be one of {names}.")
    if not value or len(value) > _LONGEST_VALUE:
        raise InvalidLookupAttributes(
            f"The attribute value must have 1 to {_LONGEST_VALUE} characters."
        )
    return key, value


# --- tokens --------------------------------------------------------------------------------------


def _token(position: int, query: Query) -> str:
    place = position.to_bytes(_POSITION_BYTES, "big")
    return base64.urlsafe_b64encode(place + _digest(place, query)).decode()


def _position(token: str, query: Query) -> int:
    """The position in a token. Raises InvalidNextToken if this query did not give it out."""
    try:
        decoded = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        decoded = b""
    place, digest = decoded[:_POSITION_BYTES], decoded[_POSITION_BYTES:]
    if digest != _digest(place, query):
        raise InvalidNextToken("The token is not valid, or it belongs to another query.")
    return int.from_bytes(place, "big")


def _digest(place: bytes, query: Query) -> bytes:
    # It guards against mistakes, not against forgery: a forged token reads the caller's own trail
    # from another position, as a time range does.
    parts = [query.account, query.region, query.attributes, query.start, query.end, query.category]
    return hashlib.sha256(place + json.dumps(parts).encode()).digest()[:_DIGEST_BYTES]


# --- events --------------------------------------------------------------------------------------


def _event(event: TrailEvent) -> dict[str, object]:
    record = event.record
    members: dict[str, object] = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record["readOnly"] else "false",
        "EventTime": event_seconds(record),
        "EventSource": record["eventSource"],
        "Resources": [
            {"ResourceType": resource["type"], "ResourceName": resource["ARN"]}
            for resource in record.get("resources") or ()
        ],
        "CloudTrailEvent": event.text,
    }
    optional = {"Username": user_name(record), "AccessKeyId": access_key_id(record)}
    return members | {name: value for name, value in optional.items() if value is not None}
