"""The writer at work: its own thread, a real file, a loop."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import Conflict, InvariantBroken
from domain.events import Event
from ledger.codec import CodecError
from ledger.reader import Reader
from ledger.store import LedgerStore, Submission
from ledger.verify import verify
from ledger.writer import LARGEST_BATCH_ROWS, Writer
from tests.ledger.holding import Barrier, started
from tests.ledger.samples import (
    News,
    RowPerEvent,
    event_id,
    plain,
    record,
    running,
    with_alias,
)


def test_an_append_gives_the_position_of_its_record(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        async with running(store, news) as writer:
            assert await writer.append(plain(1)) == 1
            assert await writer.append(with_alias(2, "a")) == 3
            assert writer.position == 3

    asyncio.run(scenario())
    assert news.positions == [1, 3]


def test_what_waits_together_shares_one_transaction(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        barrier = Barrier()
        async with running(store, news) as writer:
            held = asyncio.create_task(writer.run(barrier.hold))
            await barrier.until_reached()
            tasks = await started(*(writer.append(plain(number)) for number in range(50)))
            barrier.opened.set()
            assert await asyncio.gather(*tasks) == list(range(1, 51))
            await held

    asyncio.run(scenario())
    assert news.positions == [50]


def test_a_batch_has_at_most_1000_rows(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        barrier = Barrier()
        async with running(store, news, queue_limit=3000) as writer:
            held = asyncio.create_task(writer.run(barrier.hold))
            await barrier.until_reached()
            appends = (writer.append(with_alias(number, str(number))) for number in range(1001))
            tasks = await started(*appends)
            barrier.opened.set()
            assert await asyncio.gather(*tasks) == list(range(2, 2004, 2))
            await held

    asyncio.run(scenario())
    assert news.positions == [LARGEST_BATCH_ROWS, 2 * LARGEST_BATCH_ROWS, 2002]


def test_the_loop_hears_the_news_before_any_result(store: LedgerStore) -> None:
    heard: list[int] = []

    async def one(writer: Writer, number: int) -> None:
        assert await writer.append(plain(number)) in range(1, heard[-1] + 1)
        assert writer.position == heard[-1]

    async def scenario() -> None:
        def hear(position: int, submissions: Sequence[Submission]) -> None:
            heard.append(position)

        writer = Writer(
            store,
            loop=asyncio.get_running_loop(),
            queue_limit=1000,
            deadline_s=60,
            on_news=hear,
        )
        writer.start()
        await asyncio.gather(*(one(writer, number) for number in range(200)))
        await writer.stop()

    asyncio.run(scenario())
    assert heard[-1] == 200


def test_the_news_are_every_submission_in_the_order_of_positions(
    store: LedgerStore, reader: Reader, news: News
) -> None:
    async def scenario() -> None:
        async with running(store, news) as writer:
            appends = (writer.append(with_alias(number, str(number))) for number in range(300))
            await asyncio.gather(*appends)

    asyncio.run(scenario())
    told = [submission.record["eventID"] for submission in news.submissions]
    assert told == [row.originator_id for row in reader.page(0, 1000) if row.is_record]


@pytest.mark.parametrize("percent", [0, 1, 5, 20, 100])
def test_a_conflict_fails_its_own_request_alone(
    store: LedgerStore, reader: Reader, news: News, percent: int
) -> None:
    losers = {number for number in range(1, 301) if number * 37 % 100 < percent}

    async def scenario() -> list[int | BaseException]:
        async with running(store, news) as writer:
            await writer.append(with_alias(0, "taken"))
            appends = (
                writer.append(with_alias(n, "taken" if n in losers else str(n)))
                for n in range(1, 301)
            )
            return await asyncio.gather(*appends, return_exceptions=True)

    outcomes = asyncio.run(scenario())
    lost = {number for number, found in enumerate(outcomes, 1) if isinstance(found, Conflict)}
    assert lost == losers
    for number in set(range(1, 301)) - losers:
        found = reader.by_event_id(event_id(number))
        assert found is not None
        assert found.position == outcomes[number - 1]
    assert verify(reader).records == 301 - len(losers)


def test_of_sixteen_that_race_for_one_name_one_wins(
    store: LedgerStore, reader: Reader, news: News
) -> None:
    async def scenario() -> list[int | BaseException]:
        async with running(store, news) as writer:
            appends = (writer.append(with_alias(number, "a")) for number in range(16))
            return await asyncio.gather(*appends, return_exceptions=True)

    outcomes = asyncio.run(scenario())
    assert outcomes[0] == 2
    assert all(isinstance(outcome, Conflict) for outcome in outcomes[1:])
    assert reader.head() == 2


def test_what_the_catalogue_refuses_fails_alone(path: Path, news: News) -> None:
    class RefusesTheSeventh(RowPerEvent):
        def apply(self, cursor: sqlite3.Cursor, position: int, version: int, event: Event) -> None:
            super().apply(cursor, position, version, event)
            if event.stream.endswith("alias/7"):
                raise InvariantBroken("the seventh")

    async def scenario(store: LedgerStore) -> list[int | BaseException]:
        async with running(store, news) as writer:
            appends = (writer.append(with_alias(n, str(n))) for n in range(20))
            return await asyncio.gather(*appends, return_exceptions=True)

    with closing(LedgerStore.create(path, RefusesTheSeventh())) as store:
        outcomes = asyncio.run(scenario(store))
    assert isinstance(outcomes.pop(7), InvariantBroken)
    assert outcomes == list(range(2, 40, 2))


def test_a_submission_that_cannot_be_written_down_is_refused_at_once(
    store: LedgerStore, news: News
) -> None:
    async def scenario() -> None:
        async with running(store, news) as writer:
            with pytest.raises(CodecError):
                await writer.append(Submission(record=record(1) | {"resources": object()}))
            assert await writer.append(plain(1)) == 1

    asyncio.run(scenario())


def newest_position(cursor: sqlite3.Cursor) -> object:
    return cursor.execute("SELECT max(rowid) FROM stored_events").fetchone()


def test_a_job_runs_between_batches_and_gives_its_result(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        async with running(store, news) as writer:
            before = writer.append(plain(1))
            job = asyncio.create_task(writer.run(newest_position))
            await asyncio.sleep(0)  # the job is in the queue
            after = writer.append(plain(2))
            assert [await before, await job, await after] == [1, (1,), 2]

    asyncio.run(scenario())


def test_a_job_that_raises_fails_alone(store: LedgerStore, news: News) -> None:
    def fail(cursor: sqlite3.Cursor) -> None:
        raise LookupError

    async def scenario() -> None:
        async with running(store, news) as writer:
            with pytest.raises(LookupError):
                await writer.run(fail)
            assert await writer.append(plain(1)) == 1
            assert await writer.checkpoint()

    asyncio.run(scenario())


def test_a_job_whose_caller_is_gone_is_done_all_the_same(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        barrier = Barrier()
        async with running(store, news) as writer:
            job = asyncio.create_task(writer.run(barrier.hold))
            await barrier.until_reached()
            job.cancel()
            barrier.opened.set()
            assert await writer.append(plain(1)) == 1

    asyncio.run(scenario())
