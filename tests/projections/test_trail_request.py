"""LookupEvents' request and answer: what is refused, and what a client reads."""

import base64
import json
from typing import Any

import msgspec
import pytest

from api.queries.trail import Lookup, parse, render
from api.wire.shapes import LookupAttribute, LookupEvents
from domain.errors import (
    InvalidEventCategory,
    InvalidLookupAttributes,
    InvalidMaxResults,
    InvalidNextToken,
    InvalidTimeRange,
    Refusal,
)
from projections.trail_query import Page, Query
from tests.projections.conftest import (
    ACCESS_KEY,
    ACCOUNT,
    KEY_ARN,
    REGION,
    START_SECOND,
    Trail,
    ids,
)


def attributes(*pairs: tuple[str | None, str | None]) -> tuple[LookupAttribute, ...]:
    return tuple(LookupAttribute(attribute_key=key, attribute_value=value) for key, value in pairs)


def parsed(**members: Any) -> Lookup:
    return parse(LookupEvents(**members), ACCOUNT, REGION)


def token_of(**members: Any) -> str:
    return str(render(parsed(**members), Page(next=77))["NextToken"])


def test_an_empty_request_asks_for_the_newest_fifty() -> None:
    assert parsed() == Lookup(query=Query(account=ACCOUNT, region=REGION), limit=50, before=None)


def test_attributes_and_times_become_a_query() -> None:
    given = attributes(("Username", "alice"), ("EventName", "Encrypt"))
    lookup = parsed(lookup_attributes=given, start_time=10.25, end_time=12.75, max_results=3)
    assert lookup.limit == 3
    assert lookup.query.attributes == (("EventName", "Encrypt"), ("Username", "alice"))
    assert (lookup.query.start, lookup.query.end) == (11, 12)


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"max_results": 0}, InvalidMaxResults),
        ({"max_results": 51}, InvalidMaxResults),
        ({"max_results": -1}, InvalidMaxResults),
        ({"start_time": 2.0, "end_time": 1.0}, InvalidTimeRange),
        ({"event_category": "Insight"}, InvalidEventCategory),
        ({"event_category": "management"}, InvalidEventCategory),
        ({"event_category": ""}, InvalidEventCategory),
        ({"lookup_attributes": attributes(("Eventname", "x"))}, InvalidLookupAttributes),
        ({"lookup_attributes": attributes((None, "x"))}, InvalidLookupAttributes),
        ({"lookup_attributes": attributes(("EventName", None))}, InvalidLookupAttributes),
        ({"lookup_attributes": attributes(("EventName", ""))}, InvalidLookupAttributes),
        ({"lookup_attributes": attributes(("EventName", "x" * 2001))}, InvalidLookupAttributes),
        ({"lookup_attributes": attributes(("EventName", "x")) * 9}, InvalidLookupAttributes),
        ({"next_token": ""}, InvalidNextToken),
        ({"next_token": "Schlüssel"}, InvalidNextToken),
        ({"next_token": "x" * 31}, InvalidNextToken),
        ({"next_token": "A" * 32}, InvalidNextToken),
    ],
)
def test_what_the_service_refuses_is_refused(
    members: dict[str, Any], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        parsed(**members)


@pytest.mark.parametrize(("start", "end"), [(-1e10, 1e300), (1e300, 1e301), (-2.0, -1.0)])
def test_times_beyond_the_calendar_are_answered(trail: Trail, start: float, end: float) -> None:
    trail.call()
    trail.follow()
    lookup = parsed(start_time=start, end_time=end)
    assert len(trail.lookup.page(lookup.query, 50).events) == (start < 0 < end)


def test_insights_are_an_empty_list(trail: Trail) -> None:
    trail.call()
    lookup = parsed(event_category="insight")
    assert render(lookup, trail.lookup.page(lookup.query, lookup.limit)) == {"Events": []}


def test_a_token_leads_to_its_position() -> None:
    assert parsed(next_token=token_of()).before == 77
    given = attributes(("Username", "alice"), ("EventName", "Encrypt"))
    token = token_of(lookup_attributes=given, start_time=3.0)
    again = parsed(lookup_attributes=given[::-1], start_time=3.0, max_results=2, next_token=token)
    assert again.before == 77


@pytest.mark.parametrize(
    "members",
    [
        {"start_time": 4.0},
        {"end_time": 4.0},
        {"lookup_attributes": attributes(("Username", "alice"))},
        {"event_category": "insight"},
    ],
    ids=str,
)
def test_a_token_is_refused_with_another_query(members: dict[str, Any]) -> None:
    token = token_of()
    with pytest.raises(InvalidNextToken):
        parsed(**members, next_token=token)


@pytest.mark.parametrize(("account", "region"), [("210987654321", REGION), (ACCOUNT, "us-east-1")])
def test_a_token_is_refused_in_another_account_or_region(account: str, region: str) -> None:
    with pytest.raises(InvalidNextToken):
        parse(LookupEvents(next_token=token_of()), account, region)


@pytest.mark.parametrize("place", range(24))
def test_a_damaged_token_is_refused(place: int) -> None:
    token = bytearray(base64.urlsafe_b64decode(token_of()))
    token[place] ^= 1
    with pytest.raises(InvalidNextToken):
        parsed(next_token=base64.urlsafe_b64encode(token).decode())


def test_pages_are_chained_by_their_tokens(trail: Trail) -> None:
    expected = [trail.call()["eventID"] for _ in range(7)][::-1]
    found: list[str] = []
    token: str | None = None
    for _ in range(4):
        lookup = parsed(max_results=2, next_token=token)
        page = trail.lookup.page(lookup.query, lookup.limit, lookup.before)
        found += ids([page])
        token = render(lookup, page).get("NextToken")  # type: ignore[assignment]
    assert (found, token) == (expected, None)


def test_an_event_has_the_members_of_the_service(trail: Trail) -> None:
    record = trail.call("Decrypt", at=5, alias="alias/payments")
    lookup = parsed()
    (event,) = json.loads(
        msgspec.json.encode(render(lookup, trail.lookup.page(lookup.query, lookup.limit)))
    )["Events"]
    assert json.loads(event.pop("CloudTrailEvent")) == record
    assert event == {
        "EventId": record["eventID"],
        "EventName": "Decrypt",
        "ReadOnly": "true",
        "AccessKeyId": ACCESS_KEY,
        "EventTime": START_SECOND + 5,
        "EventSource": "kms.amazonaws.com",
        "Username": "root",
        "Resources": [{"ResourceType": "AWS::KMS::Key", "ResourceName": KEY_ARN}],
    }


def test_a_caller_who_proved_nothing_has_neither_user_name_nor_access_key(trail: Trail) -> None:
    trail.call(identity={"type": "Unknown"}, resources=(), read_only=False)
    lookup = parsed()
    body: dict[str, Any] = render(lookup, trail.lookup.page(lookup.query, lookup.limit))
    (event,) = body["Events"]
    assert not {"Username", "AccessKeyId"} & set(event)
    assert (event["Resources"], event["ReadOnly"]) == ([], "false")
