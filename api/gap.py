"""How many calls were refused because they could not be recorded, and over which time."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """`count` calls from the first to the last refused one."""

    count: int
    since: datetime
    until: datetime


class AuditGap:
    """Counts while the ledger is unavailable; what is reported is taken off again."""

    def __init__(self) -> None:
        self._gap: Gap | None = None

    def refused(self, at: datetime) -> None:
        """One more call was refused."""
        gap = self._gap
        self._gap = Gap(count=gap.count + 1 if gap else 1, since=gap.since if gap else at, until=at)

    @property
    def open(self) -> Gap | None:
        """What is not yet reported."""
        return self._gap

    def reported(self, gap: Gap) -> None:
        """A durable record states this gap; what came while it was written stays open."""
        current = self._gap
        if current is None or current.count <= gap.count:
            self._gap = None
        else:
            self._gap = Gap(count=current.count - gap.count, since=gap.until, until=current.until)
