"""What a question to the catalogue costs does not grow with the number of aliases and keys."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from domain.events import AliasCreated, AliasUpdated, KeyCreated
from domain.names import AliasName, KeyName
from projections.catalogue import Catalogue
from projections.catalogue_reader import CatalogueReader

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SCOPE = {"account": "111122223333", "region": "eu-central-1"}
FIRST = KeyName(**SCOPE, key_id="key-0")
STEPS_OF_A_COUNT = 100
MOST_STEPS = 5_000

QUESTIONS: dict[str, Callable[[CatalogueReader], object]] = {
    "key": lambda reader: reader.key(FIRST),
    "first page of keys": lambda reader: reader.key_ids(**SCOPE, after="", limit=101),
    "due keys": lambda reader: reader.keys_due(NOW, 100),
    "alias": lambda reader: reader.alias(AliasName(**SCOPE, name="alias/0-0")),
    "first page of aliases": lambda reader: reader.aliases(**SCOPE, after="", limit=51),
    "aliases of a key": lambda reader: reader.aliases_of(FIRST),
    "number of aliases of a key": lambda reader: reader.count_aliases_of(FIRST),
    "tags of a key": lambda reader: reader.tags(FIRST),
}


@pytest.fixture(scope="module")
def connection() -> sqlite3.Connection:
    """2,000 keys with an alias each, and one alias that has moved 2,000 times."""
    connection = sqlite3.connect(":memory:")
    catalogue, cursor = Catalogue(), connection.cursor()
    catalogue.create(cursor)
    for number in range(2_000):
        key_id, name = f"key-{number}", f"alias/{number}-0"
        key = KeyCreated(
            **SCOPE,
            at=NOW,
            key_id=key_id,
            description="",
            key_spec="SYMMETRIC_DEFAULT",
            key_usage="ENCRYPT_DECRYPT",
            origin="AWS_KMS",
            multi_region=False,
            policy="{}",
            tags=(),
            material_id=None,
        )
        catalogue.apply(cursor, 3 * number + 1, 1, key)
        alias = AliasCreated(**SCOPE, at=NOW, effective_at=NOW, name=name, key_id=key_id)
        catalogue.apply(cursor, 3 * number + 2, 1, alias)
        moved = AliasUpdated(
            **SCOPE,
            at=NOW,
            effective_at=NOW,
            name="alias/0-0",
            key_id=key_id,
            previous_key_id="key-0",
        )
        catalogue.apply(cursor, 3 * number + 3, number + 2, moved)
    return connection


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_takes_a_bounded_number_of_steps(
    connection: sqlite3.Connection, name: str
) -> None:
    counted = []
    connection.set_progress_handler(lambda: counted.append(1), STEPS_OF_A_COUNT)
    QUESTIONS[name](CatalogueReader(connection))
    connection.set_progress_handler(None, 0)
    assert len(counted) * STEPS_OF_A_COUNT < MOST_STEPS
