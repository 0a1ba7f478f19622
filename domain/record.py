"""The CloudTrail-shaped record of a call: which members it has, in which order.

A plain dictionary, because absent members are part of the shape. Only what an action's allow-list
names reaches `requestParameters`; nothing here ever sees plaintext, ciphertext or key material.
Source: CloudTrail User Guide, "CloudTrail record contents".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

EVENT_VERSION = "1.11"
LONGEST_TEXT = 1024

Json = Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class Subject:
    """Who called, from where, what for: known before anything is decided."""

    identity: Json
    account: str
    region: str
    source: str
    name: str
    read_only: bool
    source_ip: str
    user_agent: str
    request_id: str
    event_id: str
    tls: Json | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of it; `keytrail` is our own enrichment."""

    error_code: str | None = None
    error_message: str = ""
    request_parameters: Json | None = None
    response_elements: Json | None = None
    additional: Json | None = None
    resources: Sequence[Json] = ()


def root_identity(account: str, arn: str, access_key_id: str) -> Json:
    """The userIdentity of an account's root user."""
    return {
        "type": "Root",
        "principalId": account,
        "arn": arn,
        "accountId": account,
        "accessKeyId": access_key_id,
    }


def unknown_identity(claimed_access_key_id: str | None) -> Json:
    """The userIdentity of a caller who proved nothing; the claimed access key is kept."""
    if claimed_access_key_id is None:
        return {"type": "Unknown"}
    return {"type": "Unknown", "accessKeyId": claimed_access_key_id}


def key_resource(account: str, arn: str) -> Json:
    """One entry of `resources`. Aliases have the same type as keys."""
    return {"accountId": account, "type": "AWS::KMS::Key", "ARN": arn}


def api_call(subject: Subject, result: Result, at: datetime, keytrail: Json) -> dict[str, object]:
    """The record of one API call, completed at `at` (UTC)."""
    record: dict[str, object] = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": subject.identity,
        "eventTime": event_time(at),
        "eventSource": subject.source,
        "eventName": subject.name,
        "awsRegion": subject.region,
        "sourceIPAddress": subject.source_ip,
        "userAgent": subject.user_agent[:LONGEST_TEXT],
    }
    if result.error_code is not None:
        record["errorCode"] = result.error_code
        if result.error_message:
            record["errorMessage"] = result.error_message[:LONGEST_TEXT]
    record["requestParameters"] = result.request_parameters
    record["responseElements"] = result.response_elements
    additional = result.additional
    record["additionalEventData"] = (
        {**additional, "keytrail": keytrail} if additional else {"keytrail": keytrail}
    )
    record["requestID"] = subject.request_id
    record["eventID"] = subject.event_id
    record["readOnly"] = subject.read_only
    record["resources"] = result.resources
    record["eventType"] = "AwsApiCall"
    record["managementEvent"] = True
    record["recipientAccountId"] = subject.account
    record["eventCategory"] = "Management"
    if subject.tls is not None:
        record["tlsDetails"] = subject.tls
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """Something that Keytrail did by itself."""

    name: str
    account: str
    region: str
    event_id: str
    request_id: str
    resources: Sequence[Json] = ()
    response_elements: Json | None = None
    details: Json | None = None


def service_event(event: ServiceEvent, at: datetime, keytrail: Json) -> dict[str, object]:
    """The record of a service event at `at` (UTC): `requestParameters` null, never read-only."""
    record: dict[str, object] = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": event.account, "invokedBy": "AWS Internal"},
        "eventTime": event_time(at),
        "eventSource": "kms.amazonaws.com",
        "eventName": event.name,
        "awsRegion": event.region,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": event.response_elements,
        "additionalEventData": {"keytrail": keytrail},
        "requestID": event.request_id,
        "eventID": event.event_id,
        "readOnly": False,
        "resources": event.resources,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": event.account,
        "eventCategory": "Management",
    }
    if event.details is not None:
        record["serviceEventDetails"] = event.details
    return record


def event_time(at: datetime) -> str:
    """Whole seconds: fractions break AWS's own CloudTrail Processing Library."""
    return at.isoformat()[:19] + "Z"


def instant(at: datetime) -> str:
    """UTC with microseconds always, as `2026-11-21T20:48:00.123456Z`."""
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def long_date(at: datetime) -> str:
    """A date inside parameters and elements, as Java prints it: `Dec 7, 2022, 10:37:45 PM`."""
    return f"{at:%b} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S %p}"
