"""HTTP as clients may speak it: bodies in pieces, pipelines, old versions, lost connections.

Source: RFC 9112, "HTTP/1.1"; each exchange leaves exactly one record.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.server import RunningServer
from tests.spec import raw
from tests.spec.support import Json, Ledger

PATIENCE_S = 20
LARGEST = 1_048_576
MOST_DRAINED = 16 * LARGEST


@contextmanager
def connected(server: RunningServer) -> Iterator[socket.socket]:
    address = urlsplit(server.endpoint)
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def head(method: str, headers: Mapping[str, str], version: str = "1.1", path: str = "/") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def message(
    server: RunningServer, request: raw.Request, version: str = "1.1", **more: str
) -> bytes:
    """A signed request as it goes over the wire; `more` headers are not signed."""
    headers = {**raw.signed(server, request), "Host": urlsplit(server.endpoint).netloc}
    headers["Content-Length"] = str(len(request.body))
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return head(request.method, headers, version, request.path) + request.body


def random_bytes(number: int) -> raw.Request:
    """A request whose answer and record tell its number."""
    body = json.dumps({"NumberOfBytes": number}).encode()
    return raw.Request(target=raw.KMS + "GenerateRandom", body=body)


class Reader:
    """Reads answers one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers, self._file.read(int(headers.get("content-length", 0)))

    def at_end(self) -> bool:
        """Whether the server has closed the connection."""
        return self._file.read(1) == b""


def numbers(records: list[Json]) -> list[int]:
    return [record["requestParameters"]["numberOfBytes"] for record in records]


def test_a_request_may_arrive_byte_by_byte(server: RunningServer, ledger: Ledger) -> None:
    before = ledger.head
    with connected(server) as connection:
        for byte in message(server, random_bytes(9)):
            connection.sendall(bytes([byte]))
        assert Reader(connection).answer()[0] == 200
    assert numbers(ledger.records_after(before)) == [9]


def test_a_body_may_come_in_chunks(server: RunningServer, ledger: Ledger) -> None:
    before, request = ledger.head, random_bytes(9)
    headers = {**raw.signed(server, request), "Host": urlsplit(server.endpoint).netloc}
    start = head("POST", {**headers, "Transfer-Encoding": "chunked"})
    body = request.body
    with connected(server) as connection:
        connection.sendall(start + b"3\r\n" + body[:3] + b"\r\n")
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 3, body[3:]))
        assert Reader(connection).answer()[0] == 200
    assert numbers(ledger.records_after(before)) == [9]


def test_one_connection_serves_many_requests(server: RunningServer, ledger: Ledger) -> None:
    before = ledger.head
    with connected(server) as connection:
        reader = Reader(connection)
        for number in range(1, 51):
            connection.sendall(message(server, random_bytes(number)))
            status, headers, _ = reader.answer()
            assert (status, "connection" in headers) == (200, False)
    assert numbers(ledger.records_after(before)) == list(range(1, 51))


