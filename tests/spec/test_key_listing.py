"""ListKeys: paging, limits and markers.

Source: KMS API Reference, ListKeys; the service model's paginators.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer
from tests.spec.support import invalid, key_arn, members, refusal

REGION = "ap-south-1"  # its keys belong to these tests alone
KEYS = 5
EVERYBODY = ("SELF", "OTHER_ACCOUNTS_VIA_RAM")


@pytest.fixture(scope="module")
def listing(server: RunningServer) -> KMSClient:
    """A client of a region with five keys."""
    kms = server.kms(region=REGION)
    for _ in range(KEYS):
        kms.create_key()
    return kms


def owners(*names: str) -> dict[str, Any]:
    """The member ResourceOwners, which is newer than the type stubs."""
    return {"ResourceOwners": names}


def ids(kms: KMSClient, limit: int) -> Iterator[list[str]]:
    for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": limit}):
        yield [key["KeyId"] for key in page["Keys"]]


def test_a_region_without_keys_lists_nothing(server: RunningServer) -> None:
    answer = server.kms(region="sa-east-1").list_keys()
    assert members(answer) == {"Keys": [], "Truncated": False}


def test_all_keys_are_listed_with_their_arns(listing: KMSClient) -> None:
    answer = listing.list_keys()
    assert set(members(answer)) == {"Keys", "Truncated"}
    assert len(answer["Keys"]) == KEYS
    for key in answer["Keys"]:
        assert key == {"KeyId": key["KeyId"], "KeyArn": key_arn(key["KeyId"], region=REGION)}


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (1000, [5])])
def test_pages_have_the_size_of_the_limit(listing: KMSClient, limit: int, sizes: list[int]) -> None:
    pages = list(ids(listing, limit))
    assert [len(page) for page in pages] == sizes
    assert len({key_id for page in pages for key_id in page}) == KEYS


def test_a_page_before_the_last_is_truncated_and_has_a_marker(listing: KMSClient) -> None:
    first = listing.list_keys(Limit=KEYS - 1)
    assert first["Truncated"] is True
    last = listing.list_keys(Limit=KEYS - 1, Marker=first["NextMarker"])
    assert (last["Truncated"], "NextMarker" in last, len(last["Keys"])) == (False, False, 1)


@pytest.mark.parametrize(
    ("limit", "bound"),
    [
        (0, "greater than or equal to 1"),
        (-1, "greater than or equal to 1"),
        (1001, "less than or equal to 1000"),
    ],
)
def test_a_limit_is_1_to_1000(unchecked: KMSClient, limit: int, bound: str) -> None:
    assert refusal(unchecked.list_keys, Limit=limit) == invalid(
        f"Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"
    )


def test_a_marker_of_another_region_owner_or_listing_is_invalid(
    listing: KMSClient, kms: KMSClient
) -> None:
    marker = listing.list_keys(Limit=1)["NextMarker"]
    expected = ("InvalidMarkerException", "Invalid marker.")
    assert refusal(kms.list_keys, Marker=marker) == expected
    assert refusal(listing.list_aliases, Marker=marker) == expected
    assert refusal(listing.list_keys, Marker=marker, **owners(*EVERYBODY)) == expected
    assert listing.list_keys(Marker=marker, **owners("SELF"))["Keys"]


@pytest.mark.parametrize("marker", ["x", "bm9uZQ==", "W10=", "é", "A" * 1024, "bnVsbA=="])
def test_a_damaged_marker_is_invalid(kms: KMSClient, marker: str) -> None:
    assert refusal(kms.list_keys, Marker=marker) == ("InvalidMarkerException", "Invalid marker.")


def test_a_marker_has_1_to_1024_characters(unchecked: KMSClient) -> None:
    assert refusal(unchecked.list_keys, Marker="").code == "ValidationException"
    assert refusal(unchecked.list_keys, Marker="A" * 1025).code == "ValidationException"


def test_no_other_account_shares_its_keys(listing: KMSClient) -> None:
    everybody = listing.list_keys(**owners(*EVERYBODY))
    assert len(everybody["Keys"]) == KEYS
    others = listing.list_keys(**owners("OTHER_ACCOUNTS_VIA_RAM"))
    assert members(others) == {"Keys": [], "Truncated": False}


def test_the_owners_are_one_or_two_of_the_enumeration(unchecked: KMSClient) -> None:
    for owners in ([], ["SELF"] * 3, ["FRIENDS"]):
        assert refusal(unchecked.list_keys, ResourceOwners=owners).code == "ValidationException"


def test_pages_stay_whole_while_keys_are_made(server: RunningServer) -> None:
    kms = server.kms(region="ap-south-2")
    before = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(4)}
    listed: list[str] = []
    for number, page in enumerate(ids(kms, 1)):
        listed += page
        if number < len(before):
            kms.create_key()
    assert len(listed) == len(set(listed))
    assert before <= set(listed)
