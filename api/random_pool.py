"""Random bytes drawn in advance: for identifiers and nonces, never for keys."""

import os

DRAWN_BYTES = 4096


class RandomPool:
    """Hands out each byte once.

    A draw gives up the interpreter's lock, which has to be won back from the other threads. What
    is secret is not taken from here: it would stay in memory until the next draw.
    """

    def __init__(self) -> None:
        self._drawn = b""
        self._used = 0

    def __call__(self, number_of_bytes: int) -> bytes:
        """Up to 4096 random bytes of the operating system's generator."""
        start, end = self._used, self._used + number_of_bytes
        if end > len(self._drawn):
            self._drawn = os.urandom(DRAWN_BYTES)
            start, end = 0, number_of_bytes
        self._used = end
        return self._drawn[start:end]
