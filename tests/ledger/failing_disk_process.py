"""Run as a process of its own: the kernel refuses to let its files grow, then allows it again.

Prints one line for each append or checkpoint: what it gave, or the refusal.
"""

import asyncio
import resource
import sys
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

from domain.errors import LedgerUnavailable
from ledger.store import LedgerStore, Submission
from tests.ledger.samples import News, RowPerEvent, plain, record, running


def size_of(path: Path) -> int:
    return path.stat().st_size


def limit_file_size(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def show(pending: Awaitable[int]) -> None:
    try:
        outcome: object = await pending
    except LedgerUnavailable as error:
        outcome = error
    sys.stdout.write(f"{outcome}\n")


def large(number: int) -> Submission:
    return Submission(record=record(number, filler="x" * 60_000))


async def main(path: Path) -> None:
    with closing(LedgerStore.create(path, RowPerEvent())) as store:
        log = path.with_name(f"{path.name}-wal")
        async with running(store, News()) as writer:
            await show(writer.append(plain(1)))
            limit_file_size(size_of(log) + 20_000)
            await show(writer.append(large(2)))
            await show(writer.append(large(3)))
            limit_file_size(resource.RLIM_INFINITY)
            await show(writer.append(large(4)))
            limit_file_size(size_of(path))
            await show(writer.checkpoint())
            limit_file_size(resource.RLIM_INFINITY)
            await show(writer.checkpoint())
            await show(writer.append(large(5)))
            sys.stdout.write(f"{writer.failed}\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
