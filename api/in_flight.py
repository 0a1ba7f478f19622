"""Streams whose next version is being appended: a decision that reads one waits for its turn.

This removes the races inside a node: what is decided on the event loop is decided on a state that
contains everything before it. Between nodes the ledger's versions do the same.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from api.outcome import Outcome
from domain.errors import LedgerUnavailable


class InFlight:
    """Which streams are claimed, and who waits for each, first come, first served."""

    def __init__(self) -> None:
        self._claimed: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def blocking(self, outcome: Outcome) -> str | None:
        """A stream whose append must end before this outcome can be trusted."""
        if not self._claimed or not (outcome.events or outcome.reads):
            return None
        return next(iter(streams(outcome) & self._claimed), None)

    async def wait(self, stream: str) -> None:
        """Wait for a turn at the stream. Whoever had one must claim it, or pass it on.

        Raises LedgerUnavailable when the append before it failed for want of the ledger.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(stream, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have come before the caller went away: the next in line must not starve.
            asyncio.get_running_loop().call_soon(self.pass_on, stream)
            raise

    def pass_on(self, stream: str) -> None:
        """Give the turn to the next in line, unless the stream has been claimed meanwhile."""
        waiting = self._waiting.get(stream)
        if waiting is None or stream in self._claimed:
            return
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if not waiting:
            del self._waiting[stream]

    @contextmanager
    def claim(self, outcome: Outcome) -> Iterator[None]:
        """Hold the outcome's streams while it is appended."""
        held = streams(outcome)
        self._claimed |= held
        try:
            yield
        except LedgerUnavailable as error:
            # Else each of them would wait out a deadline of its own, one after the other.
            for stream in held:
                self._refuse_all(stream, error)
            raise
        finally:
            self._claimed -= held
            for stream in held:
                self.pass_on(stream)

    def _refuse_all(self, stream: str, error: LedgerUnavailable) -> None:
        for turn in self._waiting.pop(stream, ()):
            if not turn.done():
                turn.set_exception(LedgerUnavailable(*error.args))


def streams(outcome: Outcome) -> frozenset[str]:
    """The streams that the outcome writes, and those that it read to get there."""
    return frozenset(one.event.stream for one in outcome.events).union(outcome.reads)
