"""The ledger cannot be written: 503 and nothing else, then everything again without a restart."""

import asyncio
import json
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from api.provision import LEDGER_FILE, AccessKey
from tests.faults.process import (
    KMS,
    Answer,
    Server,
    Wire,
    altered,
    eventually,
    init,
    records_of,
    serving,
    stuck_ledger,
)
from tests.server import RunningServer

CallMade = tuple[str, dict[str, object]]

SECRET = b"a plaintext that nobody may see"


@contextmanager
def disk_full(server: RunningServer) -> Iterator[None]:
    """SQLite's own limit on the size of the ledger, at its present size."""

    def limit(pages: int) -> Callable[[sqlite3.Cursor], object]:
        return lambda cursor: cursor.execute(f"PRAGMA max_page_count = {pages}")

    def run(job: Callable[[sqlite3.Cursor], object]) -> None:
        waiting = server.keytrail.writer.run(job)
        asyncio.run_coroutine_threadsafe(waiting, server.loop).result(30)

    run(limit(1))
    try:
        yield
    finally:
        run(limit(1_000_000))


@contextmanager
def failing_disk(server: Server, data: Path) -> Iterator[None]:
    """The kernel lets none of the server's files grow beyond the ledger's log as it is now."""
    size = Path(f"{data / LEDGER_FILE}-wal").stat().st_size
    unlimited = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited)


class Prepared:
    """A key, an alias and a ciphertext from before the failure, and every kind of call."""

    def __init__(self, wire: Wire) -> None:
        self.key_id = wire.call("CreateKey").json["KeyMetadata"]["KeyId"]
        wire.call("CreateAlias", AliasName="alias/before", TargetKeyId=self.key_id)
        encrypted = wire.call("Encrypt", KeyId=self.key_id, Plaintext=SECRET)
        self.blob = encrypted.json["CiphertextBlob"]
        self.calls: list[CallMade] = [
            ("CreateKey", {}),
            ("CreateAlias", {"AliasName": "alias/during", "TargetKeyId": self.key_id}),
            ("DeleteAlias", {"AliasName": "alias/before"}),
            ("DisableKey", {"KeyId": self.key_id}),
            ("ScheduleKeyDeletion", {"KeyId": self.key_id}),
            ("TagResource", {"KeyId": self.key_id, "Tags": [{"TagKey": "a", "TagValue": "b"}]}),
            ("Encrypt", {"KeyId": self.key_id, "Plaintext": SECRET}),
            ("Decrypt", {"CiphertextBlob": self.blob}),
            ("GenerateDataKey", {"KeyId": self.key_id, "KeySpec": "AES_256"}),
            ("GenerateRandom", {"NumberOfBytes": 32}),
            ("ListKeys", {}),
            ("Decrypt", {"CiphertextBlob": b"none of ours"}),
            ("NoSuchOperation", {}),
        ]

    def visible(self, wire: Wire) -> list[object]:
        """What a client sees of the state that the calls would change."""
        return [
            wire.call("ListKeys").json["Keys"],
            wire.call("ListAliases").json["Aliases"],
            wire.call("DescribeKey", KeyId=self.key_id).json["KeyMetadata"],
            wire.call("ListResourceTags", KeyId=self.key_id).json["Tags"],
            wire.call("Decrypt", CiphertextBlob=self.blob).json["Plaintext"],
        ]


def until_full(wire: Wire) -> int:
    """Use up the last page with the smallest record there is; how many 503s that gave."""
    for _ in range(1_000):
        if wire.send("", b"", signed=False).status == 503:
            return 1
    raise AssertionError("the ledger did not become full")


def all_at_once(server: RunningServer | Server, calls: list[CallMade]) -> list[Answer]:
    """Each of these calls, on a connection of its own."""

    def one(call: CallMade) -> Answer:
        with closing(Wire(server.endpoint, server.key)) as wire:
            return wire.call(call[0], **call[1])

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(one, calls))


def assert_refused(answers: list[Answer]) -> None:
    for answer in answers:
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json["__type"] == "AuditUnavailable"
        assert answer.json.keys() == {"__type", "message"}
        assert "x-keytrail-event-id" not in answer.headers
    # Nothing in it depends on the call.
    assert len({answer.body for answer in answers}) == 1


def gaps_of(server: RunningServer | Server, refused: int) -> list[dict[str, Any]]:
    """What LookupEvents says of gaps, as soon as they account for that many calls."""
    trail = server.cloudtrail()

    def look() -> list[dict[str, Any]]:
        events = trail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AuditGap"}]
        )["Events"]
        gaps = [json.loads(event["CloudTrailEvent"])["serviceEventDetails"] for event in events]
        return gaps if sum(gap["refusedCalls"] for gap in gaps) == refused else []

    return eventually(look)


