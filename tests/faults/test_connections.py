"""What clients do to their connections: each whole request has one record and one answer."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.provision import AccessKey
from tests.faults.process import (
    KMS,
    Answer,
    Server,
    Wire,
    eventually,
    records_of,
    refuses_connections,
    serving,
)
from tests.server import RunningServer

RANDOM = b'{"NumberOfBytes": 16}'


@contextmanager
def connected(server: RunningServer | Server) -> Iterator[socket.socket]:
    """A bare connection."""
    address = urlsplit(server.endpoint)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), 30) as open_:
        yield open_


def request(server: RunningServer | Server, body: bytes = RANDOM, **headers: str) -> bytes:
    """A signed GenerateRandom as bytes; `headers` are added unsigned."""
    wire = Wire(server.endpoint, server.key)
    signed = wire.signed(f"{KMS}GenerateRandom", body)
    length = {} if "Transfer_Encoding" in headers else {"Content-Length": str(len(body))}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    host = urlsplit(server.endpoint).netloc
    lines = {"Host": host, **signed, **length, **named}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return b"POST / HTTP/1.1\r\n" + head.encode() + b"\r\n"


def answers(connection: socket.socket, number: int) -> list[Answer]:
    """So many answers, one after the other."""
    found = []
    with connection.makefile("rb") as stream:
        for _ in range(number):
            response = HTTPResponse(Stream(stream))  # type: ignore[arg-type]
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            found.append(Answer(response.status, headers, response.read()))
    return found


class Stream:
    """What HTTPResponse takes for a socket: one stream for all answers of a connection."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def makefile(self, _: str) -> object:
        return Unclosed(self._stream)


class Unclosed:
    """A stream that the end of one answer does not close."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def close(self) -> None:
        """The next answer is read from the same stream."""


def recorded(data: Path) -> list[str]:
    """The eventIDs of calls, oldest first."""
    records = records_of(data)
    return [one["eventID"] for one in records if one["eventType"] == "AwsApiCall"]


def test_requests_sent_together_are_answered_in_their_order(
    own_server: RunningServer, data: Path
) -> None:
    sizes = range(1, 31)
    bodies = [json.dumps({"NumberOfBytes": size}).encode() for size in sizes]
    with connected(own_server) as connection:
        connection.sendall(b"".join(request(own_server, body) + body for body in bodies))
        found = answers(connection, len(sizes))
    lengths = [len(answer.json["Plaintext"]) for answer in found]
    assert lengths == [(size + 2) // 3 * 4 for size in sizes]
    assert sorted(answer.event_id for answer in found) == sorted(recorded(data))


def test_a_request_that_comes_byte_by_byte_is_one_call(
    own_server: RunningServer, data: Path
) -> None:
    with connected(own_server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(own_server) + RANDOM:
            connection.send(bytes([byte]))
        (answer,) = answers(connection, 1)
    assert answer.status == 200
    assert recorded(data) == [answer.event_id]


def test_a_body_in_chunks_is_put_together(own_server: RunningServer, data: Path) -> None:
    with connected(own_server) as connection:
        connection.sendall(request(own_server, Transfer_Encoding="chunked"))
        for byte in RANDOM:
            connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        (answer,) = answers(connection, 1)
    assert answer.status == 200
    assert recorded(data) == [answer.event_id]


def test_a_client_that_asks_to_continue_is_told_to(own_server: RunningServer) -> None:
    with connected(own_server) as connection:
        connection.sendall(request(own_server, Expect="100-continue"))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(RANDOM)
        (answer,) = answers(connection, 1)
    assert answer.status == 200


def test_a_connection_is_closed_when_its_client_asks_for_it(own_server: RunningServer) -> None:
    with connected(own_server) as connection:
        connection.sendall(request(own_server, Connection="close") + RANDOM)
        (answer,) = answers(connection, 1)
        assert answer.status == 200
        assert connection.recv(1) == b""


def test_health_and_calls_share_a_connection(own_server: RunningServer) -> None:
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    call = request(own_server) + RANDOM
    with connected(own_server) as connection:
        connection.sendall(call + health + call + call + health)
        found = answers(connection, 5)
    assert [answer.status for answer in found] == [200] * 5
    assert [b"ok" in answer.body for answer in found] == [False, True, False, False, True]


def test_a_body_beyond_the_limit_is_refused_and_the_connection_goes_on(
    own_server: RunningServer, data: Path
) -> None:
    large = b'{"NumberOfBytes": 16}' + b" " * 1_048_576
    with connected(own_server) as connection:
        connection.sendall(request(own_server, large) + large)
        connection.sendall(request(own_server) + RANDOM)
        refused, answered = answers(connection, 2)
    assert refused.json["__type"] == "RequestEntityTooLargeException"
    assert answered.status == 200
    assert recorded(data) == [refused.event_id, answered.event_id]


def test_a_body_without_end_is_refused_before_its_end(
    own_server: RunningServer, data: Path
) -> None:
    with connected(own_server) as connection:
        connection.sendall(request(own_server, Transfer_Encoding="chunked"))
        chunk = b"100000\r\n" + b" " * 1_048_576 + b"\r\n"
        try:
            for _ in range(2_000):
                connection.sendall(chunk)
        except ConnectionError:
            pass
        else:
            pytest.fail("the server read on and on")
    eventually(lambda: len(recorded(data)) == 1)


@pytest.mark.parametrize("part", [1, 100, -1])
def test_a_client_that_leaves_in_the_middle_harms_nobody(
    own_server: RunningServer, part: int
) -> None:
    with connected(own_server) as connection:
        connection.sendall((request(own_server) + RANDOM)[:part])
    with connected(own_server) as connection:
        connection.sendall(request(own_server) + RANDOM)
        (answer,) = answers(connection, 1)
    assert answer.status == 200


def test_clients_that_leave_before_their_answers_are_all_recorded(
    own_server: RunningServer, data: Path
) -> None:
    for _ in range(20):
        with connected(own_server) as connection:
            connection.sendall(request(own_server) + RANDOM)
    assert eventually(lambda: len(recorded(data)) == 20)


def test_a_request_of_which_half_has_come_is_answered_before_the_server_stops(
    data: Path, key: AccessKey
) -> None:
    with serving(data, key) as server, connected(server) as connection:
        connection.sendall(request(server) + RANDOM[:5])
        assert server.get("/healthz")[0] == 200
        server.signal(signal.SIGTERM)
        eventually(lambda: refuses_connections(server))
        connection.sendall(RANDOM[5:])
        (answer,) = answers(connection, 1)
        assert answer.status == 200
        assert server.ended() == 0
    assert recorded(data) == [answer.event_id]


@pytest.mark.parametrize(
    "garbage",
    [b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"POST / HTTP/9\r\n\r\n", b"\x00" * 70_000],
)
def test_what_is_not_http_is_turned_away(own_server: RunningServer, garbage: bytes) -> None:
    with connected(own_server) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(12) in (b"", b"HTTP/1.1 400")
    with connected(own_server) as connection:
        connection.sendall(request(own_server) + RANDOM)
        assert answers(connection, 1)[0].status == 200
