"""The table of sealed material."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.errors import KeyUnavailable
from keystore import materials
from keystore.keyring import Keyring
from keystore.port import MaterialName, SealedMaterial
from keystore.sealing import SealingKey, seal_material, unseal_material
from keystore.software import SoftwareKeyStore

from .conftest import ACCOUNT, KEY_ID

ROW = SealedMaterial(
    account=ACCOUNT, owner_id=KEY_ID, material_id="ab" * 32, seq=1,
    spec="SYMMETRIC_DEFAULT", origin="AWS_KMS", epoch=1, blob=b"sealed bytes",
)  # fmt: skip
OTHER_KEY_ID = KEY_ID.replace("1", "2")


def test_a_row_is_read_as_it_was_inserted(connection: sqlite3.Connection) -> None:
    materials.insert(connection.cursor(), ROW)
    assert materials.load(connection, ACCOUNT, KEY_ID, ROW.material_id) == ROW


@pytest.mark.parametrize(
    "name",
    [
        ("210987654321", KEY_ID, "ab" * 32),
        (ACCOUNT, OTHER_KEY_ID, "ab" * 32),
        (ACCOUNT, KEY_ID, ""),
    ],
)
def test_another_name_has_no_row(
    connection: sqlite3.Connection, name: tuple[str, str, str]
) -> None:
    materials.insert(connection.cursor(), ROW)
    assert materials.load(connection, *name) is None


def test_a_material_cannot_be_inserted_twice(connection: sqlite3.Connection) -> None:
    materials.insert(connection.cursor(), ROW)
    with pytest.raises(sqlite3.IntegrityError):
        materials.insert(connection.cursor(), replace(ROW, blob=b"other"))


def test_making_the_table_again_keeps_its_rows(connection: sqlite3.Connection) -> None:
    materials.insert(connection.cursor(), ROW)
    materials.create(connection.cursor())
    assert materials.load(connection, ACCOUNT, KEY_ID, ROW.material_id) == ROW


def test_a_deletion_takes_every_row_of_the_owner_and_no_other(
    connection: sqlite3.Connection,
) -> None:
    other = replace(ROW, owner_id=OTHER_KEY_ID)
    for row in (ROW, replace(ROW, material_id="cd" * 32, seq=2), other):
        materials.insert(connection.cursor(), row)
    materials.delete(connection.cursor(), ACCOUNT, KEY_ID)
    assert materials.one_per_epoch(connection) == [other]


def test_a_look_up_reads_no_other_rows(connection: sqlite3.Connection) -> None:
    used = "(account=? AND owner_id=? AND material_id=?)"
    plans = connection.execute(
        "EXPLAIN QUERY PLAN SELECT blob FROM key_material"
        " WHERE account = ? AND owner_id = ? AND material_id = ?",
        ("", "", ""),
    ).fetchall()
    assert [plan[3] for plan in plans] == [f"SEARCH key_material USING PRIMARY KEY {used}"]


def test_each_epoch_in_use_is_shown_by_one_row(connection: sqlite3.Connection) -> None:
    assert materials.one_per_epoch(connection) == []
    for number, epoch in enumerate((5, 2, 5, 2, 9)):
        materials.insert(connection.cursor(), replace(ROW, owner_id=str(number), epoch=epoch))
    assert [row.epoch for row in materials.one_per_epoch(connection)] == [2, 5, 9]


def test_rewrapping_moves_rows_in_batches_until_none_is_left(
    connection: sqlite3.Connection, keyring: Keyring, make_key: Callable[[str], MaterialName]
) -> None:
    names = [make_key(KEY_ID[:-1] + digit) for digit in "01234"]
    keyring.begin_epoch()
    moved = [materials.rewrap_batch(connection.cursor(), keyring, 2) for _ in range(4)]
    assert moved == [2, 2, 1, 0]
    assert {row.epoch for row in materials.one_per_epoch(connection)} == {2}
    assert all(materials.load(connection, *name) for name in names)


def test_a_rewrapped_key_opens_what_it_encrypted_before(
    connection: sqlite3.Connection, keyring: Keyring, store: SoftwareKeyStore, name: MaterialName
) -> None:
    blob = store.encrypt(name, b"plaintext", b"context")
    keyring.begin_epoch()
    materials.rewrap_batch(connection.cursor(), keyring, 10)
    keyring.drop(1)
    store.forget(name.account, name.key_id)
    assert store.decrypt(name, blob, b"context") == b"plaintext"


def test_a_row_that_does_not_open_stops_the_rewrapping(
    connection: sqlite3.Connection, keyring: Keyring, name: MaterialName
) -> None:
    materials.insert(connection.cursor(), replace(ROW, owner_id=OTHER_KEY_ID))
    keyring.begin_epoch()
    with pytest.raises(KeyUnavailable):
        materials.rewrap_batch(connection.cursor(), keyring, 10)
    assert [row.epoch for row in materials.one_per_epoch(connection)] == [1]


def test_the_seal_of_a_row_is_frozen() -> None:
    """Rows outlive the version that wrote them: these bytes must open for ever."""
    frozen = (
        "4b54534d01000102030405060708090a0b0c0d0e0f3991d07dcaf15671bec4d92aef"
        "e5664db9bbd85f4c122ab21e6379468977ed6f7a0a24a361d3b9d7136a0ba0a814d8"
        "bf2d2131ad09ca234b0b6e5da7565b78ac1a79bbc6b3d792ea1dd7e14eb0827054"
    )
    key, secret = SealingKey(bytes(range(32))), bytes(range(64, 96))
    row = replace(ROW, blob=seal_material(key, ROW, bytes(range(16)), secret))
    assert row.blob.hex() == frozen
    assert unseal_material(key, row) == secret


def test_a_row_shows_no_sealed_bytes() -> None:
    assert "sealed bytes" not in repr(ROW)
