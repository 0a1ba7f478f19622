"""The trail index: the same after every history, and never slow to search."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec import RECORD_TOPIC
from projections import trail_schema
from projections.trail import TrailIndex
from projections.trail_lookup import TrailLookup, _Search
from projections.trail_query import Query, matches
from tests.projections.conftest import (
    ACCOUNT,
    ALICE,
    DEPLOYER,
    KEY_ARN,
    KEY_ID,
    ROBOT,
    ROOT,
    Trail,
    call_record,
    ids,
    query,
    walk,
)

ARNS = [KEY_ARN, KEY_ARN[:-1] + "0", KEY_ARN.replace(f"key/{KEY_ID}", "alias/payments")]
ARNS.append(ARNS[2].replace(ACCOUNT, "210987654321"))
RECORDS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Encrypt", "CreateAlias", "GenerateRandom"]),
        "identity": st.sampled_from([ROOT, ALICE, DEPLOYER, ROBOT, {"type": "Unknown"}]),
        "source": st.sampled_from(["kms.amazonaws.com", "cloudtrail.amazonaws.com"]),
        "region": st.sampled_from(["eu-central-1", "eu-central-1", "us-east-1"]),
        "read_only": st.booleans(),
        "resources": st.lists(st.sampled_from(ARNS), max_size=4),
        "alias": st.sampled_from([None, "alias/payments", "alias/x"]),
        "at": st.integers(0, 4),
    }
)
ATTRIBUTES = st.lists(
    st.sampled_from(
        [
            ("EventName", "Encrypt"), ("EventName", "CreateAlias"), ("ReadOnly", "true"),
            ("ReadOnly", "false"), ("Username", "root"), ("Username", "nightly"),
            ("AccessKeyId", "AKIAALICE"), ("EventSource", "kms.amazonaws.com"),
            ("ResourceName", KEY_ID), ("ResourceName", KEY_ARN), ("ResourceName", "alias/payments"),
            ("ResourceName", ARNS[2]), ("ResourceName", ARNS[3]), ("ResourceType", "AWS::KMS::Key"),
            ("EventId", call_record(2)["eventID"]),
        ]
    ),
    max_size=3,
    unique=True,
)  # fmt: skip


def rows_of(path: Path) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()  # noqa: S608 (constants)
            for name in trail_schema.NAMES
        ]


def append_varied(trail: Trail, count: int) -> None:
    head = trail.store.head
    names, users = ("Encrypt", "Decrypt", "CreateAlias"), (ROOT, ALICE, DEPLOYER, ROBOT)
    trail.append(
        *(
            call_record(
                number,
                names[number % 3],
                identity=users[number % 4],
                resources=(f"{KEY_ARN[:-4]}{number % 50:04}",) * (number % 5),
                at=number // 7,
            )
            for number in range(head + 1, head + count + 1)
        )
    )


@settings(max_examples=40, deadline=None)
@given(
    appended=st.lists(RECORDS, min_size=1, max_size=8),
    attributes=ATTRIBUTES,
    start=st.integers(0, 4),
    length=st.integers(0, 5),
    limit=st.integers(1, 4),
)
def test_index_and_tail_join_without_gap_or_duplicate_at_every_position(
    tmp_path_factory: pytest.TempPathFactory,
    appended: list[dict[str, Any]],
    attributes: list[tuple[str, str]],
    start: int,
    length: int,
    limit: int,
) -> None:
    trail = Trail(tmp_path_factory.mktemp("trail"))
    indexes = [trail.index_path]
    calls = []
    for members in appended:
        calls.append(trail.call(**members))
        indexes.append(trail.ledger_path.with_name(f"{len(calls)}.db"))
        with closing(TrailIndex.open(indexes[-1], trail.ledger_path)) as index:
            assert index.step() == 0
    asked = query(*attributes, start=start, end=start + length)
    expected = [call["eventID"] for call in reversed(calls) if matches(call, asked)]
    for path in indexes:
        assert ids(walk(TrailLookup(path, trail.ledger_path), asked, limit)) == expected
    trail.close()


def test_a_rebuilt_index_is_identical_row_for_row(trail: Trail) -> None:
    for count in (1, 30, 2, 300, 67):
        append_varied(trail, count)
        trail.follow()
    followed = rows_of(trail.index_path)
    trail.index.clear()
    assert [rows for rows in rows_of(trail.index_path)[1:] if rows] == []
    trail.follow()
    assert rows_of(trail.index_path) == followed


def test_a_step_takes_a_bounded_number_of_rows_and_says_how_many_wait(trail: Trail) -> None:
    append_varied(trail, 4_500)
    assert [trail.index.step() for _ in range(4)] == [2_500, 500, 0, 0]
    assert trail.index.position == 4_500


def test_an_index_is_continued_after_a_restart(trail: Trail) -> None:
    append_varied(trail, 10)
    trail.follow()
    trail.index.close()
    append_varied(trail, 10)
    with closing(TrailIndex.open(trail.index_path, trail.ledger_path)) as again:
        assert again.position == 10
        assert again.step() == 0
        assert again.position == 20


def test_an_index_of_another_ledger_is_made_anew(trail: Trail, tmp_path: Path) -> None:
    append_varied(trail, 20)
    trail.follow()
    trail.index.close()
    (tmp_path / "other").mkdir()
    other = Trail(tmp_path / "other")
    other.call("CreateAlias", identity=ROBOT)
    with closing(TrailIndex.open(trail.index_path, other.ledger_path)) as index:
        assert index.position == 0
        index.step()
    other.follow()
    assert rows_of(trail.index_path) == rows_of(other.index_path)
    other.close()


def test_the_index_is_readable_by_its_owner_only(trail: Trail) -> None:
    assert trail.index_path.stat().st_mode & 0o777 == 0o600


def test_a_step_that_fails_changes_nothing_and_the_next_one_goes_on(trail: Trail) -> None:
    append_varied(trail, 10)
    with closing(sqlite3.connect(trail.index_path)) as connection:
        connection.execute("ALTER TABLE trail_posting RENAME TO hidden")
        with pytest.raises(sqlite3.OperationalError):
            trail.index.step()
        connection.execute("ALTER TABLE hidden RENAME TO trail_posting")
    assert trail.index.position == 0
    assert trail.index.step() == 0
    assert len(trail.find(("ReadOnly", "true"))) == 10


def test_an_index_at_rest_does_not_hold_up_the_ledgers_checkpoint(trail: Trail) -> None:
    append_varied(trail, 10)
    trail.follow()
    assert len(trail.page(limit=5).events) == 5
    assert trail.store.checkpoint()


def test_the_view_reads_the_topic_of_records(trail: Trail) -> None:
    del trail
    assert f"topic = '{RECORD_TOPIC}'" in trail_schema.VIEW


# --- cost ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """100,000 records: one from alice at the very beginning, all others alike but for the key."""
    made = Trail(tmp_path_factory.mktemp("large"))
    made.call(
        "CreateAlias", identity=ALICE, read_only=False, source="s3.amazonaws.com", resources=()
    )
    for first in range(2, 100_000, 2_000):
        made.append(
            *(
                call_record(
                    number,
                    resources=(f"{KEY_ARN[:-4]}{number % 1000:04}",),
                    alias=("alias/even", "alias/odd")[number % 2],
                    at=number,
                )
                for number in range(first, first + 2_000)
            )
        )
    made.follow()
    yield made
    made.close()


def instructions(trail: Trail, asked: Query) -> tuple[int, int]:
    """The results of a first page, and how many instructions SQLite's machine took for it."""
    counted = [0]

    def count() -> None:
        counted[0] += 1

    connection = trail_schema.connect(trail.index_path, trail.ledger_path, read_only=True)
    with closing(connection):
        connection.set_progress_handler(count, 100)
        page = _Search(connection, asked).page(50, None)
    return len(page.events), counted[0] * 100


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ([], 50),
        ([("ReadOnly", "true")], 50),
        ([("EventSource", "kms.amazonaws.com")], 50),
        ([("Username", "root")], 50),
        ([("ResourceType", "AWS::KMS::Key")], 50),
        ([("ResourceName", f"{KEY_ID[:-4]}0007")], 50),
        ([("Username", "root"), ("ResourceName", f"{KEY_ARN[:-4]}0007")], 50),
        ([("Username", "alice")], 1),
        ([("AccessKeyId", "AKIAALICE")], 1),
        ([("EventName", "CreateAlias")], 1),
        ([("ReadOnly", "false")], 1),
        ([("EventSource", "s3.amazonaws.com")], 1),
        ([("EventId", call_record(1)["eventID"])], 1),
        ([("EventName", "Encrypt"), ("Username", "alice")], 0),
        ([("Username", "nobody")], 0),
        ([("EventId", "nothing")], 0),
    ],
    ids=str,
)
def test_a_lookup_among_100000_records_never_scans_them(
    large: Trail, attributes: list[tuple[str, str]], found: int
) -> None:
    results, taken = instructions(large, query(*attributes))
    assert results == found
    assert taken < 50_000


def test_a_time_range_is_found_without_a_scan(large: Trail) -> None:
    results, taken = instructions(large, query(("Username", "root"), start=40_000, end=40_009))
    assert results == 10
    assert taken < 50_000


def test_attributes_that_never_meet_get_an_empty_page_and_a_next_one(large: Trail) -> None:
    asked = query(("ResourceName", "alias/even"), ("ResourceName", "alias/odd"))
    results, taken = instructions(large, asked)
    assert results == 0
    assert taken < 5_000_000
    pages = walk(large.lookup, asked)
    assert len(pages) > 1
    assert ids(pages) == []


def test_a_ledger_that_is_not_indexed_at_all_is_searched_page_by_page(
    large: Trail, tmp_path: Path
) -> None:
    path = tmp_path / "empty.db"
    TrailIndex.open(path, large.ledger_path).close()
    pages = walk(TrailLookup(path, large.ledger_path), query(("Username", "alice")))
    assert len(pages) > 1
    assert [len(page.events) for page in pages[-2:]] == [0, 1]
