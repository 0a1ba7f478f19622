"""The one thread that writes history, and its side on the event loop.

Whatever arrives while a transaction is in flight shares the next one: one fsync for all of them,
with no delay to configure.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from sqlite3 import Cursor
from typing import Any, Generic, TypeVar

from domain.errors import LedgerUnavailable
from ledger.store import LedgerStore, Submission

LARGEST_BATCH_ROWS = 1000

T = TypeVar("T")


class _Entry:
    """A submission on its way: made and resolved on the loop, stored by the thread."""

    __slots__ = ("deadline", "future", "outcome", "rows", "submission", "taken", "withdrawn")

    def __init__(
        self, submission: Submission, future: asyncio.Future[int], deadline: float
    ) -> None:
        self.submission = submission
        self.rows = submission.encoded()
        self.future = future
        self.deadline = deadline
        self.taken = False
        self.withdrawn = False
        self.outcome: int | Exception = 0  # the position of its record, or why there is none


class _Task(Generic[T]):
    """A function to be called on the thread between two batches."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[], T], future: asyncio.Future[T]) -> None:
        self.function = function
        self.future = future


class Writer:
    """Appends submissions in the order of the calls.

    `on_news(position, submissions)` runs on the loop after each commit and before any result of it:
    `position` is the new head, and the submissions are the rows that end there, without a gap.
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        loop: asyncio.AbstractEventLoop,
        queue_limit: int,
        deadline_s: float,
        on_news: Callable[[int, Sequence[Submission]], None],
    ) -> None:
        self._store = store
        self._loop = loop
        self._queue_limit = queue_limit
        self._deadline_s = deadline_s
        self._on_news = on_news
        self.position = store.head
        self._queue: SimpleQueue[_Entry | _Task[Any]] = SimpleQueue()
        self._held: _Entry | _Task[Any] | None = None  # taken from the queue for the next batch
        self._unresolved: deque[_Entry] = deque()  # in the order of their deadlines
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._taking = threading.Lock()  # between taking an entry and withdrawing it
        self._thread = threading.Thread(target=self._serve, name="ledger-writer", daemon=False)
        self._serving = True
        self._closed: str | None = "the ledger's writer has not started"
        self._news_failed: str | None = None
        self._ended = asyncio.Event()

    # --- on the loop -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; `stop` must follow, since the process does not end without it."""
        self._closed = None
        self._thread.start()

    async def stop(self) -> None:
        """Accept nothing more, store what waits, end the thread."""
        if not self._thread.is_alive():
            return
        self._closed = "the ledger's writer has stopped"
        self._queue.put(_Task(self._end, self._loop.create_future()))
        await self._ended.wait()
        self._thread.join()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    @property
    def failed(self) -> str | None:
        """Why nothing will ever be stored again, or None. A server that reads a reason stops."""
        return self._store.failed or self._news_failed

    @property
    def waiting(self) -> int:
        """How many calls wait for the next transaction."""
        return self._queue.qsize()

    async def append(self, submission: Submission) -> int:
        """Store a submission durably: the position of its record.

        Raises Conflict when a version was taken, and LedgerUnavailable: at once when the queue is
        full, after the deadline otherwise. In the latter case the transaction may be running: its
        outcome is open. Being cancelled changes nothing of what is stored. Raises CodecError and
        InvariantBroken when the submission is wrong in itself.
        """
        self._check_open()
        if self._queue.qsize() >= self._queue_limit:
            raise LedgerUnavailable("too many calls wait for the ledger")
        deadline = self._loop.time() + self._deadline_s
        entry = _Entry(submission, self._loop.create_future(), deadline)
        self._unresolved.append(entry)
        self._queue.put(entry)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_at(deadline, self._sweep)
        return await entry.future

    async def run(self, job: Callable[[Cursor], T]) -> T:
        """Run a maintenance job on the thread, in a transaction of its own, between two batches.

        It must not insert rows, and holds up every append while it runs. Raises what the job
        raises, InvariantBroken when SQLite refuses its statements, and LedgerUnavailable.
        """
        return await self._call(lambda: self._store.run(job))

    async def checkpoint(self) -> bool:
        """Empty the write-ahead log, and so erase what was deleted: False while a reader reads."""
        return await self._call(self._store.checkpoint)

    async def _call(self, function: Callable[[], T]) -> T:
        self._check_open()
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Task(function, future))
        return await future

    def _check_open(self) -> None:
        reason = self._closed or self.failed
        if reason is not None:
            raise LedgerUnavailable(reason)

    def _sweep(self) -> None:
        """Refuse what is past its deadline; one timer for all, at the oldest one's deadline."""
        now = self._loop.time()
        with self._taking:
            while (entry := self._oldest_unresolved()) is not None and entry.deadline <= now:
                entry.withdrawn = not entry.taken
                entry.future.set_exception(LedgerUnavailable(_too_late(entry)))
        self._sweep_timer = self._loop.call_at(entry.deadline, self._sweep) if entry else None

    def _oldest_unresolved(self) -> _Entry | None:
        while self._unresolved and self._unresolved[0].future.done():
            self._unresolved.popleft()
        return self._unresolved[0] if self._unresolved else None

    def _deliver(self, entries: Sequence[_Entry]) -> None:
        """News first, then results: a caller resumes in a process that knows of its own events."""
        stored = [entry for entry in entries if isinstance(entry.outcome, int)]
        try:
            if stored and self._news_failed is None:
                self._tell(stored)
        finally:
            for entry in entries:
                self._resolve(entry)
            self._oldest_unresolved()  # forgets the others

    def _tell(self, stored: Sequence[_Entry]) -> None:
        self.position += sum(len(entry.rows) for entry in stored)
        try:
            self._on_news(self.position, [entry.submission for entry in stored])
        except Exception as error:
            # What this process believes is no longer what is stored: no answer may rest on it.
            self._news_failed = f"news of the ledger could not be applied: {error!r}"
            raise

    def _resolve(self, entry: _Entry) -> None:
        # The caller is gone, or was refused while the transaction ran. The record stands.
        if entry.future.done():
            return
        outcome = entry.outcome
        if isinstance(outcome, Exception):
            entry.future.set_exception(outcome)
        elif self._news_failed is not None:
            entry.future.set_exception(LedgerUnavailable(self._news_failed))
        else:
            entry.future.set_result(outcome)

    # --- on the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        while self._serving:
            entries, task = self._take()
            if entries:
                self._store_entries(entries)
                self._loop.call_soon_threadsafe(self._deliver, entries)
            if task is not None:
                self._run_task(task)
        self._loop.call_soon_threadsafe(self._ended.set)

    def _end(self) -> None:
        self._serving = False

    def _take(self) -> tuple[list[_Entry], _Task[Any] | None]:
        """Wait for work, then take every entry that waits up to the next task, or one task."""
        item = self._held or self._queue.get()
        self._held = None
        if isinstance(item, _Task):
            return [], item
        entries = [item]
        row_count = len(item.rows)
        while (found := self._next()) is not None:
            if isinstance(found, _Task) or row_count + len(found.rows) > LARGEST_BATCH_ROWS:
                self._held = found
                break
            entries.append(found)
            row_count += len(found.rows)
        with self._taking:
            entries = [entry for entry in entries if not entry.withdrawn]
            for entry in entries:
                entry.taken = True
        return entries, None

    def _next(self) -> _Entry | _Task[Any] | None:
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _store_entries(self, entries: list[_Entry]) -> None:
        """Store them together; on a conflict by halves, so that it fails its own request alone."""
        parts = [entries]
        while parts:
            part = parts.pop()
            try:
                self._store_part(part)
            except LedgerUnavailable as error:
                # The disk failed, not a request: what is left of the batch would fail as well.
                for entry in [*part, *(entry for rest in parts for entry in rest)]:
                    entry.outcome = LedgerUnavailable(*error.args)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one request
                if len(part) == 1:
                    part[0].outcome = error
                else:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]

    def _store_part(self, part: Sequence[_Entry]) -> None:
        position = self._store.head
        rows = [row for entry in part for row in entry.rows]
        self._store.insert(rows, [entry.submission for entry in part])
        for entry in part:
            position += len(entry.rows)
            entry.outcome = position

    def _run_task(self, task: _Task[Any]) -> None:
        try:
            result = task.function()
        except Exception as error:  # noqa: BLE001 - the caller gets it, the thread goes on
            self._loop.call_soon_threadsafe(_settle, task.future, None, error)
        else:
            self._loop.call_soon_threadsafe(_settle, task.future, result, None)


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _too_late(entry: _Entry) -> str:
    if entry.withdrawn:
        return "the call was withdrawn at its deadline, before anything was stored"
    return "the ledger did not answer in time; whether the call is stored is open"
