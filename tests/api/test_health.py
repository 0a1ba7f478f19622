"""Health, readiness and metrics: what monitors read."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import App, operations
from api.main import _Server, configuration
from api.wire.aws import Aws
from tests.faults.process import (
    Answer,
    Wire,
    eventually,
    records_of,
    rows_of,
    stuck_ledger,
    verified,
)
from tests.server import RunningServer, new_server

BROKEN = "after an I/O error the row at the head, 7, is another"


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    verified(path)


def get(server: RunningServer, path: str) -> Answer:
    with closing(HTTPConnection(urlsplit(server.endpoint).netloc, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def samples(server: RunningServer) -> dict[tuple[str, str, str], float]:
    """Every sample by its name and its labels `op` and `code`."""
    text = get(server, "/metrics").body.decode()
    families = text_string_to_metric_families(text)
    return {
        (one.name, one.labels.get("op", ""), one.labels.get("code", "")): one.value
        for family in families
        for one in family.samples
    }


def call(server: RunningServer, *operations: str) -> list[Answer]:
    with closing(Wire(server.endpoint, server.key)) as wire:
        return [wire.call(operation) for operation in operations]


def test_a_server_that_answers_is_alive_and_ready(own_server: RunningServer) -> None:
    assert get(own_server, "/healthz").json == {"status": "ok"}
    ready = get(own_server, "/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ready"})


def test_a_server_whose_ledger_failed_is_alive_and_not_ready(own_server: RunningServer) -> None:
    own_server.keytrail.store.failed = BROKEN
    ready = get(own_server, "/readyz")
    assert ready.status == 503
    assert ready.json == {"status": "not ready", "reason": BROKEN}
    assert get(own_server, "/healthz").status == 200
    assert call(own_server, "ListKeys")[0].json["__type"] == "AuditUnavailable"
    assert samples(own_server)["keytrail_ledger_failed", "", ""] == 1


def test_a_server_whose_ledger_cannot_be_written_is_not_ready_until_it_can(data: Path) -> None:
    with new_server(data, append_deadline_s=0.2) as server:
        with stuck_ledger(data):
            assert {one.status for one in call(server, "ListKeys", "ListKeys")} == {503}
            ready = get(server, "/readyz")
        assert ready.status == 503
        assert ready.json["reason"] == "the ledger could not record 2 calls"
        # Nobody need call: the report of the gap shows that the ledger can be written again.
        eventually(lambda: get(server, "/readyz").status == 200)
    assert [one["eventName"] for one in records_of(data)][-2:] == ["AuditGap", "KeytrailStop"]


def test_a_server_that_was_told_to_stop_is_not_ready(own_server: RunningServer) -> None:
    keytrail = own_server.keytrail
    app = App(Aws(keytrail.gate.run), operations(keytrail.metrics, keytrail.unready))
    config = configuration(app, own_server.settings)
    told = _Server(config, on_started=lambda: None, on_stopping=keytrail.drain)
    told.handle_exit(signal.SIGTERM, None)
    assert told.should_exit
    ready = get(own_server, "/readyz")
    assert (ready.status, ready.json["reason"]) == (503, "stopping")
    # What is in flight is answered.
    assert call(own_server, "ListKeys")[0].status == 200


def test_health_and_metrics_leave_no_record(own_server: RunningServer, data: Path) -> None:
    before = records_of(data)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert get(own_server, path).status == 200
    assert records_of(data) == before


def test_any_other_path_is_a_call_and_leaves_a_record(
    own_server: RunningServer, data: Path
) -> None:
    answer = get(own_server, "/health")
    assert answer.status == 400
    assert records_of(data)[-1]["eventID"] == answer.event_id


def test_metrics_count_every_call_by_operation_and_code(own_server: RunningServer) -> None:
    call(own_server, *["ListKeys"] * 5, *["CreateKey"] * 3, *["DescribeKey"] * 2, "NoSuchOperation")
    found = samples(own_server)
    counted = {k[1:]: v for k, v in found.items() if k[0] == "keytrail_requests_total"}
    assert counted == {
        ("ListKeys", ""): 5,
        ("CreateKey", ""): 3,
        ("DescribeKey", "ValidationException"): 2,
        ("Unknown", "UnknownOperationException"): 1,
    }
    assert found["keytrail_request_seconds_count", "ListKeys", ""] == 5
    assert found["keytrail_request_seconds_sum", "ListKeys", ""] > 0


def test_metrics_count_calls_that_could_not_be_recorded(own_server: RunningServer) -> None:
    own_server.keytrail.store.failed = BROKEN
    call(own_server, "ListKeys", "ListKeys")
    assert samples(own_server)["keytrail_requests_total", "ListKeys", "AuditUnavailable"] == 2


def test_metrics_add_up_to_the_records(own_server: RunningServer, data: Path) -> None:
    threads = [
        threading.Thread(target=call, args=(own_server, *["CreateKey", "ListAliases"] * 10))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = Counter(
        one["eventName"] for one in records_of(data) if one["eventType"] == "AwsApiCall"
    )
    counted = samples(own_server)
    for name, count in names.items():
        assert counted["keytrail_requests_total", name, ""] == count


def test_metrics_tell_where_the_ledger_and_its_index_are(
    own_server: RunningServer, data: Path
) -> None:
    (answer,) = call(own_server, "CreateKey")
    found = eventually(lambda: in_step(samples(own_server)))
    assert found["keytrail_log_position", "", ""] == answer.position
    assert found["keytrail_ledger_waiting", "", ""] == 0
    assert found["keytrail_ledger_failed", "", ""] == 0
    assert answer.position == len(rows_of(data))


def in_step(found: dict[tuple[str, str, str], float]) -> dict[tuple[str, str, str], float]:
    """The same when the index has caught up."""
    return found if found["keytrail_trail_lag_rows", "", ""] == 0 else {}


def test_metrics_name_nothing_that_a_caller_chose(own_server: RunningServer) -> None:
    with closing(Wire(own_server.endpoint, own_server.key)) as wire:
        wire.send("TrentService.Chosen", b'{"KeyId": "Chosen"}')
        wire.call("DescribeKey", KeyId="alias/Chosen")
    assert b"Chosen" not in get(own_server, "/metrics").body


def test_each_metric_says_what_it_is(own_server: RunningServer) -> None:
    call(own_server, "ListKeys")
    text = get(own_server, "/metrics").body.decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("keytrail_")
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "summary"}
