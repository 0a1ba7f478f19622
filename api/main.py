"""The long-running commands: serve, and what looks at a data directory from outside."""

import asyncio
import gc
import signal
import socket
import sqlite3
import ssl
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import msgspec
import structlog
import uvicorn
import uvloop

from api.app import App
from api.composition import Clock, Keytrail, utc_now
from api.hardening import forbid_core_dumps
from api.provision import KEYRING_FILE, LEDGER_FILE, PROJECTIONS_FILE
from api.settings import Settings
from api.wire.protocol import WireProtocol
from domain.errors import InvariantBroken, KeyUnavailable, LedgerUnavailable
from keystore.keyring import KeyringError
from keystore.root import RootKeyError
from keystore.self_test import SelfTestFailed
from ledger import schema
from ledger.codec import CodecError
from ledger.lock import exclusive
from ledger.reader import Reader
from ledger.rebuild import replay
from ledger.store import LedgerStore
from ledger.verify import Broken, Verified
from ledger.verify import verify as verify_rows
from projections.catalogue import Catalogue
from projections.catalogue_reader import CatalogueReader
from projections.trail import TrailIndex

DRAIN_S = 20
COLLECTED_AFTER = 20_000
_WATCH_INTERVAL_S = 0.5

_log = structlog.get_logger(__name__)


class StartRefused(Exception):
    """The server does not start; the message says why, and what to do."""


class NotReplayed(Exception):
    """The ledger holds a row that no event can be read from, or that contradicts another."""


class _Server(uvicorn.Server):
    """uvicorn, which stops on a signal without raising it again: what follows must still run."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal; a second interrupt does not wait for open connections."""
        del frame
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        self._on_stopping()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when connections are accepted."""
        await super().startup(sockets)
        self._on_started()


def serve(
    settings: Settings,
    *,
    on_ready: Callable[[str], None] | None = None,
    clock: Clock = utc_now,
) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered and recorded.

    Raises StartRefused, LedgerLocked.
    """
    if not (settings.data / LEDGER_FILE).exists():
        raise StartRefused(f"{settings.data} is not a data directory; make one: `keytrail init`")
    forbid_core_dumps()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _check_tls(settings)
    with exclusive(settings.data), _listen(settings) as listening:
        keytrail = _opened(settings, clock)
        uvloop.run(_serve(keytrail, settings, listening, on_ready))


def _opened(settings: Settings, clock: Clock) -> Keytrail:
    try:
        return Keytrail(settings, clock)
    except Broken as broken:
        raise StartRefused(
            f"the ledger is broken at position {broken.position}: {broken.reason}"
        ) from broken
    except (KeyUnavailable, LedgerUnavailable, schema.WrongSchema) as error:
        raise StartRefused(f"the data directory does not open: {error}") from error
    except (RootKeyError, KeyringError, SelfTestFailed) as error:
        raise StartRefused(str(error)) from error
    except sqlite3.DatabaseError as error:
        # The ledger's own errors are dealt with above.
        raise StartRefused(
            f"{settings.data / PROJECTIONS_FILE} does not open: {error}; "
            "`keytrail rebuild` makes it anew"
        ) from error


def _check_tls(settings: Settings) -> None:
    if settings.tls_cert is None or settings.tls_key is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        names = f"{settings.tls_cert} and {settings.tls_key}"
        raise StartRefused(f"the certificate and key in {names} do not load: {error}") from error


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise StartRefused(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from error
    return listening


async def _serve(
    keytrail: Keytrail,
    settings: Settings,
    listening: socket.socket,
    on_ready: Callable[[str], None] | None,
) -> None:
    app = await keytrail.start()
    # What is alive now stays alive: the collector need not look at it again, nor so often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER, 50, 100)
    endpoint = msgspec.structs.replace(settings, port=listening.getsockname()[1]).endpoint

    def on_started() -> None:
        if on_ready is not None:
            on_ready(endpoint)

    server = _Server(configuration(app, settings), on_started, keytrail.drain)
    watching = asyncio.create_task(_stop_when_failed(keytrail, server))
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        await keytrail.stop()
    if keytrail.writer.failed is not None:
        raise StartRefused(f"stopped: {keytrail.writer.failed}")


def configuration(app: object, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves: no middleware, no access log, no forwarded headers."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type] # uvicorn's own protocol of an ASGI application
        loop="none",
        http=WireProtocol if isinstance(app, App) else "httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        backlog=2048,
    )


async def _stop_when_failed(keytrail: Keytrail, server: uvicorn.Server) -> None:
    """A ledger that contradicts itself must not be served any longer."""
    while keytrail.writer.failed is None:  # noqa: ASYNC110 (it fails on the writer's thread)
        await asyncio.sleep(_WATCH_INTERVAL_S)
    _log.critical("the ledger failed; stopping", reason=keytrail.writer.failed)
    server.should_exit = True


# --- from outside --------------------------------------------------------------------------------


def status(settings: Settings) -> dict[str, object]:
    """What is in the data directory, also while a server uses it. Raises StartRefused."""
    with closing(_connect(settings)) as connection:
        figures: dict[str, object] = {
            "data": str(settings.data),
            "position": Reader(connection).head(),
            **CatalogueReader(connection).counts(),
        }
    for name in (LEDGER_FILE, PROJECTIONS_FILE, KEYRING_FILE):
        figures[f"{name} bytes"] = _size(settings.data / name)
    return figures


def verify(settings: Settings, on_progress: Callable[[int, int], None] | None = None) -> Verified:
    """Walk the whole ledger, also while a server uses it. Raises Broken, StartRefused."""
    with closing(_connect(settings)) as connection:
        return verify_rows(Reader(connection), on_progress=on_progress)


def rebuild(settings: Settings, on_progress: Callable[[int, int], None]) -> int:
    """Make the catalogue and every projection anew from the ledger: how many rows it has.

    The catalogue is replaced in one transaction. Raises LedgerLocked, NotReplayed, StartRefused.
    """
    ledger = settings.data / LEDGER_FILE
    if not ledger.exists():
        raise StartRefused(f"{settings.data} is not a data directory")
    with exclusive(settings.data):
        catalogue = Catalogue()
        store = LedgerStore.open(ledger, catalogue)
        try:
            rows = store.run(lambda cursor: _replayed(catalogue, cursor, on_progress))
            store.checkpoint()
        except (CodecError, InvariantBroken) as error:
            raise NotReplayed(
                f"the ledger is broken, nothing was changed; run `keytrail verify`: {error}"
            ) from error
        finally:
            store.close()
        _index_anew(settings)
    return rows


def _replayed(
    catalogue: Catalogue, cursor: sqlite3.Cursor, on_progress: Callable[[int, int], None]
) -> int:
    catalogue.drop(cursor)
    catalogue.create(cursor)
    return replay(cursor, catalogue, on_progress)


def _index_anew(settings: Settings) -> None:
    path = settings.data / PROJECTIONS_FILE
    # Emptying it would need one that opens.
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    index = TrailIndex.open(path, settings.data / LEDGER_FILE)
    try:
        while index.step():
            pass
    finally:
        index.close()


def _connect(settings: Settings) -> sqlite3.Connection:
    ledger = settings.data / LEDGER_FILE
    if not ledger.exists():
        raise StartRefused(f"{settings.data} is not a data directory; make one: `keytrail init`")
    return schema.connect(ledger, read_only=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
