"""Claims on streams: first come, first served, and nobody waits for a ledger that is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from api.in_flight import InFlight
from api.outcome import Outcome, next_event
from domain.errors import LedgerUnavailable
from domain.events import KeyEnabled

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def enabling(key_id: str) -> Outcome:
    event = KeyEnabled(
        at=NOW, account="1" * 12, region="eu-central-1", key_id=key_id, effective_at=NOW
    )
    return Outcome(events=next_event(1, event))


def ran(scenario: Callable[[InFlight], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(InFlight())

    asyncio.run(run())


def test_a_claimed_stream_blocks_what_writes_or_reads_it_and_nothing_else() -> None:
    async def scenario(in_flight: InFlight) -> None:
        stream = enabling("a").events[0].event.stream
        with in_flight.claim(enabling("a")):
            assert in_flight.blocking(enabling("a")) == stream
            assert in_flight.blocking(Outcome(reads=(stream,))) == stream
            assert in_flight.blocking(enabling("b")) is None
            assert in_flight.blocking(Outcome()) is None
        assert in_flight.blocking(enabling("a")) is None

    ran(scenario)


def test_turns_come_in_the_order_of_waiting() -> None:
    async def scenario(in_flight: InFlight) -> None:
        stream, order = enabling("a").events[0].event.stream, list[int]()

        async def wait(number: int) -> None:
            await in_flight.wait(stream)
            order.append(number)
            with in_flight.claim(enabling("a")):
                await asyncio.sleep(0)

        with in_flight.claim(enabling("a")):
            tasks = [asyncio.create_task(wait(number)) for number in range(5)]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]

    ran(scenario)


def test_a_turn_of_somebody_who_is_gone_goes_to_the_next() -> None:
    async def scenario(in_flight: InFlight) -> None:
        stream = enabling("a").events[0].event.stream
        with in_flight.claim(enabling("a")):
            gone, next_one = (asyncio.create_task(in_flight.wait(stream)) for _ in range(2))
            await asyncio.sleep(0)
        gone.cancel()
        await next_one

    ran(scenario)


def test_an_unavailable_ledger_refuses_everybody_who_waits() -> None:
    async def scenario(in_flight: InFlight) -> None:
        stream = enabling("a").events[0].event.stream
        waiting: list[asyncio.Task[None]] = []

        async def fail() -> None:
            with in_flight.claim(enabling("a")):
                waiting.extend(asyncio.create_task(in_flight.wait(stream)) for _ in range(3))
                await asyncio.sleep(0)
                raise LedgerUnavailable("stuck")

        with pytest.raises(LedgerUnavailable):
            await fail()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(error) for error in found] == ["stuck"] * 3

    ran(scenario)
