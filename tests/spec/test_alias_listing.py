"""ListAliases: what is listed, paging, limits and markers.

Source: KMS API Reference, ListAliases; KMS Developer Guide, "Aliases in AWS KMS".
"""

import base64
import json
from collections.abc import Callable, Sequence

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec.support import alias_arn, invalid, key_arn, members, refusal

INVALID_MARKER = ("InvalidMarkerException", "Invalid marker.")
REGION = "eu-north-1"  # its aliases belong to these tests alone


def name_aliases(kms: KMSClient, key_id: str, names: Sequence[str]) -> None:
    for name in names:
        kms.create_alias(AliasName=f"alias/{key_id}/{name}", TargetKeyId=key_id)


def pages(kms: KMSClient, key_id: str, limit: int) -> list[list[str]]:
    """The ends of the names of a key's aliases, page by page."""
    paginator = kms.get_paginator("list_aliases")
    return [
        [alias["AliasName"].rpartition("/")[2] for alias in page["Aliases"]]
        for page in paginator.paginate(KeyId=key_id, PaginationConfig={"PageSize": limit})
    ]


def test_a_region_without_aliases_lists_nothing(server: RunningServer) -> None:
    answer = server.kms(region="eu-south-1").list_aliases()
    assert members(answer) == {"Aliases": [], "Truncated": False}


def test_all_aliases_of_the_region_are_listed_by_name(server: RunningServer) -> None:
    kms = server.kms(region=REGION)
    ids = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    for name, key_id in (("b", ids[0]), ("B", ids[1]), ("a/z", ids[0]), ("a-z", ids[1])):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key_id)
    answer = kms.list_aliases()
    assert answer["Truncated"] is False
    assert [(alias["AliasName"], alias["TargetKeyId"]) for alias in answer["Aliases"]] == [
        ("alias/B", ids[1]),
        ("alias/a-z", ids[1]),
        ("alias/a/z", ids[0]),
        ("alias/b", ids[0]),
    ]
    arns = [alias["AliasArn"] for alias in answer["Aliases"]]
    assert arns[0] == alias_arn("alias/B", region=REGION)


@pytest.mark.parametrize("form", ["id", "arn"])
def test_the_aliases_of_one_key_are_exactly_its_own(
    kms: KMSClient, key_id: str, named: str, form: str, new_key: Callable[[], str]
) -> None:
    other = new_key()
    kms.create_alias(AliasName=named + "-other", TargetKeyId=other)
    answer = kms.list_aliases(KeyId=key_id if form == "id" else key_arn(key_id))
    assert [alias["AliasName"] for alias in answer["Aliases"]] == [named]
    assert (answer["Truncated"], "NextMarker" in answer) == (False, False)
    assert members(kms.list_aliases(KeyId=new_key())) == {"Aliases": [], "Truncated": False}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1, [["a"], ["b"], ["c"], ["d"], ["e"]]),
        (2, [["a", "b"], ["c", "d"], ["e"]]),
        (5, [["a", "b", "c", "d", "e"]]),
        (100, [["a", "b", "c", "d", "e"]]),
    ],
)
def test_a_paginator_goes_through_all_pages(
    kms: KMSClient, key_id: str, limit: int, expected: list[list[str]]
) -> None:
    name_aliases(kms, key_id, "ecadb")
    assert pages(kms, key_id, limit) == expected


def test_a_page_has_50_aliases_if_no_limit_is_given(server: RunningServer) -> None:
    kms = server.kms(region="eu-west-3")
    ids = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    for number in range(51):
        kms.create_alias(AliasName=f"alias/{number:02}", TargetKeyId=ids[number % 2])
    answer = kms.list_aliases()
    assert (len(answer["Aliases"]), answer["Truncated"]) == (50, True)
    rest = kms.list_aliases(Marker=answer["NextMarker"])
    assert [alias["AliasName"] for alias in rest["Aliases"]] == ["alias/50"]


