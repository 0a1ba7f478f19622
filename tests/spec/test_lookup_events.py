"""LookupEvents end to end: attributes, time range, order, paging, errors.

Source: CloudTrail API Reference, LookupEvents.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_cloudtrail.type_defs import EventTypeDef, LookupAttributeTypeDef
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec.conftest import OTHER_ACCOUNT, TwoAccounts
from tests.spec.support import (
    Ledger,
    Told,
    alias_arn,
    event_id,
    key_arn,
    members,
    refusal,
    refused,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TOKEN = ("InvalidNextTokenException", "The token is not valid, or it belongs to another query.")


def pairs(**attributes: str) -> list[LookupAttributeTypeDef]:
    return [
        {"AttributeKey": key, "AttributeValue": value}  # type: ignore[typeddict-item]
        for key, value in attributes.items()
    ]


def lookup(cloudtrail: CloudTrailClient, **attributes: str) -> Sequence[EventTypeDef]:
    return cloudtrail.lookup_events(LookupAttributes=pairs(**attributes))["Events"]


def ids(events: Sequence[EventTypeDef]) -> list[str]:
    return [event["EventId"] for event in events]


@pytest.fixture
def five_calls(kms: KMSClient, key_id: str, named: str) -> list[str]:
    """The ids of five calls about one key, newest first; CreateKey and CreateAlias before them."""
    answers: list[Any] = [
        kms.encrypt(KeyId=named, Plaintext=b"x"),
        kms.disable_key(KeyId=key_id),
        refused(kms.encrypt, KeyId=key_id, Plaintext=b"x"),
        kms.enable_key(KeyId=key_arn(key_id)),
        kms.describe_key(KeyId=alias_arn(named)),
    ]
    return [event_id(answer) for answer in reversed(answers)]


# --- an event ------------------------------------------------------------------------------------


def test_an_event_has_the_documented_members(
    server: RunningServer, cloudtrail: CloudTrailClient, kms: KMSClient, ledger: Ledger,
    key_id: str, alias: str,
) -> None:  # fmt: skip
    answer = kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    (event,) = lookup(cloudtrail, EventId=event_id(answer))
    record = ledger.record(answer)
    assert datetime.fromisoformat(record["eventTime"]) == event.pop("EventTime")
    assert event == {
        "EventId": event_id(answer),
        "EventName": "CreateAlias",
        "ReadOnly": "false",
        "AccessKeyId": server.key.access_key_id,
        "EventSource": "kms.amazonaws.com",
        "Username": "root",
        "Resources": [
            {"ResourceType": "AWS::KMS::Key", "ResourceName": key_arn(key_id)},
            {"ResourceType": "AWS::KMS::Key", "ResourceName": alias_arn(alias)},
        ],
        "CloudTrailEvent": ledger.text(answer),
    }


def test_every_call_is_found_at_once_by_its_caller(
    cloudtrail: CloudTrailClient, kms: KMSClient
) -> None:
    for _ in range(20):
        made = event_id(kms.generate_random(NumberOfBytes=1))
        assert ids(cloudtrail.lookup_events(MaxResults=1)["Events"]) == [made]


def test_a_lookup_is_itself_recorded_but_does_not_see_itself(
    cloudtrail: CloudTrailClient, ledger: Ledger
) -> None:
    first = cloudtrail.lookup_events(MaxResults=1)
    second = cloudtrail.lookup_events(MaxResults=1)
    assert event_id(first) not in ids(first["Events"])
    assert ids(second["Events"]) == [event_id(first)]
    assert ledger.record(first)["eventSource"] == "cloudtrail.amazonaws.com"
    assert ledger.told(first) == Told("LookupEvents", {"maxResults": 1})


def test_a_lookup_is_recorded_with_its_parameters(
    cloudtrail: CloudTrailClient, ledger: Ledger
) -> None:
    answer = cloudtrail.lookup_events(
        LookupAttributes=pairs(EventName="Encrypt"),
        StartTime=datetime(2022, 12, 7, 22, 37, 45, tzinfo=UTC),
        EndTime=datetime(2023, 1, 2, 0, 5, 6, tzinfo=UTC),
        MaxResults=7,
    )
    assert members(answer) == {"Events": []}
    assert ledger.told(answer).parameters == {
        "lookupAttributes": [{"attributeKey": "EventName", "attributeValue": "Encrypt"}],
        "startTime": "Dec 7, 2022, 10:37:45 PM",
        "endTime": "Jan 2, 2023, 12:05:06 AM",
        "maxResults": 7,
    }


# --- attributes ----------------------------------------------------------------------------------


def test_a_key_is_found_by_its_arn_and_by_its_id(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    assert ids(lookup(cloudtrail, ResourceName=key_arn(key_id)))[:5] == five_calls
    assert ids(lookup(cloudtrail, ResourceName=key_id))[:5] == five_calls
    assert len(lookup(cloudtrail, ResourceName=key_id)) == 7


def test_an_alias_is_found_by_its_arn_and_by_its_name(
    cloudtrail: CloudTrailClient, named: str, five_calls: list[str]
) -> None:
    by_alias = [five_calls[0], five_calls[4]]
    assert ids(lookup(cloudtrail, ResourceName=alias_arn(named)))[:2] == by_alias
    assert ids(lookup(cloudtrail, ResourceName=named))[:2] == by_alias
    assert len(lookup(cloudtrail, ResourceName=named)) == 3


def test_an_alias_of_another_account_is_not_taken_for_an_own_one(two_accounts: TwoAccounts) -> None:
    server = two_accounts.server
    arn = alias_arn("alias/same", account=OTHER_ACCOUNT)
    answer = refused(server.kms().encrypt, KeyId=arn, Plaintext=b"x")
    trail = server.cloudtrail()
    assert ids(lookup(trail, ResourceName=arn)) == [event_id(answer)]
    assert lookup(trail, ResourceName="alias/same") == []
    assert lookup(trail, ResourceName=alias_arn("alias/same")) == []
    (event,) = lookup(trail, EventId=event_id(answer))
    assert "alias" not in json.loads(event["CloudTrailEvent"])["additionalEventData"]["keytrail"]


def test_an_event_name_is_matched_exactly(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    events = lookup(cloudtrail, EventName="Encrypt", ResourceName=key_id)
    assert ids(events) == [five_calls[2], five_calls[4]]
    for name in ("encrypt", "Encryp", "Encrypt ", "%", "Encrypt%"):
        assert lookup(cloudtrail, EventName=name, ResourceName=key_id) == []


@pytest.mark.parametrize(("value", "expected"), [("true", 3), ("false", 4), ("True", 0), ("1", 0)])
def test_changes_are_told_from_reads(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str], value: str, expected: int
) -> None:
    events = lookup(cloudtrail, ReadOnly=value, ResourceName=key_id)
    assert len(events) == expected
    assert all(event["ReadOnly"] == value for event in events)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("Username", "root", 7),
        ("Username", "Root", 0),
        ("ResourceType", "AWS::KMS::Key", 7),
        ("ResourceType", "AWS::KMS::Alias", 0),
        ("EventSource", "kms.amazonaws.com", 7),
        ("EventSource", "cloudtrail.amazonaws.com", 0),
        ("AccessKeyId", "AKIANOBODYHASTHISKEY", 0),
    ],
)
def test_the_other_attributes_are_matched_too(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str],
    key: str, value: str, expected: int,
) -> None:  # fmt: skip
    assert len(lookup(cloudtrail, ResourceName=key_id, **{key: value})) == expected


def test_an_access_key_finds_its_calls(
    server: RunningServer, cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    own = server.key.access_key_id
    assert ids(lookup(cloudtrail, AccessKeyId=own))[:5] == five_calls
    assert len(lookup(cloudtrail, AccessKeyId=own, ResourceName=key_id)) == 7


def test_all_attributes_must_match(
    cloudtrail: CloudTrailClient, key_id: str, named: str, five_calls: list[str]
) -> None:
    found = lookup(cloudtrail, EventId=five_calls[0], EventName="DescribeKey", ResourceName=named)
    assert ids(found) == [five_calls[0]]
    assert lookup(cloudtrail, EventId=five_calls[0], EventName="Encrypt") == []


@pytest.mark.parametrize("value", ["no such thing", "a\0b", "'; --", '"', "\\", "😀", "x" * 2000])
@pytest.mark.parametrize(
    "key", ["EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName",
            "EventSource", "AccessKeyId"],
)  # fmt: skip
def test_a_value_that_nothing_has_finds_nothing(
    cloudtrail: CloudTrailClient, key: str, value: str
) -> None:
    assert lookup(cloudtrail, **{key: value}) == []


# --- times ---------------------------------------------------------------------------------------


def test_both_ends_of_the_time_range_are_included(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    events = lookup(cloudtrail, ResourceName=key_id)
    oldest, newest = events[-1]["EventTime"], events[0]["EventTime"]
    attributes, second = pairs(ResourceName=key_id), timedelta(seconds=1)

    def between(start: datetime, end: datetime) -> int:
        answer = cloudtrail.lookup_events(LookupAttributes=attributes, StartTime=start, EndTime=end)
        return len(answer["Events"])

    assert between(oldest, newest) == 7
    assert between(oldest - second, newest + second) == 7
    assert between(LONG_AGO, oldest - second) == 0
    assert between(newest + second, newest + 3 * second) == 0
    at_oldest = sum(event["EventTime"] == oldest for event in events)
    assert between(oldest, oldest) == at_oldest


def test_an_open_time_range_has_one_end(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    attributes = pairs(ResourceName=key_id)
    from_then = cloudtrail.lookup_events(LookupAttributes=attributes, StartTime=LONG_AGO)
    assert len(from_then["Events"]) == 7
    until_then = cloudtrail.lookup_events(LookupAttributes=attributes, EndTime=LONG_AGO)
    assert until_then["Events"] == []


# --- pages ---------------------------------------------------------------------------------------


def walk(cloudtrail: CloudTrailClient, size: int, **attributes: str) -> Iterator[list[str]]:
    paginator = cloudtrail.get_paginator("lookup_events")
    for page in paginator.paginate(
        LookupAttributes=pairs(**attributes), PaginationConfig={"PageSize": size}
    ):
        yield ids(page["Events"])


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_a_paginator_finds_everything_once_and_newest_first(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str], size: int
) -> None:
    pages = list(walk(cloudtrail, size, ResourceName=key_id))
    found = [one for page in pages for one in page]
    assert found[:5] == five_calls
    assert (len(found), len(set(found))) == (7, 7)
    assert max(map(len, pages)) == min(size, 7)


def test_pages_stay_whole_while_other_calls_are_written(
    server: RunningServer, cloudtrail: CloudTrailClient, kms: KMSClient, key_id: str
) -> None:
    wanted = [event_id(kms.encrypt(KeyId=key_id, Plaintext=b"x")) for _ in range(25)]
    enough = Event()

    def write() -> None:
        other = server.kms()
        while not enough.is_set():
            other.encrypt(KeyId=key_id, Plaintext=b"x")

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        try:
            pages = list(walk(cloudtrail, 3, ResourceName=key_id, EventName="Encrypt"))
        finally:
            enough.set()
        writing.result()
    found = [one for page in pages for one in page]
    assert len(found) == len(set(found))
    assert found[-25:] == wanted[::-1]


def test_50_events_come_if_no_number_is_given(cloudtrail: CloudTrailClient, kms: KMSClient) -> None:
    made = [event_id(kms.generate_random(NumberOfBytes=1)) for _ in range(51)][::-1]
    answer = cloudtrail.lookup_events(LookupAttributes=pairs(EventName="GenerateRandom"))
    assert ids(answer["Events"]) == made[:50]
    rest = cloudtrail.lookup_events(
        LookupAttributes=pairs(EventName="GenerateRandom"),
        MaxResults=1,
        NextToken=answer["NextToken"],
    )
    assert ids(rest["Events"]) == made[50:]


def test_the_order_of_the_attributes_means_nothing_to_a_token(
    cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    attributes = pairs(ResourceName=key_id, Username="root")
    token = cloudtrail.lookup_events(LookupAttributes=attributes, MaxResults=1)["NextToken"]
    rest = cloudtrail.lookup_events(LookupAttributes=attributes[::-1], NextToken=token)
    assert ids(rest["Events"])[:4] == five_calls[1:]


def test_a_token_of_another_query_is_refused(
    server: RunningServer, cloudtrail: CloudTrailClient, key_id: str, five_calls: list[str]
) -> None:
    attributes = pairs(ResourceName=key_id)
    token = cloudtrail.lookup_events(LookupAttributes=attributes, MaxResults=2)["NextToken"]
    others: list[dict[str, Any]] = [
        {},
        {"LookupAttributes": pairs(ResourceName=key_arn(key_id))},
        {"LookupAttributes": attributes, "StartTime": LONG_AGO},
        {"LookupAttributes": attributes, "EventCategory": "insight"},
    ]
    for other in others:
        assert refusal(cloudtrail.lookup_events, NextToken=token, **other) == TOKEN
    elsewhere = server.cloudtrail(region="us-east-1")
    found = refusal(elsewhere.lookup_events, NextToken=token, LookupAttributes=attributes)
    assert found == TOKEN


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", "A" * 32, "A" * 5000])
def test_a_damaged_token_is_refused(unchecked_cloudtrail: CloudTrailClient, token: str) -> None:
    assert refusal(unchecked_cloudtrail.lookup_events, NextToken=token) == TOKEN


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": -1}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
        ({"EventCategory": "management"}, "InvalidEventCategoryException"),
        ({"LookupAttributes": pairs(Colour="red")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": pairs(eventname="x")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": [{"AttributeKey": "EventId"}]}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": pairs(EventId="")}, "InvalidLookupAttributesException"),
    ],
)
def test_a_lookup_that_makes_no_sense_is_refused_and_recorded(
    unchecked_cloudtrail: CloudTrailClient, ledger: Ledger, given: dict[str, Any], code: str
) -> None:
    before = ledger.head
    assert refusal(unchecked_cloudtrail.lookup_events, **given).code == code
    record = ledger.one_record_after(before)
    assert (record["eventName"], record["errorCode"]) == ("LookupEvents", code)


def test_there_are_no_insights(cloudtrail: CloudTrailClient) -> None:
    assert members(cloudtrail.lookup_events(EventCategory="insight")) == {"Events": []}


def test_the_text_of_an_event_is_a_record(
    cloudtrail: CloudTrailClient, kms: KMSClient, new_key: Callable[[], str]
) -> None:
    new_key()
    refused(kms.describe_key, KeyId=str(uuid4()))
    for event in cloudtrail.lookup_events(MaxResults=50)["Events"]:
        record = json.loads(event["CloudTrailEvent"])
        assert (record["eventID"], record["eventName"]) == (event["EventId"], event["EventName"])
