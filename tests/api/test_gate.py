"""The one door, where what stands behind it fails."""

import asyncio
import json
import sqlite3

import pytest
from botocore.exceptions import ClientError

from tests.server import RunningServer


def drop_policies(cursor: sqlite3.Cursor) -> None:
    cursor.execute("DROP TABLE key_policy_span")


def test_a_change_that_cannot_be_stored_is_recorded_as_refused(own_server: RunningServer) -> None:
    dropping = own_server.keytrail.writer.run(drop_policies)
    asyncio.run_coroutine_threadsafe(dropping, own_server.loop).result(10)
    with pytest.raises(ClientError) as caught:
        own_server.kms().create_key(Description="never stored")
    assert caught.value.response["Error"]["Code"] == "KMSInternalException"
    (event,) = own_server.cloudtrail().lookup_events(MaxResults=1)["Events"]
    record = json.loads(event["CloudTrailEvent"])
    assert (record["eventName"], record["errorCode"]) == ("CreateKey", "KMSInternalException")
    assert record["requestID"] == caught.value.response["ResponseMetadata"]["RequestId"]
    assert own_server.kms().list_keys()["Keys"] == []
