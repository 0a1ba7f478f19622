"""The scheduler: a task on the event loop that looks for what is due."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from api.gate import Gate
from api.service_acts import delete_due_keys, destroy_deleted_material
from domain.errors import LedgerUnavailable
from keystore.keyring import Keyring
from ledger.writer import Writer
from projections.catalogue_reader import CatalogueReader

_log = structlog.get_logger(__name__)


class Scheduler:
    """Deletions, destruction and the report of a gap, each as a recorded service event."""

    def __init__(  # noqa: PLR0913 (composition hands everything in here)
        self,
        *,
        gate: Gate,
        catalogue: CatalogueReader,
        writer: Writer,
        keyring: Keyring,
        clock: Callable[[], datetime],
        interval_s: float,
        sweep_interval_s: float,
    ) -> None:
        self._gate = gate
        self._catalogue = catalogue
        self._writer = writer
        self._keyring = keyring
        self._clock = clock
        self._interval_s = interval_s
        self._sweep_interval = timedelta(seconds=sweep_interval_s)
        self._swept_at: datetime | None = None

    async def run(self) -> None:
        """Look again and again until the task is cancelled."""
        while True:
            try:
                await self.tick()
            except LedgerUnavailable:
                # The next round tries again: what is due stays due.
                _log.warning("scheduler waits for the ledger")
            except Exception as error:  # noqa: BLE001 (one bad round must not end the rounds)
                _log.error("scheduler round failed", error=type(error).__name__)
            await asyncio.sleep(self._interval_s)

    async def tick(self) -> None:
        """One round. Raises LedgerUnavailable."""
        await self._gate.report_gap()
        now = self._clock()
        await delete_due_keys(self._gate, self._catalogue, now)
        is_due = self._swept_at is None or now - self._swept_at >= self._sweep_interval
        if is_due and await self.sweep() is not None:
            self._swept_at = now

    async def sweep(self) -> int | None:
        """Destroy the material of deleted keys: how many, None when it must be tried again."""
        return await destroy_deleted_material(
            self._gate, self._catalogue, self._writer, self._keyring
        )
