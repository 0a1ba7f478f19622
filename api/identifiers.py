"""Identifiers: requestIDs (UUIDv4) and eventIDs (UUIDv7, so that the index grows at its end)."""

from collections.abc import Callable
from datetime import datetime

_VARIANT = "89ab"


class Identifiers:
    """Makes identifiers from a source of random bytes. Source: RFC 9562, sections 5.4 and 5.7."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random

    def request_id(self) -> str:
        """A UUIDv4 in text: 122 random bits."""
        random = self._random(16)
        digits, variant = random.hex(), _VARIANT[random[8] & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )

    def event_id(self, at: datetime) -> str:
        """A UUIDv7 in text: the milliseconds of `at`, and 74 random bits."""
        time = f"{int(at.timestamp() * 1000):012x}"
        random = self._random(10)
        digits, variant = random.hex(), _VARIANT[random[2] & 3]
        return f"{time[:8]}-{time[8:]}-7{digits[1:4]}-{variant}{digits[5:8]}-{digits[8:]}"
