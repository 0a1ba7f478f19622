"""LookupEvents' search: what is found, in which order, and what is not."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from projections.trail_lookup import TrailLookup
from projections.trail_query import Query
from tests.projections.conftest import (
    ACCOUNT,
    ALICE,
    DEPLOYER,
    KEY_ARN,
    KEY_ID,
    REGION,
    ROBOT,
    ROOT,
    Trail,
    ids,
    query,
    walk,
)

OTHER_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0987dcba-09fe-87dc-65ba-ab0987654321"
ALIAS_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/payments"
FOREIGN_ALIAS_ARN = f"arn:aws:kms:{REGION}:210987654321:alias/payments"
BUCKET = "arn:aws:s3:::bucket"

ATTRIBUTES = [
    ("EventId", "01934d2a-0000-7000-8000-000000000002"),
    ("EventName", "CreateAlias"),
    ("ReadOnly", "false"),
    ("Username", "alice"),
    ("ResourceType", "AWS::S3::Object"),
    ("ResourceName", BUCKET),
    ("EventSource", "s3.amazonaws.com"),
    ("AccessKeyId", "AKIAALICE"),
]


@pytest.fixture(params=["in the index", "in the tail", "half and half"])
def found_in(request: pytest.FixtureRequest, trail: Trail) -> Any:
    """A call that appends more and lets the index follow as far as the parameter says."""

    def settle() -> Trail:
        if request.param != "in the tail":
            trail.follow()
        if request.param == "half and half":
            trail.call(
                "Unknown", identity={"type": "Unknown"}, source="sts.amazonaws.com", resources=()
            )
        return trail

    return settle


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda pair: pair[0])
def test_each_attribute_key_finds_its_record_alone(
    trail: Trail, found_in: Any, attribute: tuple[str, str]
) -> None:
    trail.call()
    odd = trail.call(
        "CreateAlias",
        identity=ALICE,
        read_only=False,
        source="s3.amazonaws.com",
        resources=(BUCKET,),
    )
    odd_type = {**odd, "eventID": f"{odd['eventID'][:-1]}f"}
    odd_type["resources"] = [{**odd["resources"][0], "type": "AWS::S3::Object"}]
    trail.append(odd_type)
    trail.call()
    expected = {"ResourceType": [odd_type], "EventId": [odd]}.get(attribute[0], [odd_type, odd])
    assert found_in().find(attribute) == [record["eventID"] for record in expected]


@pytest.mark.parametrize(
    ("identity", "name"),
    [(ROOT, "root"), (ALICE, "alice"), (DEPLOYER, "nightly"), (ROBOT, "robot")],
)
def test_a_user_name_is_that_of_the_user_the_session_or_root(
    trail: Trail, found_in: Any, identity: dict[str, str], name: str
) -> None:
    calls = [trail.call(identity=one) for one in (ROOT, ALICE, DEPLOYER, ROBOT)]
    expected = [call["eventID"] for call in calls if call["userIdentity"] == identity]
    assert found_in().find(("Username", name), ("ResourceName", KEY_ID)) == expected


@pytest.mark.parametrize("name", [KEY_ARN, KEY_ID])
def test_a_key_is_found_by_its_arn_and_by_its_bare_id(
    trail: Trail, found_in: Any, name: str
) -> None:
    calls = [trail.call("ReEncrypt", resources=(OTHER_ARN, KEY_ARN)), trail.call()]
    trail.call(resources=(OTHER_ARN,))
    expected = [call["eventID"] for call in reversed(calls)]
    assert found_in().find(("ResourceName", name)) == expected


@pytest.mark.parametrize("name", [ALIAS_ARN, "alias/payments"])
def test_an_alias_finds_its_changes_and_the_calls_made_through_it(
    trail: Trail, found_in: Any, name: str
) -> None:
    calls = [
        trail.call("CreateAlias", resources=(KEY_ARN, ALIAS_ARN)),
        trail.call("Encrypt", alias="alias/payments"),
    ]
    trail.call("Encrypt", alias="alias/payments-old")
    expected = [call["eventID"] for call in reversed(calls)]
    assert found_in().find(("ResourceName", name)) == expected


def test_an_alias_of_another_account_is_found_by_its_arn_alone(trail: Trail, found_in: Any) -> None:
    foreign = trail.call(resources=(FOREIGN_ALIAS_ARN,))
    own = trail.call("ReEncrypt", resources=(FOREIGN_ALIAS_ARN, KEY_ARN), alias="alias/payments")
    settled = found_in()
    for name in (ALIAS_ARN, "alias/payments"):
        assert settled.find(("ResourceName", name)) == [own["eventID"]]
    expected = [own["eventID"], foreign["eventID"]]
    assert settled.find(("ResourceName", FOREIGN_ALIAS_ARN)) == expected


def test_a_record_with_many_resources_is_found_by_each_of_them(trail: Trail, found_in: Any) -> None:
    record = trail.call(resources=(KEY_ARN, OTHER_ARN, ALIAS_ARN, BUCKET))
    odd = {**record, "eventID": f"{record['eventID'][:-1]}f"}
    odd["resources"] = [*record["resources"][:3], {"ARN": BUCKET, "type": "AWS::S3::Object"}]
    trail.append(odd)
    settled = found_in()
    for name in (KEY_ARN, OTHER_ARN, "alias/payments", BUCKET):
        assert settled.find(("ResourceName", name)) == [odd["eventID"], record["eventID"]]
    assert settled.find(("ResourceType", "AWS::S3::Object")) == [odd["eventID"]]


def test_attributes_are_joined_by_and(trail: Trail, found_in: Any) -> None:
    calls = {
        (name, user["userName"]): trail.call(name, identity=user)["eventID"]
        for name in ("Encrypt", "Decrypt", "DescribeKey")
        for user in (ALICE, ROBOT)
    }
    settled = found_in()
    for (name, user), event_id in calls.items():
        assert settled.find(("EventName", name), ("Username", user)) == [event_id]
    assert settled.find(("EventName", "Encrypt"), ("EventName", "Decrypt")) == []
    assert settled.find(("EventName", "Encrypt"), ("ReadOnly", "false")) == []


def test_two_resource_names_find_the_calls_that_name_both(trail: Trail, found_in: Any) -> None:
    trail.call(resources=(KEY_ARN,))
    both = trail.call("ReEncrypt", resources=(KEY_ARN, OTHER_ARN))
    trail.call(resources=(OTHER_ARN,))
    found = found_in().find(("ResourceName", KEY_ARN), ("ResourceName", OTHER_ARN))
    assert found == [both["eventID"]]


def test_matches_are_exact_and_case_sensitive(trail: Trail, found_in: Any) -> None:
    trail.call(identity=ALICE, alias="alias/payments")
    settled = found_in()
    for attribute in [
        ("EventName", "encrypt"), ("Username", "alic"), ("ReadOnly", "True"), ("ReadOnly", "1"),
        ("ResourceName", "alias/pay"), ("ResourceName", "payments"), ("AccessKeyId", "akiaalice"),
        ("ResourceName", KEY_ID[1:]), ("ResourceType", "AWS::KMS"), ("EventId", "0"),
    ]:  # fmt: skip
        assert settled.find(attribute) == []


def test_accounts_and_regions_do_not_see_each_other(trail: Trail, found_in: Any) -> None:
    own = trail.call()
    trail.call(account="210987654321")
    trail.call(region="us-east-1")
    settled = found_in()
    for attribute in [
        ("EventName", "Encrypt"), ("EventSource", "kms.amazonaws.com"), ("ReadOnly", "true"),
        ("Username", "root"), ("AccessKeyId", own["userIdentity"]["accessKeyId"]),
        ("ResourceName", KEY_ARN), ("ResourceName", KEY_ID), ("ResourceType", "AWS::KMS::Key"),
    ]:  # fmt: skip
        assert settled.find(attribute, ("ResourceName", KEY_ARN)) == [own["eventID"]]
    foreign = Query(
        account="210987654321", region=REGION, attributes=(("EventId", own["eventID"]),)
    )
    assert settled.lookup.page(foreign, 50).events == ()


def test_data_events_are_not_found(trail: Trail, found_in: Any) -> None:
    management = trail.call()
    trail.append({**management, "eventID": "of-data", "eventCategory": "Data"})
    settled = found_in()
    assert settled.find(("ResourceName", KEY_ARN)) == [management["eventID"]]
    assert settled.find(("EventId", "of-data")) == []


def test_there_are_no_insights(trail: Trail) -> None:
    trail.call()
    asked = Query(account=ACCOUNT, region=REGION, category="insight")
    assert trail.lookup.page(asked, 50).events == ()


def test_both_ends_of_a_time_range_are_included(trail: Trail, found_in: Any) -> None:
    calls = [trail.call(at=second)["eventID"] for second in (9, 10, 10, 11, 3600, 100_000, 100_001)]
    settled = found_in()
    assert settled.find(("EventName", "Encrypt"), start=10, end=10) == [calls[2], calls[1]]
    assert settled.find(("EventName", "Encrypt"), start=11, end=100_000) == calls[5:2:-1]
    assert settled.find(("EventName", "Encrypt"), end=9) == [calls[0]]
    assert settled.find(("EventName", "Encrypt"), start=100_001) == [calls[6]]
    assert settled.find(("EventName", "Encrypt"), start=12, end=3599) == []
    assert settled.find(("EventId", calls[0]), start=10) == []


def test_a_clock_that_was_set_back_hides_nothing(trail: Trail, found_in: Any) -> None:
    seconds = [0, 90_000, 3, 90_001, 7_000, 2, 90_000]
    calls = [(trail.call(at=second)["eventID"], second) for second in seconds]
    settled = found_in()
    for first, last in [(0, 3), (2, 2), (3, 7_000), (90_000, 90_000), (4, 6_999)]:
        expected = [id_ for id_, second in reversed(calls) if first <= second <= last]
        assert settled.find(("EventName", "Encrypt"), start=first, end=last) == expected


def test_events_come_newest_first_and_verbatim(trail: Trail, found_in: Any) -> None:
    for name in ("Encrypt", 'Schlüssel \u2028 "\\\n'):
        trail.call(name)
    page = found_in().page(("ResourceName", KEY_ARN))
    connection = trail.store.read_connection()
    rows = connection.execute("SELECT rowid, state FROM stored_events ORDER BY 1 DESC").fetchall()
    connection.close()
    expected = [(at, state.decode()) for at, state in rows[-2:]]
    assert [(event.position, event.text) for event in page.events] == expected


def test_a_last_page_that_is_full_has_no_next_one(trail: Trail, found_in: Any) -> None:
    for _ in range(6):
        trail.call()
    sizes = [len(page.events) for page in walk(found_in().lookup, query(("Username", "root")), 3)]
    assert sizes == [3, 3]


def test_pages_are_stable_while_the_ledger_and_the_index_grow(trail: Trail) -> None:
    expected = [trail.call()["eventID"] for _ in range(40)][::-1]
    pages = [trail.page(limit=7)]
    while pages[-1].next is not None:
        trail.call()
        trail.index.step()
        trail.call()
        pages.append(trail.page(limit=7, before=pages[-1].next))
    assert ids(pages) == expected


def test_a_caller_finds_a_call_that_is_not_indexed_yet(trail: Trail) -> None:
    trail.call()
    trail.follow()
    last = trail.call()
    assert trail.page(("Username", "root")).events[0].record == last


def test_an_empty_ledger_answers_an_empty_page(trail: Trail) -> None:
    page = trail.page(("EventName", "Encrypt"))
    assert (page.events, page.next) == ((), None)


def test_a_lookup_never_makes_an_index(trail: Trail, tmp_path: Path) -> None:
    del trail
    missing = TrailLookup(tmp_path / "missing.db", tmp_path / "ledger.db")
    with pytest.raises(sqlite3.OperationalError):
        missing.page(query(), 50)
    assert not (tmp_path / "missing.db").exists()


def test_the_last_second_of_the_calendar_can_be_asked_for(trail: Trail) -> None:
    trail.call()
    trail.follow()
    last = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    asked = Query(account=ACCOUNT, region=REGION, start=last, end=last)
    assert trail.lookup.page(asked, 50).events == ()
