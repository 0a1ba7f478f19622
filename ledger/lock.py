"""One process at a time on a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = "ledger.lock"


class LedgerLocked(Exception):
    """Another process holds the data directory."""


@contextmanager
def exclusive(data: Path) -> Iterator[None]:
    """Hold a data directory until the block ends, or the process does, however it ends.

    SQLite would let a second process write; every other part of the ledger trusts that it is the
    only one. Raises LedgerLocked at once, FileNotFoundError without the directory.
    """
    descriptor = os.open(data / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LedgerLocked(f"another process uses {data}") from None
    try:
        yield
    finally:
        # Closing releases it. The file stays: removing it would let two processes lock two files.
        os.close(descriptor)
