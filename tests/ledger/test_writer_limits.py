"""The writer when the disk is slow or full, the caller gone, or the end near."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import LedgerUnavailable
from ledger.reader import Reader
from ledger.store import LedgerStore, Submission
from ledger.verify import verify
from ledger.writer import Writer
from tests.ledger.holding import Barrier, HoldingAlias, started
from tests.ledger.samples import (
    News,
    event_id,
    plain,
    running,
    with_alias,
)


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_not(
    store: LedgerStore, news: News
) -> None:
    async def scenario() -> None:
        barrier = Barrier()
        async with running(store, news, queue_limit=3) as writer:
            held = asyncio.create_task(writer.run(barrier.hold))
            await barrier.until_reached()
            tasks = await started(*(writer.append(plain(number)) for number in range(3)))
            assert writer.waiting == 3
            with pytest.raises(LedgerUnavailable, match="too many"):
                await writer.append(plain(3))
            barrier.opened.set()
            assert await asyncio.gather(*tasks) == [1, 2, 3]
            await held
            assert await writer.append(plain(3)) == 4

    asyncio.run(scenario())


def test_what_still_waits_at_its_deadline_is_withdrawn(
    store: LedgerStore, reader: Reader, news: News
) -> None:
    async def scenario() -> None:
        barrier = Barrier()
        async with running(store, news, deadline_s=0.01) as writer:
            held = asyncio.create_task(writer.run(barrier.hold))
            await barrier.until_reached()
            for number in range(3):
                with pytest.raises(LedgerUnavailable, match="withdrawn"):
                    await writer.append(plain(number))
            barrier.opened.set()
            await held

    asyncio.run(scenario())
    assert reader.head() == 0
    assert news.positions == []


def test_each_call_has_a_deadline_of_its_own(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        barrier = Barrier()
        async with running(store, news, deadline_s=0.02) as writer:
            held = asyncio.create_task(writer.run(barrier.hold))
            await barrier.until_reached()
            tasks = await started(writer.append(plain(1)))
            halfway = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, halfway.set)
            await halfway.wait()
            tasks += await started(writer.append(plain(2)))
            for task in tasks:
                with pytest.raises(LedgerUnavailable, match="withdrawn"):
                    await task
            barrier.opened.set()
            await held
        assert writer.waiting == 0

    asyncio.run(scenario())


def test_past_its_deadline_in_a_running_transaction_the_outcome_is_open_and_the_news_still_come(
    path: Path, news: News
) -> None:
    async def scenario(store: LedgerStore, barrier: Barrier) -> None:
        async with running(store, news, deadline_s=0.01) as writer:
            tasks = await started(writer.append(with_alias(1, "a")))
            await barrier.until_reached()
            with pytest.raises(LedgerUnavailable, match="is open"):
                await tasks[0]
            barrier.opened.set()
        assert writer.position == 2

    catalogue = HoldingAlias()
    with closing(LedgerStore.create(path, catalogue)) as store:
        asyncio.run(scenario(store, catalogue.barrier))
        assert store.head == 2
    assert news.positions == [2]


@pytest.mark.parametrize("when", ["queued", "in the transaction"])
def test_a_caller_who_is_gone_changes_nothing_of_what_is_stored(
    path: Path, news: News, when: str
) -> None:
    async def scenario(store: LedgerStore, barrier: Barrier) -> None:
        async with running(store, news) as writer:
            first, second = await started(
                writer.append(with_alias(1, "a")), writer.append(plain(2))
            )
            await barrier.until_reached()
            third, *_ = await started(writer.append(plain(3)))
            gone = third if when == "queued" else second
            gone.cancel()
            barrier.opened.set()
            assert await first == 2
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert await writer.append(plain(4)) == 5

    catalogue = HoldingAlias()
    with closing(LedgerStore.create(path, catalogue)) as store:
        asyncio.run(scenario(store, catalogue.barrier))
    assert [each.record["eventID"] for each in news.submissions] == [*map(event_id, range(1, 5))]


def test_a_full_disk_refuses_the_whole_batch_and_the_writer_goes_on(
    store: LedgerStore, reader: Reader, news: News
) -> None:
    async def scenario() -> None:
        async with running(store, news) as writer:
            await writer.run(lambda cursor: cursor.execute("PRAGMA max_page_count = 1").fetchone())
            appends = (writer.append(plain(number)) for number in range(100))
            outcomes = await asyncio.gather(*appends, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
            await writer.run(
                lambda cursor: cursor.execute("PRAGMA max_page_count = 1073741823").fetchone()
            )
            assert await writer.append(plain(100)) == 1
            assert writer.failed is None

    asyncio.run(scenario())
    assert verify(reader).rows == 1


def test_news_that_cannot_be_applied_stop_everything(store: LedgerStore) -> None:
    reported: list[object] = []

    def fail(position: int, submissions: Sequence[Submission]) -> None:
        raise LookupError("news")

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context.get("exception")))
        writer = Writer(store, loop=loop, queue_limit=9, deadline_s=60, on_news=fail)
        writer.start()
        outcomes = await asyncio.gather(
            *(writer.append(plain(number)) for number in range(9)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
        assert "news" in str(writer.failed)
        with pytest.raises(LedgerUnavailable):
            await writer.append(plain(9))
        await writer.stop()

    asyncio.run(scenario())
    assert [type(error) for error in reported] == [LookupError]


def test_stopping_stores_what_waits_and_then_refuses(
    store: LedgerStore, reader: Reader, news: News
) -> None:
    async def scenario() -> None:
        async with running(store, news) as writer:
            tasks = await started(*(writer.append(plain(number)) for number in range(100)))
            await asyncio.gather(writer.stop(), writer.stop())
            assert [task.result() for task in tasks] == list(range(1, 101))
            with pytest.raises(LedgerUnavailable, match="has stopped"):
                await writer.append(plain(100))
            with pytest.raises(LedgerUnavailable, match="has stopped"):
                await writer.checkpoint()

    asyncio.run(scenario())
    assert reader.head() == 100


def test_a_writer_that_has_not_started_refuses(store: LedgerStore, news: News) -> None:
    async def scenario() -> None:
        writer = Writer(
            store,
            loop=asyncio.get_running_loop(),
            queue_limit=1,
            deadline_s=60,
            on_news=news,
        )
        with pytest.raises(LedgerUnavailable, match="not started"):
            await writer.append(plain(1))
        await writer.stop()

    asyncio.run(scenario())
