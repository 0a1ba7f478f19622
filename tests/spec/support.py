"""What the tests of the protocol share: refusals of boto3's clients, and the records of calls."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_cloudtrail import CloudTrailClient

from ledger.codec import RECORD_TOPIC, decode_record
from ledger.reader import Reader
from tests.server import ACCOUNT, REGION, RunningServer

Json = dict[str, Any]

MISSING_KEY = "12345678-1234-1234-1234-123456789012"
KEY_TYPE = "AWS::KMS::Key"


def key_arn(key_id: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def alias_arn(name: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:kms:{region}:{account}:{name}"


class Refusal(NamedTuple):
    """An error's name, and its text; an absent text is empty here."""

    code: str
    message: str


def refused(call: Callable[..., object], /, **members: Any) -> Any:
    """The answer to a call that fails as a client's mistake: status 400, with a request id."""
    with pytest.raises(ClientError) as raised:
        call(**members)
    answer = raised.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert str(UUID(request_id)) == request_id
    return answer


def refusal(call: Callable[..., object], /, **members: Any) -> Refusal:
    """The error of a call that fails as a client's mistake."""
    error = refused(call, **members)["Error"]
    return Refusal(error["Code"], error["Message"])


def invalid(*failures: str) -> Refusal:
    """The refusal that names broken constraints."""
    plural = "s" if len(failures) > 1 else ""
    return Refusal(
        "ValidationException",
        f"{len(failures)} validation error{plural} detected: {'; '.join(failures)}",
    )


def members(answer: Mapping[str, Any]) -> Json:
    """The members of an answer, without what boto3 adds."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def event_id(answer: Mapping[str, Any]) -> str:
    """The id of the record that the answer points to."""
    found: str = answer["ResponseMetadata"]["HTTPHeaders"]["x-keytrail-event-id"]
    return found


class Told(NamedTuple):
    """What a record tells of a call, beside who made it and when."""

    name: str
    parameters: Json | None
    elements: Json | None = None
    additional: Mapping[str, object] = {}  # without our own part
    resources: Sequence[str] = ()
    read_only: bool = True


def told(record: Json) -> Told:
    """Take from a record what differs between operations."""
    for resource in record["resources"]:
        assert resource["type"] == KEY_TYPE
        assert resource["accountId"] == resource["ARN"].split(":")[4]
    additional = dict(record["additionalEventData"])
    del additional["keytrail"]
    return Told(
        name=record["eventName"],
        parameters=record["requestParameters"],
        elements=record["responseElements"],
        additional=additional,
        resources=tuple(resource["ARN"] for resource in record["resources"]),
        read_only=record["readOnly"],
    )


class Ledger:
    """The rows of a server's ledger, read beside it."""

    def __init__(self, server: RunningServer) -> None:
        self._connection = server.keytrail.store.read_connection()
        self._reader = Reader(self._connection)

    def close(self) -> None:
        self._connection.close()

    @property
    def head(self) -> int:
        """The position of the newest row."""
        return self._reader.head()

    def rows_after(self, position: int) -> list[str]:
        """The topics of the rows after a position."""
        return [row.topic for row in self._reader.page(position, 1_000)]

    def records_after(self, position: int) -> list[Json]:
        """The records after a position, oldest first."""
        rows = self._reader.page(position, 1_000)
        return [decode_record(row.stored) for row in rows if row.topic == RECORD_TOPIC]

    def all_records_after(self, position: int) -> Iterator[Json]:
        """The records after a position, however many."""
        while rows := self._reader.page(position, 1_000):
            position = rows[-1].position
            yield from (decode_record(row.stored) for row in rows if row.is_record)

    def one_record_after(self, position: int) -> Json:
        """The record of one call that changed nothing, which is all that it left."""
        assert self.rows_after(position) == [RECORD_TOPIC]
        return self.records_after(position)[0]

    def text(self, answer: Mapping[str, Any]) -> str:
        """The stored text of the record that an answer points to."""
        row = self._reader.by_event_id(event_id(answer))
        assert row is not None
        index = answer["ResponseMetadata"]["HTTPHeaders"]["x-keytrail-index"]
        assert int(index) == row.position - 1
        return row.state.decode()

    def record(self, answer: Mapping[str, Any]) -> Json:
        """The record of the call that got this answer."""
        record: Json = json.loads(self.text(answer))
        assert record["requestID"] == answer["ResponseMetadata"]["RequestId"]
        return record

    def told(self, answer: Mapping[str, Any]) -> Told:
        """What the record of the call that got this answer tells of it."""
        return told(self.record(answer))


class Recorded:
    """Finds the record of a call as an auditor does, and compares it with the stored one."""

    def __init__(self, cloudtrail: CloudTrailClient, ledger: Ledger) -> None:
        self._cloudtrail = cloudtrail
        self._ledger = ledger

    def __call__(self, answer: Mapping[str, Any]) -> Json:
        """The record of the call that got this answer."""
        (event,) = self._cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": event_id(answer)}]
        )["Events"]
        assert event["CloudTrailEvent"] == self._ledger.text(answer)
        return self._ledger.record(answer)

    def told(self, answer: Mapping[str, Any]) -> Told:
        """What the record of the call that got this answer tells of it."""
        return told(self(answer))
