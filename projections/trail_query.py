"""What LookupEvents asks for, and whether a record is what was asked for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Record = Mapping[str, Any]

LAST_SECOND = 253402300799
"""9999-12-31T23:59:59Z: the last second that an `eventTime` can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Records of one account and region that have all the given (key, value) attributes.

    `start` and `end` are seconds since 1970, both included, from 0 and up to LAST_SECOND; no
    record is of a category other than None, which stands for management events.
    """

    account: str
    region: str
    attributes: tuple[tuple[str, str], ...] = ()
    start: int = 0
    end: int = LAST_SECOND
    category: str | None = None


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """A record, its position, and its text exactly as it is stored."""

    position: int
    text: str
    record: Record


@dataclass(frozen=True, slots=True)
class Page:
    """Events newest first. The next page is what lies before the position `next`, None at the end.

    A page may be short, even empty, and still have a next one: the work for one page is bounded.
    """

    events: tuple[TrailEvent, ...] = ()
    next: int | None = None


def matches(record: Record, query: Query) -> bool:
    """Whether a record answers a query. Every record that a lookup gives has passed this."""
    return (
        record.get("eventCategory") == "Management"
        and query.category is None
        and record.get("recipientAccountId") == query.account
        and record.get("awsRegion") == query.region
        and query.start <= event_seconds(record) <= query.end
        and all(value in _VALUES[key](record) for key, value in query.attributes)
    )


def event_seconds(record: Record) -> int:
    """The `eventTime` in seconds since 1970."""
    return int(datetime.fromisoformat(record["eventTime"]).timestamp())


def user_name(record: Record) -> str | None:
    """The Username: `userName`, but the session of an assumed role, and `root` of a root user."""
    identity: Record = record["userIdentity"]
    kind = identity.get("type")
    if kind == "Root":
        return "root"
    name = identity.get("userName")
    if kind == "AssumedRole":
        _, _, name = str(identity.get("principalId", "")).partition(":")
    return name or None


def access_key_id(record: Record) -> str | None:
    """The access key that signed, or was claimed to."""
    found: str | None = record["userIdentity"].get("accessKeyId")
    return found


def resource_names(record: Record) -> Iterable[str]:
    """Every name that finds the record: ARNs, bare key ids, names of the account's own aliases.

    The alias through which a key was named is one of them, although it is no resource.
    """
    own_alias = f":{record['recipientAccountId']}:alias/"
    for arn in _resource_arns(record):
        yield arn
        yield arn.partition(":key/")[2]
        if own_alias in arn:
            yield arn[arn.index(own_alias) + len(own_alias) - len("alias/") :]


def _resource_arns(record: Record) -> Iterable[str]:
    for resource in record.get("resources") or ():
        yield resource["ARN"]
    additional: Record = record.get("additionalEventData") or {}
    alias = additional.get("keytrail", {}).get("alias")
    if alias is not None:
        yield f"arn:aws:kms:{record['awsRegion']}:{record['recipientAccountId']}:{alias}"


def _resource_types(record: Record) -> Iterable[str]:
    return (resource["type"] for resource in record.get("resources") or ())


_VALUES: Mapping[str, Callable[[Record], Iterable[object]]] = {
    "EventId": lambda record: (record["eventID"],),
    "EventName": lambda record: (record["eventName"],),
    "ReadOnly": lambda record: ("true" if record["readOnly"] else "false",),
    "Username": lambda record: (user_name(record),),
    "ResourceType": _resource_types,
    "ResourceName": resource_names,
    "EventSource": lambda record: (record["eventSource"],),
    "AccessKeyId": lambda record: (access_key_id(record),),
}

ATTRIBUTE_KEYS = frozenset(_VALUES)
"""The eight keys of a lookup attribute."""
