"""Holding up the writer's thread, so that a test decides what happens meanwhile."""

import asyncio
import sqlite3
import threading

from domain.events import Event
from tests.ledger.samples import RowPerEvent


class Barrier:
    """Holds up the writer's thread until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def hold(self, _: object = None) -> None:
        self.reached.set()
        assert self.opened.wait(60)

    async def until_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 60)


class HoldingAlias(RowPerEvent):
    """A catalogue inside whose transaction the thread is held up at the first event."""

    def __init__(self) -> None:
        self.barrier = Barrier()

    def apply(self, cursor: sqlite3.Cursor, position: int, version: int, event: Event) -> None:
        super().apply(cursor, position, version, event)
        self.barrier.hold()


async def started(*appends: asyncio.Future[int]) -> list[asyncio.Future[int]]:
    """The appends, once the loop has had a turn to begin them."""
    await asyncio.sleep(0)
    return list(appends)