def test_a_full_disk_refuses_every_call_and_changes_nothing(own_server: RunningServer) -> None:
    with closing(Wire(own_server.endpoint, own_server.key)) as wire:
        prepared = Prepared(wire)
        before = prepared.visible(wire)
        with disk_full(own_server):
            until_full(wire)
            assert_refused(all_at_once(own_server, prepared.calls * 3))
        assert prepared.visible(wire) == before
        answers = [wire.call(name, **members) for name, members in prepared.calls[:2]]
        assert [answer.status for answer in answers] == [200, 200]


def test_after_a_full_disk_one_record_states_how_many_calls_were_refused(
    own_server: RunningServer,
) -> None:
    with closing(Wire(own_server.endpoint, own_server.key)) as wire:
        prepared = Prepared(wire)
        with disk_full(own_server):
            refused = until_full(wire) + len(all_at_once(own_server, prepared.calls * 3))
        gaps = gaps_of(own_server, refused)
    assert len(gaps) == 1
    assert gaps[0]["from"] < gaps[0]["to"]


@pytest.mark.parametrize("outages", [1, 3])
def test_an_io_error_refuses_calls_until_it_is_over(
    data: Path, key: AccessKey, outages: int
) -> None:
    refused = 0
    with serving(data, key) as server, server.wire() as wire:
        prepared = Prepared(wire)
        before = prepared.visible(wire)
        for _ in range(outages):
            with failing_disk(server, data):
                answers = all_at_once(server, prepared.calls * 3)
            assert_refused(answers)
            refused += len(answers)
            assert prepared.visible(wire) == before
        assert len(gaps_of(server, refused)) <= outages


def test_a_server_is_not_ready_until_it_can_record_again(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server, server.wire() as wire:
        with failing_disk(server, data):
            assert wire.call("CreateKey").status == 503
            status, body = server.get("/readyz")
            assert status == 503
            assert json.loads(body)["reason"] == "the ledger could not record 1 calls"
            assert server.get("/healthz")[0] == 200
        assert eventually(lambda: server.get("/readyz")[0] == 200)
        assert wire.call("CreateKey").status == 200


def test_what_was_refused_is_in_no_record_and_no_file(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server, server.wire() as wire:
        prepared = Prepared(wire)
        with failing_disk(server, data):
            answers = all_at_once(server, prepared.calls * 3)
        gaps_of(server, len(answers))
        recorded = {record["requestID"] for record in records_of(data)}
    assert recorded.isdisjoint(answer.headers["x-amzn-requestid"] for answer in answers)


def test_a_server_whose_ledger_fails_still_stops_when_told(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server, server.wire() as wire, failing_disk(server, data):
        assert wire.call("CreateKey").status == 503
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    assert records_of(data)[-1]["eventName"] != "KeytrailStop"


def test_a_gap_is_stated_before_the_server_stops(data: Path, key: AccessKey) -> None:
    with serving(data, key, KEYTRAIL_SCHEDULER_INTERVAL_S="60") as server, server.wire() as wire:
        with failing_disk(server, data):
            assert wire.call("CreateKey").status == 503
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    names = [record["eventName"] for record in records_of(data)]
    assert names[-2:] == ["AuditGap", "KeytrailStop"]


def test_a_ledger_that_lost_a_row_behind_an_io_error_is_served_no_longer(
    tmp_path: Path,
) -> None:
    data = tmp_path / "broken"
    key = init(data)
    with serving(data, key) as server, server.wire() as wire:
        wire.call("ListKeys")
        wire.call("ListKeys")
        with failing_disk(server, data):
            assert wire.call("ListKeys").status == 503
            assert altered(data, "DELETE FROM stored_events WHERE rowid = 6") == 1
        assert wire.call("ListKeys").status == 503
        assert server.ended() == 2
    assert "after an I/O error the row at the head" in Path(f"{data}.err").read_text()


def test_a_stuck_ledger_becomes_refusals_and_not_a_hang(data: Path, key: AccessKey) -> None:
    with (
        serving(data, key, KEYTRAIL_APPEND_DEADLINE_S="0.5") as server,
        server.wire() as wire,
    ):
        prepared = Prepared(wire)
        with stuck_ledger(data):
            # Changes of one key would wait for each other, each for its own deadline.
            answers = all_at_once(server, prepared.calls[:1] + prepared.calls[6:])
        assert_refused(answers)
        assert gaps_of(server, len(answers))
        assert wire.call("CreateKey").status == 200


def test_a_call_whose_client_has_left_is_recorded(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server:
        with stuck_ledger(data):
            with server.wire() as leaving:
                leaving.begin(f"{KMS}CreateKey", b"{}")
                assert server.get("/healthz")[0] == 200
            assert server.get("/healthz")[0] == 200
        kms = server.kms()
        assert eventually(lambda: kms.list_keys()["Keys"])
    assert [one["eventName"] for one in records_of(data)].count("CreateKey") == 1
