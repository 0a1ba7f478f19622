"""A ledger of records and the trail index behind it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain import record as records
from ledger.store import LedgerStore, Submission
from projections.catalogue import Catalogue
from projections.trail import TrailIndex
from projections.trail_lookup import TrailLookup
from projections.trail_query import LAST_SECOND, Page, Query

ACCOUNT = "123456789012"
REGION = "eu-central-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
START = datetime(2026, 11, 21, 20, 48, tzinfo=UTC)
START_SECOND = int(START.timestamp())

ROOT = records.root_identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCESS_KEY)
ALICE = {"type": "IAMUser", "userName": "alice", "accessKeyId": "AKIAALICE"}
DEPLOYER = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLE:nightly",
    "accessKeyId": "ASIANIGHTLY",
    "sessionContext": {"sessionIssuer": {"type": "Role", "userName": "deployer"}},
}
ROBOT = {"type": "WebIdentityUser", "userName": "robot"}


class Trail:
    """Appends records to a real ledger; the index follows when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.ledger_path = folder / "ledger.db"
        self.index_path = folder / "projections.db"
        self.store = LedgerStore.create(self.ledger_path, Catalogue())
        self.index = TrailIndex.open(self.index_path, self.ledger_path)
        self.lookup = TrailLookup(self.index_path, self.ledger_path)

    def close(self) -> None:
        self.index.close()
        self.store.close()

    def append(self, *appended: dict[str, Any]) -> None:
        submissions = [Submission(record=record) for record in appended]
        rows = [row for submission in submissions for row in submission.encoded()]
        self.store.insert(rows, submissions)

    def call(self, name: str = "Encrypt", **members: Any) -> dict[str, Any]:
        """Append the record of one call and return it."""
        record = call_record(self.store.head + 1, name, **members)
        self.append(record)
        return record

    def follow(self) -> None:
        while self.index.step():
            pass

    def page(
        self,
        *attributes: tuple[str, str],
        limit: int = 50,
        before: int | None = None,
        **bounds: int,
    ) -> Page:
        return self.lookup.page(query(*attributes, **bounds), limit, before)

    def find(self, *attributes: tuple[str, str], **bounds: int) -> list[str]:
        """The ids of all records that answer, page by page."""
        return ids(walk(self.lookup, query(*attributes, **bounds)))


def call_record(number: int, name: str = "Encrypt", **members: Any) -> dict[str, Any]:
    """The record of one call, made `at` seconds after START."""
    subject = records.Subject(
        identity=members.get("identity", ROOT),
        account=members.get("account", ACCOUNT),
        region=members.get("region", REGION),
        source=members.get("source", "kms.amazonaws.com"),
        name=name,
        read_only=members.get("read_only", True),
        source_ip="192.0.2.1",
        user_agent="tests",
        request_id=f"request-{number}",
        event_id=f"01934d2a-0000-7000-8000-{number:012x}",
    )
    resources: Sequence[str] = members.get("resources", (KEY_ARN,))
    result = records.Result(
        resources=[records.key_resource(subject.account, arn) for arn in resources]
    )
    alias = members.get("alias")
    return records.api_call(
        subject,
        result,
        START + timedelta(seconds=members.get("at", 0)),
        {"dialect": "aws", **({"alias": alias} if alias else {})},
    )


def query(*attributes: tuple[str, str], start: int | None = None, end: int | None = None) -> Query:
    """A query in ACCOUNT and REGION; `start` and `end` are seconds after START."""
    return Query(
        account=ACCOUNT,
        region=REGION,
        attributes=attributes,
        start=0 if start is None else START_SECOND + start,
        end=LAST_SECOND if end is None else START_SECOND + end,
    )


def walk(lookup: TrailLookup, asked: Query, limit: int = 50) -> list[Page]:
    """All pages of a query."""
    pages = [lookup.page(asked, limit)]
    while pages[-1].next is not None:
        pages.append(lookup.page(asked, limit, pages[-1].next))
    return pages


def ids(pages: list[Page]) -> list[str]:
    """The ids of the records on the pages."""
    return [event.record["eventID"] for page in pages for event in page.events]


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    made = Trail(tmp_path)
    yield made
    made.close()
