"""One server, several accounts and regions: what belongs to one is invisible to the others.

Source: KMS Developer Guide, "Key identifiers"; Keytrail: the access key names the account, the
signed region the region.
"""

from typing import NamedTuple

import pytest
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT, REGION, RunningServer
from tests.spec.conftest import OTHER_ACCOUNT, TwoAccounts
from tests.spec.support import (
    Ledger,
    alias_arn,
    event_id,
    key_arn,
    members,
    refusal,
    refused,
)

OTHER_REGION = "us-east-1"


class Side(NamedTuple):
    """An account in a region, with one key and one alias that all have."""

    kms: KMSClient
    cloudtrail: CloudTrailClient
    account: str
    region: str
    key_id: str


@pytest.fixture(scope="module")
def sides(two_accounts: TwoAccounts) -> dict[str, Side]:
    """The same alias made in each account and region."""
    server = two_accounts.server
    found = {}
    for name, key, account, region in (
        ("own", two_accounts.own, ACCOUNT, "eu-west-1"),
        ("own elsewhere", two_accounts.own, ACCOUNT, OTHER_REGION),
        ("other", two_accounts.other, OTHER_ACCOUNT, "eu-west-1"),
        ("other elsewhere", two_accounts.other, OTHER_ACCOUNT, OTHER_REGION),
    ):
        kms, cloudtrail = server.kms(region, key), server.cloudtrail(region, key)
        key_id = kms.create_key(Description=name)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/payments", TargetKeyId=key_id)
        found[name] = Side(kms, cloudtrail, account, region, key_id)
    return found


SIDES = ["own", "own elsewhere", "other", "other elsewhere"]


@pytest.mark.parametrize("name", SIDES)
def test_a_key_carries_the_account_and_the_region_of_its_maker(
    sides: dict[str, Side], name: str
) -> None:
    side = sides[name]
    metadata = side.kms.describe_key(KeyId="alias/payments")["KeyMetadata"]
    assert metadata["AWSAccountId"] == side.account
    assert metadata["Arn"] == key_arn(side.key_id, side.region, side.account)


@pytest.mark.parametrize("name", SIDES)
def test_everybody_lists_only_what_is_theirs(sides: dict[str, Side], name: str) -> None:
    side = sides[name]
    keys = side.kms.list_keys()["Keys"]
    assert keys == [
        {"KeyId": side.key_id, "KeyArn": key_arn(side.key_id, side.region, side.account)}
    ]
    (alias,) = side.kms.list_aliases()["Aliases"]
    assert alias["AliasArn"] == alias_arn("alias/payments", side.region, side.account)
    assert alias["TargetKeyId"] == side.key_id


@pytest.mark.parametrize("name", SIDES)
def test_a_bare_key_id_of_somebody_else_names_nothing(sides: dict[str, Side], name: str) -> None:
    side = sides[name]
    for other in SIDES:
        if other != name:
            key_id = sides[other].key_id
            arn = key_arn(key_id, side.region, side.account)
            expected = ("NotFoundException", f"Key '{arn}' does not exist")
            assert refusal(side.kms.describe_key, KeyId=key_id) == expected
            assert refusal(side.kms.encrypt, KeyId=key_id, Plaintext=b"x") == expected
            assert refusal(side.kms.list_aliases, KeyId=key_id) == expected


def test_a_ciphertext_opens_only_where_it_was_made(sides: dict[str, Side]) -> None:
    blob = sides["own"].kms.encrypt(KeyId="alias/payments", Plaintext=b"x")["CiphertextBlob"]
    assert sides["own"].kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    for name in SIDES[1:]:
        kms = sides[name].kms
        assert refusal(kms.decrypt, CiphertextBlob=blob).code == "AccessDeniedException"
        found = refusal(kms.decrypt, CiphertextBlob=blob, KeyId="alias/payments")
        assert found.code == "IncorrectKeyException"


def test_moving_an_alias_moves_no_other_of_that_name(sides: dict[str, Side]) -> None:
    own = sides["own elsewhere"]
    target = own.kms.create_key()["KeyMetadata"]["KeyId"]
    own.kms.update_alias(AliasName="alias/payments", TargetKeyId=target)
    for name in ("own", "other", "other elsewhere"):
        metadata = sides[name].kms.describe_key(KeyId="alias/payments")["KeyMetadata"]
        assert metadata["KeyId"] == sides[name].key_id
    own.kms.update_alias(AliasName="alias/payments", TargetKeyId=own.key_id)
    own.kms.schedule_key_deletion(KeyId=target)


@pytest.mark.parametrize("name", SIDES)
def test_a_record_is_found_only_in_its_account_and_region(
    sides: dict[str, Side], name: str
) -> None:
    made = event_id(sides[name].kms.describe_key(KeyId="alias/payments"))
    for other in SIDES:
        events = sides[other].cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": made}]
        )["Events"]
        assert [event["EventId"] for event in events] == ([made] if other == name else [])


def test_a_name_that_all_have_finds_only_the_events_of_one(sides: dict[str, Side]) -> None:
    for side in sides.values():
        events = side.cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "alias/payments"}]
        )["Events"]
        assert events
        for event in events:
            assert f'"recipientAccountId":"{side.account}"' in event["CloudTrailEvent"]
            assert f'"awsRegion":"{side.region}"' in event["CloudTrailEvent"]


def test_a_call_about_a_foreign_key_is_recorded_with_its_caller_alone(
    two_accounts: TwoAccounts, sides: dict[str, Side]
) -> None:
    own, other = sides["own"], sides["other"]
    foreign = key_arn(other.key_id, other.region, other.account)
    ledger = Ledger(two_accounts.server)
    before = ledger.head
    answer = refused(own.kms.encrypt, KeyId=foreign, Plaintext=b"x")
    record = ledger.one_record_after(before)
    ledger.close()
    assert (record["errorCode"], record["recipientAccountId"]) == ("AccessDenied", ACCOUNT)
    assert record["requestParameters"]["keyId"] == foreign
    found = other.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": event_id(answer)}]
    )
    assert members(found) == {"Events": []}


def test_the_region_is_the_signed_one_and_not_the_host(server: RunningServer) -> None:
    for region in ("us-gov-west-1", "cn-north-1", "ap-southeast-7"):
        arn = server.kms(region).create_key()["KeyMetadata"]["Arn"]
        assert arn.split(":")[3] == region
    assert REGION not in arn
