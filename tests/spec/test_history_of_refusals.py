"""Every call leaves exactly one record, whatever becomes of it.

Source: Keytrail's first promise: for each call one record, durable before its answer.
"""

import base64
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_kms import KMSClient

from api.actions import BY_TARGET
from tests.server import RunningServer
from tests.spec import raw
from tests.spec.support import MISSING_KEY, Ledger, event_id, refused

CLIENTS = 16
CALLS_OF_A_CLIENT = 63  # a thousand and eight in all
OPERATIONS = {action.name: action for action in BY_TARGET.values()}


def mixed_call(kms: KMSClient, key_id: str, number: int) -> dict[str, Any]:
    """One of several calls; some change something, some are refused."""
    calls: list[Any] = [
        lambda: kms.encrypt(KeyId=key_id, Plaintext=b"x"),
        lambda: kms.describe_key(KeyId=MISSING_KEY),
        lambda: kms.update_key_description(KeyId=key_id, Description=str(number)),
        lambda: kms.generate_random(NumberOfBytes=1),
        lambda: kms.create_alias(AliasName=f"alias/race/{number % 7}", TargetKeyId=key_id),
        lambda: kms.delete_alias(AliasName=f"alias/race/{number % 7}"),
        lambda: kms.decrypt(CiphertextBlob=b"none"),
    ]
    try:
        answer: dict[str, Any] = calls[number % len(calls)]()
    except ClientError as error:
        return dict(error.response)
    return answer


def test_a_thousand_mixed_concurrent_calls_leave_a_thousand_records(
    server: RunningServer, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head

    def run(client: int) -> list[str]:
        kms = server.kms()
        first = client * CALLS_OF_A_CLIENT
        return [
            event_id(mixed_call(kms, key_id, number))
            for number in range(first, first + CALLS_OF_A_CLIENT)
        ]

    with ThreadPoolExecutor(CLIENTS) as threads:
        answered = [one for ids in threads.map(run, range(CLIENTS)) for one in ids]
    recorded = [record["eventID"] for record in ledger.all_records_after(before)]
    assert len(answered) == CLIENTS * CALLS_OF_A_CLIENT
    assert Counter(answered) == Counter(recorded)
    assert set(Counter(recorded).values()) == {1}


def test_a_refusal_is_found_by_its_caller_at_once(
    cloudtrail: CloudTrailClient, kms: KMSClient
) -> None:
    for call, members in (
        (kms.describe_key, {"KeyId": MISSING_KEY}),
        (kms.describe_key, {"KeyId": "alias/none"}),
        (kms.create_key, {"KeySpec": "NONE"}),
    ):
        answer = refused(call, **members)
        (event,) = cloudtrail.lookup_events(MaxResults=1)["Events"]
        assert event["EventId"] == event_id(answer)
        code = answer["Error"]["Code"]
        assert f'"errorCode":"{code}"' in event["CloudTrailEvent"]


def test_a_call_of_nobody_is_found_by_the_home_account(
    server: RunningServer, cloudtrail: CloudTrailClient
) -> None:
    headers = raw.signed(server, raw.Request())
    nobody = server.key.access_key_id + "XX"
    authorization = headers["Authorization"]
    headers["Authorization"] = authorization.replace(server.key.access_key_id, nobody)
    answer = raw.exchange(server, raw.Request(), headers)
    (event,) = cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": nobody}],
        MaxResults=1,
    )["Events"]
    assert event["EventId"] == answer.headers["x-keytrail-event-id"]
    assert "Username" not in event


def test_calls_are_recorded_in_the_order_of_their_answers(
    kms: KMSClient, ledger: Ledger, key_id: str
) -> None:
    before = ledger.head
    answered = [event_id(mixed_call(kms, key_id, number)) for number in range(30)]
    assert [record["eventID"] for record in ledger.records_after(before)] == answered


# --- whatever is sent ----------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["alias/x", "alias/aws/x", "alias/:", "arn:aws:kms:::", MISSING_KEY, "\0", "SELF",
         "insight", "EventId", "ResourceName", "SYMMETRIC_DEFAULT", "IGNORE_CIPHERTEXT", "AES_256"]
    ),
)  # fmt: skip
NUMBERS = st.one_of(st.sampled_from([0, 1, 7, 50, 1000, -1]), st.integers(-(2**31), 2**31 - 1))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)


BLOBS = st.binary(max_size=300).map(lambda value: base64.b64encode(value).decode())
PLAIN: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.StrType: TEXTS,
    inspect.BytesType: BLOBS,
    inspect.IntType: NUMBERS,
    inspect.FloatType: NUMBERS,
    inspect.BoolType: st.booleans(),
    inspect.NoneType: st.none(),
    inspect.DictType: st.dictionaries(TEXTS, TEXTS, max_size=3),
}


def values_of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a member's JSON type, sensible or not."""
    match kind:
        case inspect.VarTupleType(item_type=item):
            return st.lists(values_of(item), max_size=3)
        case inspect.StructType():
            return requests_of(kind)
        case inspect.UnionType(types=types):
            return st.one_of(*(values_of(one) for one in types))
    return PLAIN[type(kind)]


def requests_of(shape: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    members = {field.encode_name: values_of(field.type) for field in shape.fields}
    return st.fixed_dictionaries({}, optional=members)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_is_sent_is_answered_or_the_clients_mistake_and_leaves_one_record(
    server: RunningServer, ledger: Ledger, operation: str
) -> None:
    action = OPERATIONS[operation]
    shape = inspect.type_info(action.shape)
    assert isinstance(shape, inspect.StructType)
    wrong = st.dictionaries(
        st.sampled_from([field.encode_name for field in shape.fields]), ANYTHING
    )

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.one_of(requests_of(shape), requests_of(shape), wrong))
    def send(body: dict[str, object]) -> None:
        before = ledger.head
        content = json.dumps(body).encode()
        request = raw.Request(target=action.target, service=action.service, body=content)
        assert raw.send(server, request).status in {200, 400}
        assert [one["eventName"] for one in ledger.records_after(before)] == [operation]

    send()
