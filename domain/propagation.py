"""From when authorization uses a change.

Nothing overtakes within one stream and class: a later change is never in force before an earlier
one. Equal instants apply in the order of versions.
"""

from datetime import datetime


def effective_at(committed_at: datetime, previous: datetime | None) -> datetime:
    """The instant of a change made at `committed_at`; `previous` is that of the change before."""
    return committed_at if previous is None else max(committed_at, previous)
