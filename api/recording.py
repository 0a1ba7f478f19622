"""Which members of a request reach its record: one allow-list per action.

A member that no list names is not recorded. Source: CloudTrail examples of the KMS Developer
Guide, "Logging KMS API calls".
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.algorithms import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT
from domain.record import long_date

Json = dict[str, object]
Parameters = Callable[[Any], Json | None]


def camel(name: str) -> str:
    """`key_id` as CloudTrail spells it: `keyId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def members(*names: str) -> Parameters:
    """The given members, those that the request has."""
    pairs = tuple((name, camel(name)) for name in names)

    def recorded(request: Any) -> Json | None:
        found: Json = {}
        for attribute, name in pairs:
            value = getattr(request, attribute)
            if value is not None:
                found[name] = value
        return found or None

    return recorded


def with_algorithms(names: Sequence[str], *algorithms: str) -> Parameters:
    """The given members, and encryption algorithms, which are recorded even if defaulted."""
    listed = members(*names)
    pairs = tuple((name, camel(name)) for name in algorithms)

    def recorded(request: Any) -> Json:
        found: Json = {
            name: getattr(request, attribute) or SYMMETRIC_DEFAULT for attribute, name in pairs
        }
        found.update(listed(request) or {})
        return found

    return recorded


def create_key(request: Any) -> Json:
    """CreateKey, with its defaults, as AWS writes them."""
    spec = request.key_spec or request.customer_master_key_spec or SYMMETRIC_DEFAULT
    found: Json = {
        "description": request.description or "",
        "keyUsage": request.key_usage or ENCRYPT_DECRYPT,
        "keySpec": spec,
        "customerMasterKeySpec": spec,
        "origin": request.origin or "AWS_KMS",
        "multiRegion": bool(request.multi_region),
        "bypassPolicyLockoutSafetyCheck": bool(request.bypass_policy_lockout_safety_check),
        "tags": _tags(request),
    }
    if request.policy is not None:
        found["policy"] = request.policy
    return found


def tag_resource(request: Any) -> Json:
    """TagResource."""
    return {**(members("key_id")(request) or {}), "tags": _tags(request)}


def lookup_events(request: Any) -> Json | None:
    """LookupEvents, its times written as every date inside parameters is."""
    listed = members("event_category", "max_results", "next_token")
    found = listed(request) or {}
    for name, seconds in (("startTime", request.start_time), ("endTime", request.end_time)):
        if seconds is not None:
            found[name] = long_date(datetime.fromtimestamp(seconds, UTC))
    if request.lookup_attributes:
        found["lookupAttributes"] = [
            {"attributeKey": given.attribute_key, "attributeValue": given.attribute_value}
            for given in request.lookup_attributes
        ]
    return found or None


def _tags(request: Any) -> list[Json]:
    return [{"tagKey": tag.tag_key, "tagValue": tag.tag_value} for tag in request.tags or ()]
