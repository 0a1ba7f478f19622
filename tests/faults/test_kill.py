"""kill -9 under load: what was acknowledged is there, what is there is whole, and it goes on."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from api.provision import LEDGER_FILE, AccessKey
from ledger.codec import decode_event
from tests.faults.process import (
    Answer,
    Server,
    Wire,
    keytrail,
    opened,
    records_of,
    rows_of,
    serving,
    tables_of,
    verified,
)

KILLS = 20
CLIENTS = 4
# What each operation that changes something leaves beside its record.
EVENTS = {
    "CreateKey": ["keytrail.KeyCreated.v1"],
    "CreateAlias": ["keytrail.AliasCreated.v1"],
    "DeleteAlias": ["keytrail.AliasDeleted.v1"],
}


@dataclass
class Load:
    """Clients that call until the server is gone, and what it told them before."""

    server: Server
    answers: list[Answer] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    acknowledged: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self, number: int, round_: int) -> None:
        """Call until the connection breaks."""
        with self.server.wire() as wire:
            try:
                self._call(wire, f"alias/{round_}-{number}-")
            except (OSError, HTTPException):
                return

    def _call(self, wire: Wire, prefix: str) -> None:
        key_id = self._told(wire.call("CreateKey")).json["KeyMetadata"]["KeyId"]
        for count in range(1_000_000):
            name = f"{prefix}{count}"
            self._told(wire.call("CreateAlias", AliasName=name, TargetKeyId=key_id))
            self.aliases.add(name)
            encrypted = self._told(wire.call("Encrypt", KeyId=name, Plaintext=b"hello")).json
            self._told(wire.call("Decrypt", CiphertextBlob=encrypted["CiphertextBlob"]))
            self._told(wire.call("DescribeKey", KeyId="alias/none"))
            if count % 2:
                self.aliases.remove(name)
                self._told(wire.call("DeleteAlias", AliasName=name))
                self.deleted.add(name)

    def _told(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        self.acknowledged.release()
        return answer

    @contextmanager
    def under_way(self, round_: int) -> Iterator[None]:
        """Clients call while the block runs, which has to end the server."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            runs: list[Future[None]] = [
                threads.submit(self.run, number, round_) for number in range(CLIENTS)
            ]
            yield
            for run in runs:
                run.result()


def killed_under_load(data: Path, key: AccessKey, round_: int) -> Load:
    with serving(data, key) as server:
        load = Load(server)
        with load.under_way(round_):
            for _ in range(100 + 11 * round_):
                load.acknowledged.acquire()
            server.kill()
    return load


def unknown_to(data: Path, load: Load) -> list[Answer]:
    """What was acknowledged and is not in the ledger at the position that was told."""
    with opened(data) as reader:
        rows = [reader.by_event_id(answer.event_id) for answer in load.answers]
    return [
        answer
        for answer, row in zip(load.answers, rows, strict=True)
        if row is None or row.position != answer.position
    ]


def test_twenty_kills_under_load_lose_nothing_that_was_acknowledged(
    data: Path, key: AccessKey
) -> None:
    created: set[str] = set()
    deleted: set[str] = set()
    for round_ in range(KILLS):
        load = killed_under_load(data, key, round_)
        assert {answer.status for answer in load.answers} == {200, 400}
        assert unknown_to(data, load) == []
        verified(data)
        created |= load.aliases
        deleted |= load.deleted
    assert_changes_and_records_agree(data)
    found = aliases_of(data, key)
    assert found >= created
    assert found.isdisjoint(deleted)
    assert Path(f"{data}.err").read_text() == ""


def test_what_follows_from_the_ledger_survives_a_kill_row_for_row(
    data: Path, key: AccessKey
) -> None:
    killed_under_load(data, key, 0)
    before = tables_of(data / LEDGER_FILE)
    assert keytrail("rebuild", "--data", data).returncode == 0
    assert tables_of(data / LEDGER_FILE) == before
    assert keytrail("verify", "--data", data).returncode == 0


def assert_changes_and_records_agree(data: Path) -> None:
    """Each record of a successful change directly follows its events, and no other record does."""
    topics: list[str] = []
    for row in rows_of(data):
        if not row.is_record:
            topics.append(row.topic)
            assert decode_event(row.stored).event_id
            continue
        record = json.loads(row.state)
        if record["eventType"] == "AwsApiCall":
            changed = EVENTS.get(record["eventName"], []) if "errorCode" not in record else []
            assert topics == changed, record
        topics.clear()


def aliases_of(data: Path, key: AccessKey) -> set[str]:
    """Every alias that the server lists after one more start."""
    with serving(data, key) as server:
        pages = server.kms().get_paginator("list_aliases").paginate()
        return {alias["AliasName"] for page in pages for alias in page["Aliases"]}


def test_a_start_after_a_kill_is_recorded_as_any_other(data: Path, key: AccessKey) -> None:
    killed_under_load(data, key, 0)
    with serving(data, key) as server:
        server.kill()
    names = Counter(record["eventName"] for record in records_of(data))
    assert names["KeytrailStart"] == 2
    assert names["KeytrailStop"] == 0
