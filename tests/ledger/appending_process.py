"""Run as a process of its own: appends without end and prints what is acknowledged."""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from ledger.store import LedgerStore
from ledger.writer import Writer
from tests.ledger.samples import News, RowPerEvent, event_id, plain, running, with_alias

SUBMITTERS = 32


async def submit(writer: Writer, numbers: "itertools.count[int]") -> None:
    for number in numbers:
        submission = with_alias(number, str(number)) if number % 5 == 0 else plain(number)
        await writer.append(submission)
        # One system call: what the pipe holds was acknowledged, whatever happens next.
        os.write(1, event_id(number).encode() + b"\n")


async def main(path: Path) -> None:
    store = LedgerStore.open(path, RowPerEvent())
    async with running(store, News()) as writer:
        numbers = itertools.count(store.head + 1)
        await asyncio.gather(*(submit(writer, numbers) for _ in range(SUBMITTERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
