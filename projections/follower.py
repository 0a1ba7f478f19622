"""Runs one projection behind the ledger, on a thread of its own."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a follower waits, in seconds.

    `pause_s` is the least time between two steps of a follower that has caught up, so that many
    small commits become few steps; `poll_s` the longest without looking, if no hint comes.
    """

    pause_s: float = 0.1
    poll_s: float = 1.0
    first_retry_s: float = 1.0
    last_retry_s: float = 60.0

    def retry_s(self, failures: int) -> float:
        """The wait after that many failures in a row: doubled each time, up to the longest."""
        return float(min(self.first_retry_s * 2 ** min(failures - 1, 16), self.last_retry_s))


class Follower:
    """Calls `step` until it says that nothing is left, then again after each hint.

    `step` moves the projection on by one transaction and returns how many rows of the ledger
    still wait. An error stops this follower only: it is kept in `failure`, handed to `on_error`
    and tried again. `behind` is what the newest step returned.
    """

    def __init__(
        self,
        *,
        name: str,
        step: Callable[[], int],
        on_error: Callable[[str, Exception], None],
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self.behind = 0
        self.failure: Exception | None = None
        self._step = step
        self._on_error = on_error
        self._pace = pace or Pace()
        self._hint = threading.Event()
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        # Not a daemon: a daemon would be torn out of its transaction when the process ends.
        self._thread = threading.Thread(target=self._run, name=f"follower {name}", daemon=False)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the step that runs finish, and join the thread."""
        self._stopping.set()
        self.catch_up()
        self._thread.join()

    def wake(self) -> None:
        """Say that the ledger has grown. Called for every batch on the event loop."""
        # Setting an event takes a lock; looking at one that is already set takes nothing.
        if not self._hint.is_set():
            self._hint.set()

    def catch_up(self) -> None:
        """As `wake`, without the pause that otherwise follows a step."""
        self._hurry.set()
        self._hint.set()

    def _run(self) -> None:
        _lower_priority()
        failures = 0
        while not self._stopping.is_set():
            try:
                self.behind = self._step()
            except Exception as error:  # noqa: BLE001 (whatever it is, the others go on)
                failures += 1
                self.failure = error
                self._on_error(self.name, error)
                self._stopping.wait(self._pace.retry_s(failures))
                continue
            failures = 0
            self.failure = None
            if self.behind == 0:
                self._rest()

    def _rest(self) -> None:
        self._hurry.wait(self._pace.pause_s)
        self._hurry.clear()
        self._hint.wait(self._pace.poll_s)
        # Cleared before the next step reads the head: a later commit sets it again. `stop` sets
        # its own flag first, so the loop sees that flag or finds the hint still set.
        self._hint.clear()


def _lower_priority() -> None:
    # Elsewhere the number of a thread may be the number of somebody's process.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            niceness = max(os.getpriority(os.PRIO_PROCESS, thread), 10)
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
