"""The one thread that writes history, and its side on the event loop.

Whatever arrives while a transaction is in flight shares the next one: one fsync for all of them,
with no delay to configure. The loop makes the batches, after everything that is ready has run: a
thread that took what it found would wake for the first call alone, and each wake-up costs the loop
the interpreter's lock.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
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
        self._waiting: deque[_Entry | _Task[Any]] = deque()
        self._seen = 0  # how many waited at the last look
        self._dispatching = False  # a dispatch is due on the loop, or the thread is at work
        self._given: SimpleQueue[list[_Entry] | _Task[Any]] = SimpleQueue()  # one at a time
        self._unresolved: deque[_Entry] = deque()  # in the order of their deadlines
        self._sweep_timer: asyncio.TimerHandle | None = None
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
        self._enqueue(_Task(self._end, self._loop.create_future()))
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
        return len(self._waiting)

    def append(self, submission: Submission) -> asyncio.Future[int]:
        """Store a submission durably; the future gives the position of its record.

        Raises LedgerUnavailable at once when the queue is full. Awaiting raises Conflict when a
        version was taken, and LedgerUnavailable, after the deadline at the latest: then the
        transaction may be running, and its outcome is open. Being cancelled changes nothing of
        what is stored. Raises CodecError and InvariantBroken when the submission itself is wrong.
        """
        self._check_open()
        if len(self._waiting) >= self._queue_limit:
            raise LedgerUnavailable("too many calls wait for the ledger")
        deadline = self._loop.time() + self._deadline_s
        entry = _Entry(submission, self._loop.create_future(), deadline)
        self._unresolved.append(entry)
        self._enqueue(entry)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_at(deadline, self._sweep)
        return entry.future

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
        self._enqueue(_Task(function, future))
        return await future

    def _enqueue(self, item: _Entry | _Task[Any]) -> None:
        self._waiting.append(item)
        if not self._dispatching:
            self._dispatching = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Give the thread every entry that waits up to the next task, or one task."""
        if self._seen < len(self._waiting) < LARGEST_BATCH_ROWS:
            # The loop is still bringing calls: one more turn, and they share this transaction.
            self._seen = len(self._waiting)
            self._loop.call_soon(self._dispatch)
            return
        self._seen = 0
        entries = self._take_entries()
        if entries:
            self._given.put(entries)
        elif self._waiting and isinstance(task := self._waiting.popleft(), _Task):
            self._given.put(task)
        else:
            self._dispatching = False

    def _take_entries(self) -> list[_Entry]:
        entries: list[_Entry] = []
        row_count = 0
        while self._waiting:
            item = self._waiting[0]
            if isinstance(item, _Task):
                break
            row_count += len(item.rows)
            if entries and row_count > LARGEST_BATCH_ROWS:
                break
            self._waiting.popleft()
            if not item.withdrawn:
                item.taken = True
                entries.append(item)
        return entries

    def _check_open(self) -> None:
        reason = self._closed or self.failed
        if reason is not None:
            raise LedgerUnavailable(reason)

    def _sweep(self) -> None:
        """Refuse what is past its deadline; one timer for all, at the oldest one's deadline."""
        now = self._loop.time()
        while self._unresolved:
            entry = self._unresolved[0]
            if not entry.future.done():
                if entry.deadline > now:
                    break
                entry.withdrawn = not entry.taken
                entry.future.set_exception(LedgerUnavailable(_too_late(entry)))
            self._unresolved.popleft()
        self._sweep_timer = (
            self._loop.call_at(self._unresolved[0].deadline, self._sweep)
            if self._unresolved
            else None
        )

    def _deliver(self, entries: Sequence[_Entry]) -> None:
        """News first, then results: a caller resumes in a process that knows of its own events."""
        stored = [entry for entry in entries if isinstance(entry.outcome, int)]
        try:
            if stored and self._news_failed is None:
                self._tell(stored)
        finally:
            for entry in entries:
                self._resolve(entry)
            while self._unresolved and self._unresolved[0].future.done():
                self._unresolved.popleft()
            # Behind the callers that have just been resolved: their answers leave first.
            self._loop.call_soon(self._dispatch)

    def _tell(self, stored: Sequence[_Entry]) -> None:
        self.position += sum(len(entry.rows) for entry in stored)
        try:
            self._on_news(self.position, [entry.submission for entry in stored])
        except Exception as error:
            # What this process believes is no longer what is stored: no answer may rest on it.
            self._news_failed = f"news of the ledger could not be applied: {type(error).__name__}"
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
            given = self._given.get()
            if isinstance(given, _Task):
                self._run_task(given)
            else:
                self._store_entries(given)
                self._loop.call_soon_threadsafe(self._deliver, given)
        self._loop.call_soon_threadsafe(self._ended.set)

    def _end(self) -> None:
        self._serving = False

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
        result, failure = None, None
        try:
            result = task.function()
        except Exception as error:  # noqa: BLE001 - the caller gets it, the thread goes on
            failure = error
        self._loop.call_soon_threadsafe(self._settle, task.future, result, failure)

    def _settle(self, future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._loop.call_soon(self._dispatch)


def _too_late(entry: _Entry) -> str:
    if entry.withdrawn:
        return "the call was withdrawn at its deadline, before anything was stored"
    return "the ledger did not answer in time; whether the call is stored is open"
