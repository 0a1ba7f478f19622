"""LookupEvents over the trail index and the newest rows, which are not in it yet.

Each question to SQLite gives one row, in which a page's worth of results is an array: the
interpreter's lock changes hands for every row, which costs a busy server more than the search.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from domain.record import event_time
from projections.trail_query import (
    ATTRIBUTE_KEYS,
    LAST_SECOND,
    Page,
    Query,
    TrailEvent,
    matches,
)
from projections.trail_schema import ACCESS_KEY, POSITIONS, RESOURCE, USER, connect

# The most work for one page: so many searches, each over so many rows of the tail or with so many
# leaps in the index. Together at most a few hundredths of a second.
_SEARCHES = 8
_TAIL_ROWS = 2000
_LEAPS = 2000

# More may pass than answers the query: `matches` decides.
_TAIL = """SELECT json_group_array(json_array(position, record)) FROM (
    SELECT position, record FROM trail_record
    WHERE position >= :lowest AND position < :before
        AND category = 'Management' AND account = :account AND region = :region
        AND event_time BETWEEN :start AND :end
        AND (:EventName IS NULL OR event_name = :EventName)
        AND (:EventSource IS NULL OR event_source = :EventSource)
        AND (:ReadOnly IS NULL OR read_only = (:ReadOnly = 'true'))
        AND (:Username IS NULL OR user_name = :Username)
        AND (:AccessKeyId IS NULL OR access_key_id = :AccessKeyId)
        AND (:ResourceType IS NULL OR instr(record, :ResourceType))
        AND (:ResourceName IS NULL OR instr(record, :ResourceName))
    ORDER BY position DESC LIMIT :wanted)"""

_BY_ID = """SELECT json_group_array(json_array(rowid, CAST(state AS TEXT)))
    FROM ledger.stored_events WHERE originator_id = ? AND originator_version = 1
    AND topic = 'keytrail.Record.v1'"""

_BY_POSITIONS = """SELECT json_group_array(json_array(rowid, CAST(state AS TEXT)))
    FROM ledger.stored_events WHERE rowid IN (SELECT value FROM json_each(?))"""

_KINDS = """SELECT json_group_array(json_array(id, json(value))) FROM trail_list
    WHERE attribute = 1 AND account = ? AND region = ?"""

_LISTS = """SELECT json_group_array(id) FROM trail_list
    WHERE value = ? AND attribute = ? AND account = ? AND region = ?"""

_RESOURCE_LISTS = """SELECT json_group_array(id) FROM (
    SELECT id, attribute, account, region FROM trail_list WHERE value = :name
    UNION SELECT id, attribute, account, region FROM trail_list WHERE short_name = :name
    ) WHERE attribute = :attribute AND account = :account AND region = :region"""

_TIMES = """SELECT min(first_position), max(last_position) FROM json_each(?) AS span
    CROSS JOIN trail_time ON width_s = json_extract(span.value, '$[0]')
    AND bucket BETWEEN json_extract(span.value, '$[1]') AND json_extract(span.value, '$[2]')"""

# Each term is a union of lists, and positions that are in all terms are wanted, newest first.
# From `position - 1` if that was a hit, else from `position`, the walk leaps to the lowest of
# the terms' newest positions there: a position that it leaps to twice is in every term. It ends
# with enough hits, below the lowest position, or after so many leaps.
_WALK = """WITH RECURSIVE
    list(term, id) AS MATERIALIZED (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:lists)),
    walk(position, start, hits) AS (
        SELECT :highest + 1, :highest + 1, -1
        UNION ALL
        SELECT (
            SELECT min(newest) FROM (
                SELECT coalesce(max((
                    SELECT posting.position FROM trail_posting AS posting
                    WHERE posting.list_id = list.id
                        AND posting.position <= walk.position - (walk.position = walk.start)
                    ORDER BY posting.position DESC LIMIT 1
                )), 0) AS newest FROM list GROUP BY list.term)
            ), position - (position = start), hits + (position = start)
        FROM walk WHERE position >= :lowest AND hits + (position = start) < :wanted
        LIMIT :leaps)
    SELECT json_group_array(position)
            FILTER (WHERE position = start AND position BETWEEN :lowest AND :highest),
        min(position + (position <> start))
    FROM walk"""

_LIST_OF = {"Username": USER, "AccessKeyId": ACCESS_KEY, "ResourceName": RESOURCE}
_PLACE_IN_KIND = {
    "EventSource": slice(0, 1),
    "EventName": slice(1, 2),
    "ReadOnly": slice(2, 3),
    "ResourceType": slice(3, None),
}

_decode_rows = msgspec.json.Decoder(list[tuple[int, str]]).decode
_decode_kinds = msgspec.json.Decoder(list[tuple[int, list[object]]]).decode
_decode_integers = msgspec.json.Decoder(list[int]).decode
_decode_record = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class TrailLookup:
    """Answers queries. Several threads may ask at once: each page has a connection of its own."""

    def __init__(self, path: Path, ledger_path: Path) -> None:
        self._path = path
        self._ledger_path = ledger_path

    def page(self, query: Query, limit: int, before: int | None = None) -> Page:
        """The newest `limit` records that answer the query, of those before a position.

        Every record is seen that was committed when this is called. Raises sqlite3.Error.
        """
        if query.category is not None:
            return Page()
        with closing(connect(self._path, self._ledger_path, read_only=True)) as connection:
            # One state of the index throughout: what the follower adds meanwhile changes nothing.
            connection.execute("BEGIN")
            return _Search(connection, query).page(limit, before)


class _Found(NamedTuple):
    """Results of one search, and the position before which nothing has been searched yet."""

    events: list[TrailEvent]
    before: int


class _Plan(NamedTuple):
    """How to walk the index: JSON of (term, list id), and the positions between which to look."""

    lists: bytes
    lowest: int
    highest: int


class _Search:
    """One page: down the tail, then down the index from exactly where the tail ends."""

    def __init__(self, connection: sqlite3.Connection, query: Query) -> None:
        self._connection = connection
        self._query = query
        # One transaction reads both. What the index does not hold is after `_indexed`, all of it.
        self._indexed, self._head = connection.execute(POSITIONS).fetchone()
        self._plan: _Plan | None = None

    def page(self, limit: int, before: int | None) -> Page:
        before = self._head + 1 if before is None else min(before, self._head + 1)
        event_id = dict(self._query.attributes).get("EventId")
        if event_id is not None:
            found = self._events(self._text(_BY_ID, (event_id,)))
            return Page(tuple(event for event in found if event.position < before))
        events: list[TrailEvent] = []
        for _ in range(_SEARCHES):
            if before <= 1 or len(events) > limit:
                break
            search = self._in_tail if before > self._indexed + 1 else self._in_index
            more, before = search(before, limit + 1 - len(events))
            events += more
        if len(events) > limit:
            return Page(tuple(events[:limit]), events[limit - 1].position)
        return Page(tuple(events), before if before > 1 else None)

    def _in_tail(self, before: int, wanted: int) -> _Found:
        lowest = max(self._indexed + 1, before - _TAIL_ROWS)
        bounds = {"lowest": lowest, "before": before, "wanted": wanted}
        text = self._text(_TAIL, _tail_parameters(self._query) | bounds)
        rows = _decode_rows(text)
        return _Found(self._events(text), min(rows)[0] if len(rows) == wanted else lowest)

    def _in_index(self, before: int, wanted: int) -> _Found:
        plan = self._plan = self._plan or self._planned()
        parameters = {
            "lists": plan.lists,
            "lowest": plan.lowest,
            "highest": min(before - 1, plan.highest),
            "wanted": wanted,
            "leaps": _LEAPS,
        }
        hits, reached = self._connection.execute(_WALK, parameters).fetchone()
        events = self._events(self._text(_BY_POSITIONS, (hits,)))
        return _Found(events, reached if reached > plan.lowest else 0)

    def _events(self, text: str) -> list[TrailEvent]:
        found = (TrailEvent(at, text, _decode_record(text)) for at, text in _decode_rows(text))
        answers = (event for event in found if matches(event.record, self._query))
        return sorted(answers, key=lambda event: -event.position)

    def _planned(self) -> _Plan:
        lists = [(term, id_) for term, ids in enumerate(self._terms()) for id_ in ids or [0]]
        lowest, highest = self._positions_of_times()
        return _Plan(_encode(lists), lowest, highest)

    def _terms(self) -> Iterator[list[int]]:
        """The lists of each term. There is no list 0: a term without lists answers nothing."""
        account, region = self._query.account, self._query.region
        given = self._query.attributes
        of_kinds = [pair for pair in given if pair[0] not in _LIST_OF]
        of_lists = [pair for pair in given if pair[0] in _LIST_OF]
        if of_kinds or not of_lists:
            kinds = _decode_kinds(self._text(_KINDS, (account, region)))
            yield [id_ for id_, kind in kinds if all(_is_of(kind, *pair) for pair in of_kinds)]
        for key, value in of_lists:
            if key == "ResourceName":
                names = {"name": value, "attribute": RESOURCE, "account": account, "region": region}
                yield _decode_integers(self._text(_RESOURCE_LISTS, names))
            else:
                parameters = (value, _LIST_OF[key], account, region)
                yield _decode_integers(self._text(_LISTS, parameters))

    def _positions_of_times(self) -> tuple[int, int]:
        """The positions between which the records of the time range lie, and perhaps others."""
        if (self._query.start, self._query.end) == (0, LAST_SECOND):
            return 1, self._indexed
        spans = _encode(_spans(self._query.start, self._query.end))
        first, last = self._connection.execute(_TIMES, (spans,)).fetchone()
        return (first, last) if first is not None else (1, 0)

    def _text(self, statement: str, parameters: Any) -> str:
        return str(self._connection.execute(statement, parameters).fetchone()[0])


def _tail_parameters(query: Query) -> dict[str, object]:
    parameters: dict[str, object] = dict.fromkeys(ATTRIBUTE_KEYS)
    parameters |= dict(query.attributes)
    for key in ("ResourceName", "ResourceType"):
        if (value := parameters[key]) is not None:
            # What follows the last colon, which is all that a call through an alias has of the
            # alias's ARN; and as it stands in the record, between quotation marks.
            parameters[key] = _encode(str(value).rpartition(":")[2]).decode()[1:-1]
    return parameters | {
        "account": query.account,
        "region": query.region,
        "start": event_time(datetime.fromtimestamp(query.start, UTC)),
        "end": event_time(datetime.fromtimestamp(query.end, UTC)),
    }


def _is_of(kind: list[object], key: str, value: str) -> bool:
    wanted = {"true": True, "false": False}.get(value) if key == "ReadOnly" else value
    return wanted is not None and wanted in kind[_PLACE_IN_KIND[key]]


def _spans(start: int, end: int) -> list[tuple[int, int, int]]:
    """Cut a time range into days, and at its edges hours, minutes, seconds: width, first, last."""
    spans = []
    after = end + 1
    for width, wider in ((1, 60), (60, 3600), (3600, 86400)):
        first_wider = min(-(-start // wider) * wider, after)
        after_wider = max(after // wider * wider, first_wider)
        spans.append((width, start // width, first_wider // width - 1))
        spans.append((width, after_wider // width, after // width - 1))
        start, after = first_wider, after_wider
    return [*spans, (86400, start // 86400, after // 86400 - 1)]
