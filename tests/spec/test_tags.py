"""TagResource, UntagResource, ListResourceTags, and the tags of CreateKey.

Source: KMS API Reference, those operations; KMS Developer Guide, "Tags in AWS KMS".
"""

import base64
import json
from collections.abc import Sequence

import pytest
from mypy_boto3_kms import KMSClient
from mypy_boto3_kms.type_defs import TagTypeDef

from tests.spec.support import Ledger, invalid, key_arn, members, refusal

MOST = 50
INVALID_MARKER = ("InvalidMarkerException", "Invalid marker.")
TOO_MANY = ("TagException", "Too many tags")


def tags(*pairs: tuple[str, str]) -> list[TagTypeDef]:
    return [{"TagKey": key, "TagValue": value} for key, value in pairs]


def numbered(count: int) -> list[TagTypeDef]:
    return tags(*((f"tag-{number:02}", str(number)) for number in range(count)))


def listed(kms: KMSClient, key_id: str) -> Sequence[TagTypeDef]:
    return kms.list_resource_tags(KeyId=key_id)["Tags"]


def test_a_key_without_tags_lists_none(kms: KMSClient, key_id: str) -> None:
    answer = kms.list_resource_tags(KeyId=key_id)
    assert members(answer) == {"Tags": [], "Truncated": False}


def test_tags_are_listed_in_the_order_in_which_they_were_added(kms: KMSClient) -> None:
    first = tags(("z", "1"), ("a", "2"))
    key_id = kms.create_key(Tags=first)["KeyMetadata"]["KeyId"]
    assert members(kms.tag_resource(KeyId=key_id, Tags=tags(("m", "")))) == {}
    kms.tag_resource(KeyId=key_arn(key_id), Tags=tags(("a", "3"), ("B", "4")))
    assert listed(kms, key_id) == tags(("z", "1"), ("a", "3"), ("m", ""), ("B", "4"))


def test_the_keys_of_tags_are_case_sensitive(kms: KMSClient, key_id: str) -> None:
    both = tags(("Owner", "x"), ("owner", "X"))
    kms.tag_resource(KeyId=key_id, Tags=both)
    assert listed(kms, key_id) == both
    kms.untag_resource(KeyId=key_id, TagKeys=["OWNER", "owner"])
    assert listed(kms, key_id) == both[:1]


