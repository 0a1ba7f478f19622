"""Puts the rooms together: everything that a running server is made of."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version

import structlog

from api.app import App, operations
from api.auth.credentials import Credentials
from api.auth.sigv4 import Credential, Verifier
from api.gate import Gate
from api.identifiers import Identifiers
from api.metrics import Metrics
from api.outcome import Services
from api.provision import KEYRING_FILE, LEDGER_FILE, PROJECTIONS_FILE
from api.random_pool import RandomPool
from api.scheduler import Scheduler
from api.settings import Settings
from api.trace import Station
from api.wire.aws import Aws
from domain.errors import LedgerUnavailable
from domain.events import Event, KeyDeleted
from keystore import materials, self_test
from keystore.keyring import Keyring
from keystore.port import SealedMaterial
from keystore.root import read_root_file
from keystore.session_tokens import SessionTokens
from keystore.software import SoftwareKeyStore
from ledger.reader import Reader
from ledger.store import LedgerStore, Submission
from ledger.verify import verify_tail
from ledger.writer import Writer
from projections.authorization import Standings
from projections.catalogue import Catalogue
from projections.catalogue_reader import CatalogueReader
from projections.follower import Follower
from projections.trail import TrailIndex
from projections.trail_lookup import TrailLookup

VERIFIED_TAIL_ROWS = 1_000
SLOW_WORKERS = 4

_STARTING, _SERVING, _STOPPING = "starting", "serving", "stopping"

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of a server that is not under test."""
    return datetime.now(UTC)


_log = structlog.get_logger(__name__)


def _log_follower_failure(name: str, error: Exception) -> None:
    _log.error("follower failed", follower=name, error=type(error).__name__)


