"""What every record has in common: who, when, from where, in which order of fields.

Source: CloudTrail User Guide, "CloudTrail record contents for management, data, and network
activity events", eventVersion 1.11.
"""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from mypy_boto3_kms import KMSClient

from tests.server import ACCOUNT, REGION, RunningServer
from tests.spec import raw
from tests.spec.support import MISSING_KEY, Ledger, Recorded, alias_arn, key_arn, refused

FIELDS = [
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "requestID",
    "eventID",
    "readOnly",
    "resources",
    "eventType",
    "managementEvent",
    "recipientAccountId",
    "eventCategory",
]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_a_record_of_success_has_these_fields_in_this_order(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    assert list(recorded(kms.encrypt(KeyId=key_id, Plaintext=b"x"))) == FIELDS
    assert list(recorded(kms.enable_key(KeyId=key_id))) == FIELDS


def test_a_record_of_failure_has_the_error_before_the_parameters(
    kms: KMSClient, recorded: Recorded
) -> None:
    answer = refused(kms.describe_key, KeyId=MISSING_KEY)
    record = recorded(answer)
    expected = [*FIELDS[:8], "errorCode", "errorMessage", *FIELDS[8:]]
    assert list(record) == expected
    assert record["errorCode"] == "NotFoundException"
    assert record["errorMessage"] == answer["Error"]["Message"]
    assert (record["requestParameters"], record["responseElements"]) == (
        {"keyId": MISSING_KEY},
        None,
    )


def test_a_record_says_who_called_from_where(
    server: RunningServer, kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    record = recorded(kms.encrypt(KeyId=key_id, Plaintext=b"x"))
    assert record["userIdentity"] == {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:root",
        "accountId": ACCOUNT,
        "accessKeyId": server.key.access_key_id,
    }
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert record["userAgent"].startswith("Boto3/")
    assert (record["recipientAccountId"], record["awsRegion"]) == (ACCOUNT, REGION)
    assert record["resources"] == [
        {"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key_arn(key_id)}
    ]


def test_a_record_has_the_constants_that_rules_read(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    record = recorded(kms.encrypt(KeyId=key_id, Plaintext=b"x"))
    assert record["eventVersion"] == "1.11"
    assert record["eventSource"] == "kms.amazonaws.com"
    assert record["eventType"] == "AwsApiCall"
    assert record["eventCategory"] == "Management"
    assert record["managementEvent"] is True
    assert record["readOnly"] is True


def test_a_record_is_named_by_the_headers_of_its_answer(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    answer = kms.encrypt(KeyId=key_id, Plaintext=b"x")
    record, headers = recorded(answer), answer["ResponseMetadata"]["HTTPHeaders"]
    assert record["requestID"] == headers["x-amzn-requestid"]
    assert record["eventID"] == headers["x-keytrail-event-id"]
    assert UUID(record["requestID"]) != UUID(record["eventID"])


def test_a_record_has_whole_seconds_and_our_part_has_microseconds(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    record = recorded(kms.encrypt(KeyId=key_id, Plaintext=b"x"))
    completed = datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert before <= completed <= datetime.now(UTC)
    instant = record["additionalEventData"]["keytrail"]["t"]
    assert INSTANT.fullmatch(instant)
    assert timedelta() <= datetime.fromisoformat(instant) - completed < timedelta(seconds=1)


def test_our_part_of_a_record_names_node_dialect_and_decision(
    kms: KMSClient, recorded: Recorded, key_id: str
) -> None:
    answer = kms.encrypt(KeyId=key_id, Plaintext=b"x")
    part = recorded(answer)["additionalEventData"]["keytrail"]
    assert set(part) == {"t", "node", "dialect", "authz"}
    assert (part["node"], part["dialect"]) == ("test-node", "aws")
    view = answer["ResponseMetadata"]["HTTPHeaders"]["x-keytrail-authz-view"]
    assert part["authz"]["view"] == view
    position, _, instant = view.partition("@")
    assert int(position) > 0
    assert INSTANT.fullmatch(instant)


def test_our_part_of_a_change_says_when_it_takes_effect(
    kms: KMSClient, recorded: Recorded, key_id: str, alias: str
) -> None:
    answer = kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    part = recorded(answer)["additionalEventData"]["keytrail"]
    assert INSTANT.fullmatch(part["effectiveAt"])
    assert part["effectiveAt"] <= part["t"]


def test_no_record_holds_its_own_position(kms: KMSClient, recorded: Recorded, key_id: str) -> None:
    answer = kms.encrypt(KeyId=key_id, Plaintext=b"x")
    index = int(answer["ResponseMetadata"]["HTTPHeaders"]["x-keytrail-index"])
    part = recorded(answer)["additionalEventData"]["keytrail"]
    assert not {str(index), index, index + 1} & set(map(str, part.values()))


@pytest.mark.parametrize("length", [0, 1024, 5000])
def test_a_user_agent_is_cut_at_1024_characters(
    server: RunningServer, ledger: Ledger, length: int
) -> None:
    before, agent = ledger.head, "a" * length
    headers = {"Content-Type": raw.CONTENT_TYPE, "User-Agent": agent}
    assert raw.send(server, raw.Request(headers=headers)).status == 200
    assert ledger.one_record_after(before)["userAgent"] == agent[:1024]


def test_an_error_message_is_cut_at_1024_characters(kms: KMSClient, recorded: Recorded) -> None:
    answer = refused(kms.describe_key, KeyId="k" * 2000)
    assert len(answer["Error"]["Message"]) > 1024
    assert recorded(answer)["errorMessage"] == answer["Error"]["Message"][:1024]
    assert recorded(answer)["requestParameters"] == {"keyId": "k" * 2000}


def test_a_failure_keeps_the_resources_that_were_found(
    kms: KMSClient, recorded: Recorded, key_id: str, named: str
) -> None:
    answer = refused(kms.create_alias, AliasName=named, TargetKeyId=key_id)
    record = recorded(answer)
    arns = [resource["ARN"] for resource in record["resources"]]
    assert arns == [key_arn(key_id), alias_arn(named)]
    assert record["requestParameters"] == {"aliasName": named, "targetKeyId": key_id}
    assert (record["readOnly"], record["responseElements"]) == (False, None)


def test_a_failed_change_has_its_record_and_no_event(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head
    refused(kms.cancel_key_deletion, KeyId=key_id)
    record = ledger.one_record_after(before)
    assert record["errorCode"] == "KMSInvalidStateException"
    assert record["errorMessage"] == f"{key_arn(key_id)} is not pending deletion."


def test_a_change_has_its_event_right_before_its_record(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head
    answer = kms.disable_key(KeyId=key_id)
    assert ledger.rows_after(before) == ["keytrail.KeyDisabled.v1", "keytrail.Record.v1"]
    assert ledger.record(answer)["eventName"] == "DisableKey"
