"""The follower: woken, paced, stopped, and not stopped by errors."""

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from projections.follower import Follower, Pace
from tests.projections.conftest import Trail

LIMIT_S = 20
AT_ONCE = Pace(pause_s=0, poll_s=LIMIT_S, first_retry_s=0, last_retry_s=0)
ONLY_WHEN_WOKEN = Pace(pause_s=LIMIT_S, poll_s=LIMIT_S)
Start = Callable[..., Follower]


class Steps:
    """A step that returns what it is told to, and lets a test wait until it was called."""

    def __init__(self, *results: int | Exception) -> None:
        self._results = list(results)
        self._called = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []
        self.priorities: list[int] = []

    def __call__(self) -> int:
        self.threads.append(threading.current_thread())
        self.priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        result = self._results.pop(0) if self._results else 0
        self._called.release()
        if isinstance(result, Exception):
            raise result
        return result

    def wait(self, calls: int) -> None:
        for _ in range(calls):
            assert self._called.acquire(timeout=LIMIT_S)


@pytest.fixture
def errors() -> list[tuple[str, Exception]]:
    return []


@pytest.fixture
def start(errors: list[tuple[str, Exception]]) -> Iterator[Start]:
    started: list[Follower] = []

    def start(step: Callable[[], int], pace: Pace = AT_ONCE) -> Follower:
        def note(name: str, error: Exception) -> None:
            errors.append((name, error))

        follower = Follower(name="trail", step=step, on_error=note, pace=pace)
        follower.start()
        started.append(follower)
        return follower

    yield start
    for follower in started:
        follower.stop()


def test_rows_that_still_wait_are_taken_at_once(start: Start) -> None:
    steps = Steps(3, 2, 1, 0)
    start(steps, ONLY_WHEN_WOKEN)
    steps.wait(4)


def test_a_hint_wakes_a_follower_that_has_caught_up(start: Start) -> None:
    steps = Steps()
    follower = start(steps)
    for _ in range(3):
        steps.wait(1)
        follower.wake()


def test_without_a_hint_the_ledger_is_looked_at_all_the_same(start: Start) -> None:
    steps = Steps()
    start(steps, Pace(pause_s=0, poll_s=0.001))
    steps.wait(5)


def test_to_catch_up_cuts_the_pause_short(start: Start) -> None:
    steps = Steps()
    follower = start(steps, ONLY_WHEN_WOKEN)
    for _ in range(3):
        steps.wait(1)
        follower.catch_up()


def test_hints_during_the_pause_become_one_step(start: Start) -> None:
    steps = Steps()
    follower = start(steps, ONLY_WHEN_WOKEN)
    steps.wait(1)
    for _ in range(1000):
        follower.wake()
    follower.stop()
    assert len(steps.threads) == 1


def test_stopping_ends_the_pause_and_joins_the_thread(start: Start) -> None:
    steps = Steps()
    follower = start(steps, ONLY_WHEN_WOKEN)
    steps.wait(1)
    follower.stop()
    assert not steps.threads[0].is_alive()
    assert not steps.threads[0].daemon


def test_an_error_is_told_and_the_step_tried_again(
    start: Start, errors: list[tuple[str, Exception]]
) -> None:
    broken = sqlite3.OperationalError("disk I/O error")
    steps = Steps(broken, broken, 7, 0)
    follower = start(steps)
    steps.wait(4)
    assert errors == [("trail", broken), ("trail", broken)]
    follower.stop()
    assert follower.failure is None


def test_an_error_is_kept_until_a_step_succeeds(
    start: Start, errors: list[tuple[str, Exception]]
) -> None:
    steps = Steps(ValueError("once"))
    follower = start(steps, Pace(first_retry_s=LIMIT_S))
    steps.wait(1)
    follower.stop()
    assert [follower.failure] == [error for _, error in errors]


def test_the_wait_after_an_error_doubles_up_to_a_minute() -> None:
    waits = [Pace().retry_s(failures) for failures in (1, 2, 3, 6, 7, 8, 1000)]
    assert waits == [1, 2, 4, 32, 60, 60, 60]


def test_the_lag_is_what_the_newest_step_left(start: Start) -> None:
    steps = Steps(5, ValueError("stopped short"))
    follower = start(steps, Pace(first_retry_s=LIMIT_S))
    steps.wait(2)
    assert follower.behind == 5


def test_only_the_followers_own_thread_has_a_lower_priority(start: Start) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    steps = Steps()
    start(steps)
    steps.wait(1)
    assert steps.priorities[0] == (max(own, 10) if sys.platform == "linux" else own)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_lookups_are_exact_while_the_index_follows(trail: Trail, start: Start) -> None:
    follower = start(trail.index.step)
    expected: list[str] = []
    for _ in range(60):
        expected[:0] = [trail.call()["eventID"]]
        follower.wake()
        assert trail.find(("Username", "root")) == expected
    follower.stop()
    trail.follow()
    assert trail.index.position == 60
