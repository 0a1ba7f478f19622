"""`POST /` without the detour through ASGI: uvicorn's HTTP protocol, one task, one write.

Every call passes here, and ASGI's scope, events and two messages cost as much as a signature
check. Whatever is not a plain `POST /`, or arrives while another request of its connection is
unanswered, takes uvicorn's own way to the same endpoint.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, cast

import structlog
from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from api.wire.aws import Aws
from api.wire.http import MOST_BODY_BYTES, MOST_DRAINED_BYTES, Exchange, headers_of

_log = structlog.get_logger(__name__)

_FAILED = STATUS_LINE[500] + b"content-length: 0\r\nconnection: close\r\n\r\n"


class _Nobody:
    """Nobody waits for the rest of a request that the protocol itself collects."""

    def set(self) -> None:
        """Do nothing."""


class _Pending:
    """What uvicorn looks at in a request that is unanswered, in the place of its own cycle."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")

    message_event = _Nobody()

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False


class WireProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which hands the wire its own requests. `app` has the endpoint."""

    _wire: Aws
    _tls: Mapping[str, object] | None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._wire = self.app.wire
        self._tls = None
        self._pending: _Pending | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._is_taken = False
        self._idle_since: float | None = None  # of the loop's clock; None while a request comes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        cipher = secured.cipher() if secured is not None else None
        if secured is not None and cipher is not None:
            self._tls = {"tlsVersion": secured.version(), "cipherSuite": cipher[0]}

    # --- the parser's callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._idle_since = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._pending = None

    def on_headers_complete(self) -> None:
        if self._is_plain():
            keep_alive = self.parser.should_keep_alive() and self._speaks_1_1()
            self._pending = self.cycle = _Pending(keep_alive=keep_alive)  # type: ignore[assignment]
            self._parts, self._size, self._is_taken = [], 0, False
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        if self._tls is not None:
            self.scope["keytrail.tls"] = self._tls_of(headers)  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._pending is None:
            super().on_body(body)
            return
        self._size += len(body)
        if self._size <= MOST_BODY_BYTES:
            self._parts.append(body)
        elif self._size > MOST_DRAINED_BYTES:
            self._pending.keep_alive = False
            self._take(self._pending)

    def on_message_complete(self) -> None:
        if self._pending is None:
            super().on_message_complete()
        else:
            self._take(self._pending)

    def _take(self, pending: _Pending) -> None:
        """Begin to answer, once: at the request's end, or when it will not end soon enough."""
        if self._is_taken:
            return
        self._is_taken = True
        is_too_large = self._size > MOST_BODY_BYTES
        exchange = Exchange(
            method="POST",
            path=b"/",
            query=b"",
            headers=self.headers,
            body=b"" if is_too_large else b"".join(self._parts),
            client=self.client[0] if self.client else "",
            is_too_large=is_too_large,
            tls=self._tls_of(self.headers) if self._tls is not None else None,
        )
        self._parts = []
        task = self.loop.create_task(self._answer(exchange, pending))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _is_plain(self) -> bool:
        before = cast("RequestResponseCycle | None", self.cycle)
        return (
            self.url == b"/"
            and self.parser.get_method() == b"POST"
            and not self.expect_100_continue
            and (before is None or before.response_complete)
            and not self.parser.should_upgrade()
        )

    def _speaks_1_1(self) -> bool:
        version: str = self.parser.get_http_version()
        return version == "1.1"

    def _tls_of(self, headers: list[tuple[bytes, bytes]]) -> dict[str, object]:
        host = next((value for name, value in headers if name == b"host"), b"")
        return {**(self._tls or {}), "clientProvidedHostHeader": host.decode("latin-1")}

    # --- keep-alive: one timer for a connection, instead of one for each of its requests ---------

    def data_received(self, data: bytes) -> None:
        # What uvicorn does, without ending a timer that looks at the time by itself.
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            self._unsupported_upgrade_warning()
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self.transport.is_closing() or self._idle_since is None:
            return
        remaining = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if remaining <= 0:
            self.transport.close()
        else:
            self._look_again_in(remaining)

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    # --- the answer ------------------------------------------------------------------------------

    async def _answer(self, exchange: Exchange, pending: _Pending) -> None:
        try:
            reply, answer = await self._wire.answer(exchange)
        except Exception as error:  # noqa: BLE001 (nothing may be said without a record)
            _log.error("call without an answer", error=type(error).__name__)
            self._end(pending, _FAILED, keeps=False)
            return
        if self.flow.write_paused and not pending.disconnected:
            await self.flow.drain()
        parts = [STATUS_LINE[answer.status]]
        for name, value in (*self.server_state.default_headers, *headers_of(reply, answer)):
            parts += (name, b": ", value, b"\r\n")
        if not pending.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", answer.body)
        self._end(pending, b"".join(parts), keeps=pending.keep_alive)

    def _end(self, pending: _Pending, message: bytes, *, keeps: bool) -> None:
        pending.response_complete = True
        if pending.disconnected:
            return
        self.transport.write(message)
        if not keeps:
            self.transport.close()
        self.on_response_complete()
