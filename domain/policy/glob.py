"""Patterns of policies: `*` stands for any text, an empty one too, `?` for one character."""


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value is of the pattern; letters' case counts.

    Without backtracking: the work is at most the product of the lengths, whatever the pattern.
    """
    pieces = pattern.split("*")
    if len(pieces) == 1:
        return len(pattern) == len(value) and _fits(pattern, value, 0)
    first, *middle, last = pieces
    end = len(value) - len(last)
    if end < len(first) or not _fits(first, value, 0) or not _fits(last, value, end):
        return False
    at = len(first)
    for piece in middle:
        # The earliest place leaves the most for the pieces behind it, so no other need be tried.
        place = _place(piece, value, at, end)
        if place is None:
            return False
        at = place + len(piece)
    return True


def _place(piece: str, value: str, start: int, end: int) -> int | None:
    """The first place between start and end at which the piece fits."""
    last = end - len(piece)
    return next((at for at in range(start, last + 1) if _fits(piece, value, at)), None)


def _fits(piece: str, value: str, at: int) -> bool:
    """Whether a piece without `*` stands at a place that is long enough for it."""
    return all(
        wanted in ("?", found)
        for wanted, found in zip(piece, value[at : at + len(piece)], strict=True)
    )