def test_removing_a_tag_that_is_not_there_is_no_error(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    kms.tag_resource(KeyId=key_id, Tags=tags(("a", "1")))
    before = ledger.head
    assert members(kms.untag_resource(KeyId=key_id, TagKeys=["b", "b"])) == {}
    assert ledger.one_record_after(before)["eventName"] == "UntagResource"
    assert listed(kms, key_id) == tags(("a", "1"))


def test_a_tag_that_comes_back_is_the_last_one(kms: KMSClient, key_id: str) -> None:
    kms.tag_resource(KeyId=key_id, Tags=tags(("a", "1"), ("b", "2")))
    kms.untag_resource(KeyId=key_id, TagKeys=["a"])
    kms.tag_resource(KeyId=key_id, Tags=tags(("a", "3")))
    assert listed(kms, key_id) == tags(("b", "2"), ("a", "3"))


def test_a_key_has_at_most_50_tags(kms: KMSClient, key_id: str) -> None:
    kms.tag_resource(KeyId=key_id, Tags=numbered(MOST))
    assert refusal(kms.tag_resource, KeyId=key_id, Tags=tags(("one more", ""))) == TOO_MANY
    kms.tag_resource(KeyId=key_id, Tags=tags(("tag-07", "new")))
    kms.untag_resource(KeyId=key_id, TagKeys=["tag-00"])
    kms.tag_resource(KeyId=key_id, Tags=tags(("one more", "")))
    assert len(listed(kms, key_id)) == MOST


def test_a_new_key_has_at_most_50_tags(kms: KMSClient) -> None:
    key_id = kms.create_key(Tags=numbered(MOST))["KeyMetadata"]["KeyId"]
    assert listed(kms, key_id) == numbered(MOST)
    assert refusal(kms.create_key, Tags=numbered(MOST + 1)) == TOO_MANY


def test_a_tag_key_is_given_once(kms: KMSClient, key_id: str) -> None:
    twice = tags(("a", "1"), ("a", "2"))
    expected = ("TagException", "Duplicate tag keys")
    assert refusal(kms.tag_resource, KeyId=key_id, Tags=twice) == expected
    assert refusal(kms.create_key, Tags=twice) == expected


@pytest.mark.parametrize("tag_key", ["aws:x", "AWS:x", "Aws:", "aWs:createdBy"])
def test_tags_of_aws_are_reserved(kms: KMSClient, key_id: str, tag_key: str) -> None:
    expected = ("TagException", "Tags beginning with aws: are reserved")
    reserved = tags(("mine", ""), (tag_key, ""))
    assert refusal(kms.tag_resource, KeyId=key_id, Tags=reserved) == expected
    assert refusal(kms.create_key, Tags=reserved) == expected
    kms.tag_resource(KeyId=key_id, Tags=tags(("aws-" + tag_key, ""), ("my aws:", "")))


def test_a_tag_key_has_1_to_128_characters_and_a_value_0_to_256(
    kms: KMSClient, unchecked: KMSClient, key_id: str
) -> None:
    kms.tag_resource(KeyId=key_id, Tags=tags(("ä" * 128, "ö" * 256)))
    assert listed(kms, key_id) == tags(("ä" * 128, "ö" * 256))
    wrong = tags(("fine", ""), ("", "x" * 257))
    assert refusal(unchecked.tag_resource, KeyId=key_id, Tags=wrong) == invalid(
        "Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
        f"Value '{'x' * 257}' at 'tags.2.member.tagValue' failed to satisfy constraint: "
        "Member must have length less than or equal to 256",
    )


def test_a_tag_has_a_key_and_a_value(unchecked: KMSClient, key_id: str) -> None:
    found = refusal(unchecked.tag_resource, KeyId=key_id, Tags=[{"TagKey": "a"}])
    assert found == invalid(
        "Value null at 'tags.1.member.tagValue' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_tags_and_tag_keys_must_be_given(unchecked: KMSClient, key_id: str) -> None:
    text = "Value null at '{}' failed to satisfy constraint: Member must not be null"
    assert refusal(unchecked.tag_resource, KeyId=key_id) == invalid(text.format("tags"))
    assert refusal(unchecked.untag_resource, KeyId=key_id) == invalid(text.format("tagKeys"))


def test_no_tags_at_all_are_no_change(kms: KMSClient, ledger: Ledger, key_id: str) -> None:
    before = ledger.head
    kms.tag_resource(KeyId=key_id, Tags=[])
    assert ledger.one_record_after(before)["eventName"] == "TagResource"


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 1]), (5, [5]), (50, [5])])
def test_a_paginator_goes_through_all_tags(kms: KMSClient, limit: int, sizes: list[int]) -> None:
    key_id = kms.create_key(Tags=numbered(5))["KeyMetadata"]["KeyId"]
    paginator = kms.get_paginator("list_resource_tags")
    pages = list(paginator.paginate(KeyId=key_id, PaginationConfig={"PageSize": limit}))
    assert [len(page["Tags"]) for page in pages] == sizes
    assert [tag for page in pages for tag in page["Tags"]] == numbered(5)
    assert [page["Truncated"] for page in pages] == [True] * (len(sizes) - 1) + [False]


def test_a_marker_of_tags_survives_changes_between_pages(kms: KMSClient) -> None:
    key_id = kms.create_key(Tags=numbered(4))["KeyMetadata"]["KeyId"]
    marker = kms.list_resource_tags(KeyId=key_id, Limit=2)["NextMarker"]
    kms.untag_resource(KeyId=key_id, TagKeys=["tag-00", "tag-01"])
    kms.tag_resource(KeyId=key_id, Tags=tags(("last", "")))
    rest = kms.list_resource_tags(KeyId=key_id, Limit=50, Marker=marker)["Tags"]
    assert rest == [*numbered(4)[2:], *tags(("last", ""))]


@pytest.mark.parametrize(
    ("limit", "bound"), [(0, "greater than or equal to 1"), (51, "less than or equal to 50")]
)
def test_a_limit_is_1_to_50(unchecked: KMSClient, key_id: str, limit: int, bound: str) -> None:
    assert refusal(unchecked.list_resource_tags, KeyId=key_id, Limit=limit) == invalid(
        f"Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"
    )


@pytest.mark.parametrize("place", ["-1", "x", "", "1.5", "²", "9" * 20, "9" * 200])
def test_a_marker_that_was_not_given_out_is_invalid(kms: KMSClient, place: str) -> None:
    key_id = kms.create_key(Tags=numbered(2))["KeyMetadata"]["KeyId"]
    marker = kms.list_resource_tags(KeyId=key_id, Limit=1)["NextMarker"]
    document = json.loads(base64.urlsafe_b64decode(marker))
    forged = base64.urlsafe_b64encode(json.dumps([*document[:-1], place]).encode()).decode()
    assert refusal(kms.list_resource_tags, KeyId=key_id, Marker=forged) == INVALID_MARKER


def test_a_marker_of_the_tags_of_another_key_is_invalid(kms: KMSClient, key_id: str) -> None:
    other = kms.create_key(Tags=numbered(2))["KeyMetadata"]["KeyId"]
    marker = kms.list_resource_tags(KeyId=other, Limit=1)["NextMarker"]
    assert refusal(kms.list_resource_tags, KeyId=key_id, Marker=marker) == INVALID_MARKER