def test_a_marker_survives_insertions_and_deletions(kms: KMSClient, key_id: str) -> None:
    name_aliases(kms, key_id, "bdf")
    first = kms.list_aliases(KeyId=key_id, Limit=2)
    # Behind the marker, the very alias that it names, and two before it.
    kms.delete_alias(AliasName=f"alias/{key_id}/b")
    kms.delete_alias(AliasName=f"alias/{key_id}/d")
    name_aliases(kms, key_id, "ace")
    second = kms.list_aliases(KeyId=key_id, Limit=2, Marker=first["NextMarker"])
    found = [alias["AliasName"].rpartition("/")[2] for alias in second["Aliases"]]
    assert (found, second["Truncated"]) == (["e", "f"], False)


def test_a_marker_serves_a_page_of_another_size(kms: KMSClient, key_id: str) -> None:
    name_aliases(kms, key_id, "abcd")
    marker = kms.list_aliases(KeyId=key_id, Limit=1)["NextMarker"]
    again = kms.list_aliases(KeyId=key_arn(key_id), Limit=100, Marker=marker)
    assert len(again["Aliases"]) == 3


def test_a_marker_of_another_listing_is_invalid(
    server: RunningServer, kms: KMSClient, key_id: str, new_key: Callable[[], str]
) -> None:
    name_aliases(kms, key_id, "abc")
    marker = kms.list_aliases(KeyId=key_id, Limit=1)["NextMarker"]
    assert refusal(kms.list_aliases, Marker=marker) == INVALID_MARKER
    assert refusal(kms.list_aliases, Marker=marker, KeyId=new_key()) == INVALID_MARKER
    assert refusal(kms.list_keys, Marker=marker) == INVALID_MARKER
    assert refusal(kms.list_resource_tags, KeyId=key_id, Marker=marker) == INVALID_MARKER
    whole = kms.list_aliases(Limit=1)["NextMarker"]
    assert refusal(kms.list_aliases, Marker=whole, KeyId=key_id) == INVALID_MARKER
    elsewhere = server.kms(region="us-west-2")
    assert refusal(elsewhere.list_aliases, Marker=whole) == INVALID_MARKER


def test_every_damage_to_a_marker_is_noticed_or_harmless(kms: KMSClient, key_id: str) -> None:
    name_aliases(kms, key_id, "ab")
    marker = kms.list_aliases(KeyId=key_id, Limit=1)["NextMarker"]
    document = json.loads(base64.urlsafe_b64decode(marker))
    for damaged in (
        document[:-1],
        [*document, "x"],
        [*document[:-1], 7],
        [*document[:-1], "\ud800"],
        {"a": 1},
    ):
        text = base64.urlsafe_b64encode(json.dumps(damaged).encode()).decode()
        assert refusal(kms.list_aliases, KeyId=key_id, Marker=text) == INVALID_MARKER
    for end in range(1, len(marker)):
        found = refusal(kms.list_aliases, KeyId=key_id, Marker=marker[:end])
        assert found == INVALID_MARKER


@pytest.mark.parametrize(
    ("limit", "bound"),
    [
        (0, "greater than or equal to 1"),
        (-5, "greater than or equal to 1"),
        (101, "less than or equal to 100"),
        (1000, "less than or equal to 100"),
    ],
)
def test_a_limit_is_1_to_100(unchecked: KMSClient, limit: int, bound: str) -> None:
    assert refusal(unchecked.list_aliases, Limit=limit) == invalid(
        f"Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"
    )


def test_an_alias_is_listed_as_soon_as_it_exists_and_no_longer(
    kms: KMSClient, key_id: str, alias: str
) -> None:
    for _ in range(5):
        kms.create_alias(AliasName=alias, TargetKeyId=key_id)
        assert len(kms.list_aliases(KeyId=key_id)["Aliases"]) == 1
        kms.delete_alias(AliasName=alias)
        assert kms.list_aliases(KeyId=key_id)["Aliases"] == []
