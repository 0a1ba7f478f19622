"""A plain client for what is sent once: prepared requests, their answers, latencies one by one."""

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from benchmarks import signing
from benchmarks.harness import HOST, BenchmarkFailed
from benchmarks.signing import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it came: header names in lower case, in their order."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


class Client:
    """One kept-alive connection to a server on loopback that speaks AWS's JSON protocol."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=30.0)
        self._host = f"{HOST}:{port}"
        self._credentials = credentials

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def call(self, operation: str, **members: object) -> dict[str, Any]:
        """Perform an operation; BenchmarkFailed for any answer but 200."""
        request = signing.sign(
            self._credentials,
            host=self._host,
            operation=operation,
            body=json.dumps(members).encode(),
            at=datetime.now(UTC),
        )
        body = self.send(request).body
        result: dict[str, Any] = json.loads(body) if body else {}
        return result

    def send(self, request: bytes) -> Answer:
        """Send a request as prepared; BenchmarkFailed for any answer but 200."""
        if self._connection.sock is None:
            self._connection.connect()
        self._connection.sock.sendall(request)
        response = http.client.HTTPResponse(self._connection.sock, method="POST")
        response.begin()
        body = response.read()
        if response.status != http.client.OK:
            raise BenchmarkFailed(f"{response.status}: {body[:500]!r} to {request[:300]!r}")
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        if response.will_close:
            self._connection.close()
        return Answer(headers=headers, body=body)

    def latencies_us(self, requests: Sequence[bytes]) -> list[float]:
        """The time of each request in microseconds, in ascending order."""
        taken = []
        for request in requests:
            before = time.perf_counter()
            self.send(request)
            taken.append((time.perf_counter() - before) * 1e6)
        return sorted(taken)