def test_requests_sent_without_waiting_are_answered_in_their_order(
    server: RunningServer, ledger: Ledger
) -> None:
    before = ledger.head
    with connected(server) as connection:
        connection.sendall(b"".join(message(server, random_bytes(n)) for n in range(1, 21)))
        reader = Reader(connection)
        sizes = [len(json.loads(reader.answer()[2])["Plaintext"]) for _ in range(1, 21)]
    assert sizes == [(n + 2) // 3 * 4 for n in range(1, 21)]
    assert numbers(ledger.records_after(before)) == list(range(1, 21))


def test_other_methods_and_paths_keep_their_place_in_a_pipeline(
    server: RunningServer, ledger: Ledger
) -> None:
    before = ledger.head
    requests = [
        random_bytes(1),
        raw.Request(method="GET", body=b""),
        random_bytes(2),
        raw.Request(path="/other"),
        random_bytes(3),
    ]
    with connected(server) as connection:
        connection.sendall(b"".join(message(server, request) for request in requests))
        reader = Reader(connection)
        answers = [reader.answer() for _ in requests]
    assert [status for status, _, _ in answers] == [200, 400, 200, 400, 200]
    names = [record["eventName"] for record in ledger.records_after(before)]
    assert names == ["GenerateRandom", "Unknown", "GenerateRandom", "Unknown", "GenerateRandom"]
    ids = [headers["x-keytrail-event-id"] for _, headers, _ in answers]
    assert ids == [record["eventID"] for record in ledger.records_after(before)]


def test_a_refusal_leaves_the_connection_open(server: RunningServer, ledger: Ledger) -> None:
    before = ledger.head
    bad = message(server, random_bytes(1)).replace(b"Signature=", b"Signature=0")
    with connected(server) as connection:
        reader = Reader(connection)
        connection.sendall(bad)
        assert reader.answer()[0] == 400
        connection.sendall(message(server, random_bytes(2)))
        assert reader.answer()[0] == 200
    assert len(ledger.records_after(before)) == 2


@pytest.mark.parametrize(
    ("version", "more"), [("1.1", {"Connection": "close"}), ("1.0", {})], ids=["1.1", "1.0"]
)
def test_a_connection_that_is_to_be_closed_is_closed_after_the_answer(
    server: RunningServer, version: str, more: dict[str, str]
) -> None:
    with connected(server) as connection:
        connection.sendall(message(server, random_bytes(3), version, **more))
        reader = Reader(connection)
        status, headers, body = reader.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert json.loads(body)["Plaintext"]
        assert reader.at_end()


def test_a_client_that_asks_first_is_told_to_continue(
    server: RunningServer, ledger: Ledger
) -> None:
    before, request = ledger.head, random_bytes(5)
    whole = message(server, request, Expect="100-continue")
    start, body = whole[: -len(request.body)], whole[-len(request.body) :]
    with connected(server) as connection:
        connection.sendall(start)
        reader = Reader(connection)
        assert reader.answer()[0] == 100
        connection.sendall(body)
        assert reader.answer()[0] == 200
    assert numbers(ledger.records_after(before)) == [5]


def test_a_client_that_goes_away_is_recorded_all_the_same(
    server: RunningServer, ledger: Ledger
) -> None:
    before = ledger.head
    for number in range(1, 11):
        with connected(server) as connection:
            connection.sendall(message(server, random_bytes(number)))
            connection.shutdown(socket.SHUT_WR)
    # The last record is there when a later call is answered, which the one writer put behind it.
    while len(records := ledger.records_after(before)) < 10:
        raw.send(server, raw.Request(target=raw.KMS + "ListAliases"))
        records = ledger.records_after(before)
    made = [one for one in records if one["eventName"] == "GenerateRandom"]
    assert sorted(numbers(made)) == list(range(1, 11))


def test_an_endless_body_is_refused_and_recorded_before_its_end(
    server: RunningServer, ledger: Ledger
) -> None:
    before = ledger.head
    start = message(server, raw.Request(body=b""), Content_Length=str(100 * MOST_DRAINED))
    with connected(server) as connection:
        connection.sendall(start)
        for _ in range(MOST_DRAINED // LARGEST + 1):
            connection.sendall(bytes(LARGEST))
        reader = Reader(connection)
        status, headers, body = reader.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert json.loads(body)["__type"] == "RequestEntityTooLargeException"
    (record,) = ledger.records_after(before)
    assert record["errorCode"] == "RequestEntityTooLargeException"


def test_a_repeated_header_is_signed_as_its_values_joined(server: RunningServer) -> None:
    request = raw.Request(headers={"Content-Type": raw.CONTENT_TYPE, "My-Header": "a,b"})
    whole = message(server, request)
    twice = whole.replace(b"My-Header: a,b\r\n", b"My-Header: a\r\nMy-Header:   b\r\n")
    assert twice != whole
    with connected(server) as connection:
        connection.sendall(twice)
        assert Reader(connection).answer()[0] == 200


def test_health_and_metrics_leave_no_record(server: RunningServer, ledger: Ledger) -> None:
    before = ledger.head
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = raw.exchange(server, raw.Request(method="GET", path=path, body=b""), {})
        assert answer.status == 200
    assert ledger.records_after(before) == []