class Keytrail:
    """One running node. `start` and `stop` belong to the event loop that serves it."""

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        """Open and check everything.

        Raises RootKeyError, KeyringError, KeyUnavailable, SelfTestFailed, WrongSchema, Broken.
        """
        self._settings = settings
        self._clock = clock
        self_test.run(os.urandom)
        root = read_root_file(settings.root_key_file)
        self.keyring = Keyring.open(
            settings.data / KEYRING_FILE, root, clock=clock, random=os.urandom
        )
        self.store = LedgerStore.open(settings.data / LEDGER_FILE, Catalogue())
        self._connection = self.store.read_connection()
        verify_tail(Reader(self._connection), VERIFIED_TAIL_ROWS)
        self.catalogue = CatalogueReader(self._connection)
        self.key_store = self._open_key_store(self._connection)
        self.session_tokens = SessionTokens(self.keyring, os.urandom)
        self.standings = Standings(self.catalogue, settings.cache_entries)
        self.metrics = Metrics()
        self._index = TrailIndex.open(settings.data / PROJECTIONS_FILE, settings.data / LEDGER_FILE)
        self.follower = Follower(
            name="trail", step=self._index.step, on_error=_log_follower_failure
        )
        self._executor = ThreadPoolExecutor(SLOW_WORKERS, thread_name_prefix="slow")
        self._phase = _STARTING

    def _open_key_store(self, connection: sqlite3.Connection) -> SoftwareKeyStore:
        def load(account: str, owner_id: str, material_id: str) -> SealedMaterial | None:
            return materials.load(connection, account, owner_id, material_id)

        key_store = SoftwareKeyStore(
            self.keyring,
            load,
            capacity=self._settings.unsealed_keys,
            random=os.urandom,
            nonces=RandomPool(),
            monotonic=time.monotonic,
        )
        # The keyring opens with its root; this shows that it is the keyring of this ledger.
        for row in materials.one_per_epoch(connection):
            key_store.check_opens(row)
        return key_store

    # --- on the loop -----------------------------------------------------------------------------

    async def start(self) -> App:
        """Start the writer, the follower and the scheduler; the application to serve."""
        self.writer = Writer(
            self.store,
            loop=asyncio.get_running_loop(),
            queue_limit=self._settings.queue_limit,
            deadline_s=self._settings.append_deadline_s,
            on_news=self._on_news,
        )
        self.gate = self._gate()
        self.scheduler = self._scheduler()
        self._watch()
        self.writer.start()
        self.follower.start()
        try:
            await self._announce("KeytrailStart")
        except BaseException:
            # Otherwise the threads would keep the process for ever.
            await self._close()
            raise
        self._scheduling = asyncio.create_task(self.scheduler.run())
        self._phase = _SERVING
        return App(Aws(self.gate.run), operations(self.metrics, self.unready))

    def drain(self) -> None:
        """No new calls are wanted; those in flight are still answered."""
        self._phase = _STOPPING

    async def stop(self) -> None:
        """Record the end, store what waits, and close; the requests are answered by now."""
        self.drain()
        self._scheduling.cancel()
        await asyncio.wait((self._scheduling,))
        try:
            await self._record_end()
        finally:
            await self._close()

    async def _record_end(self) -> None:
        """What could not be recorded, and the end; a ledger that fails gets neither."""
        try:
            await self.gate.report_gap()
            await self._announce("KeytrailStop")
        except LedgerUnavailable as error:
            _log.error("the end was not recorded", reason=str(error))

    async def _close(self) -> None:
        await self.writer.stop()
        await asyncio.to_thread(self.follower.stop)
        self._executor.shutdown()
        self._index.close()
        self._connection.close()
        self.store.close()

    async def _announce(self, name: str) -> None:
        details = {"version": version("keytrail"), "node": self._settings.node}
        await self.gate.act(lambda _now: self.gate.home_act(name, details))

    def unready(self) -> str | None:
        """Why no call would be answered now, or None."""
        if self._phase != _SERVING:
            return self._phase
        if self.writer.failed is not None:
            return self.writer.failed
        refused = self.gate.unrecorded
        return f"the ledger could not record {refused} calls" if refused else None

    def _scheduler(self) -> Scheduler:
        return Scheduler(
            gate=self.gate,
            catalogue=self.catalogue,
            writer=self.writer,
            keyring=self.keyring,
            clock=self._clock,
            interval_s=self._settings.scheduler_interval_s,
            sweep_interval_s=self._settings.destruction_sweep_interval_s,
        )

    def _services(self, identifiers: Identifiers) -> Services:
        data = self._settings.data
        return Services(
            key_store=self.key_store,
            catalogue=self.catalogue,
            standings=self.standings,
            trail=TrailLookup(data / PROJECTIONS_FILE, data / LEDGER_FILE),
            session_tokens=self.session_tokens,
            new_id=identifiers.request_id,
        )

    def _gate(self) -> Gate:
        identifiers = Identifiers(RandomPool())
        credentials = Credentials(
            self._credential,
            self.session_tokens,
            clock=self._clock,
            capacity=self._settings.cache_entries,
        )
        home = next(iter(self.catalogue.accounts()))
        return Gate(
            verifier=Verifier(
                find=credentials.find, clock=self._clock, capacity=self._settings.cache_entries
            ),
            services=self._services(identifiers),
            writer=self.writer,
            clock=self._clock,
            identifiers=identifiers,
            executor=self._executor,
            metrics=self.metrics,
            station=Station(
                node=self._settings.node,
                home_account=home.account,
                home_region=home.home_region,
            ),
        )

    def _credential(self, access_key_id: str) -> Credential | None:
        row = self.catalogue.access_key(access_key_id)
        if row is None:
            return None
        secret = self.key_store.open_secret(account=row.account, owner_id=access_key_id)
        return Credential(access_key_id, secret.decode(), row.account, row.principal_arn)

    def _on_news(self, position: int, submissions: Sequence[Submission]) -> None:
        """What was stored becomes known on the loop, before any of its answers."""
        del position
        self.follower.wake()
        for submission in submissions:
            if submission.events:
                self._apply([one.event for one in submission.events])

    def _apply(self, events: Sequence[Event]) -> None:
        self.standings.apply(events)
        for event in events:
            if isinstance(event, KeyDeleted):
                self.key_store.forget(event.account, event.key_id)

    def _watch(self) -> None:
        writer, follower = self.writer, self.follower
        watch = self.metrics.watch
        watch("keytrail_log_position", "Newest position.", lambda: writer.position)
        watch("keytrail_ledger_waiting", "Calls that wait.", lambda: writer.waiting)
        watch("keytrail_ledger_failed", "1 once failed.", lambda: writer.failed is not None)
        watch("keytrail_trail_lag_rows", "Rows not yet indexed.", lambda: follower.behind)
