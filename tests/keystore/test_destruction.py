"""Destroyed material is in no file, and in no older copy of the database."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import KeyUnavailable
from keystore import materials
from keystore.keyring import Keyring
from keystore.port import MaterialName, SealedMaterial
from keystore.software import SoftwareKeyStore

from .conftest import ACCOUNT, KEY_ID, Seconds

SURVIVOR_KEY_ID = KEY_ID.replace("1", "2")


def retire_epoch(connection: sqlite3.Connection, keyring: Keyring) -> None:
    old = keyring.current
    keyring.begin_epoch()
    while materials.rewrap_batch(connection.cursor(), keyring, 10):
        connection.commit()
    keyring.drop(old)
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def delete_key(connection: sqlite3.Connection, name: MaterialName) -> None:
    materials.delete(connection.cursor(), name.account, name.key_id)
    connection.commit()


def row_of(connection: sqlite3.Connection, name: MaterialName) -> SealedMaterial:
    row = materials.load(connection, *name)
    assert row is not None
    return row


def files_with(directory: Path, secret: bytes) -> set[str]:
    """Which files hold any 16 consecutive bytes of the secret."""
    pieces = [secret[start : start + 16] for start in range(len(secret) - 15)]
    return {
        path.name
        for path in directory.rglob("*")
        if path.is_file() and any(piece in path.read_bytes() for piece in pieces)
    }


def test_the_sealed_bytes_of_a_destroyed_key_are_in_no_file(
    tmp_path: Path, connection: sqlite3.Connection, keyring: Keyring,
    make_key: Callable[[str], MaterialName],
) -> None:  # fmt: skip
    names = [make_key(KEY_ID), make_key(SURVIVOR_KEY_ID)]
    rows = [row_of(connection, name) for name in names]
    materials_in_clear = [bytes(keyring.unseal(row)) for row in rows]
    # The header's first bytes are the same in every sealed row; the rest is this row's own.
    sealed = [row.blob[5:] for row in rows]
    assert all(files_with(tmp_path, blob) for blob in sealed)
    delete_key(connection, names[0])
    retire_epoch(connection, keyring)
    for secret in (*sealed, *materials_in_clear):
        assert files_with(tmp_path, secret) == set()


def test_the_sealed_key_of_a_dropped_epoch_is_in_no_file(
    tmp_path: Path, connection: sqlite3.Connection, keyring: Keyring
) -> None:
    before = (tmp_path / "keyring.json").read_bytes()
    sealed_kek = before[before.index(b'"kek"') + 12 :].strip()[:150]
    assert files_with(tmp_path, sealed_kek) == {"keyring.json"}
    retire_epoch(connection, keyring)
    assert files_with(tmp_path, sealed_kek) == set()


def test_an_older_copy_of_the_database_does_not_open_with_the_new_keyring(
    tmp_path: Path, connection: sqlite3.Connection, keyring: Keyring,
    name: MaterialName, seconds: Seconds,
) -> None:  # fmt: skip
    for file in ("ledger.db", "ledger.db-wal"):
        shutil.copy(tmp_path / file, tmp_path / f"copy-of-{file}")
    delete_key(connection, name)
    retire_epoch(connection, keyring)
    copy = sqlite3.connect(tmp_path / "copy-of-ledger.db")
    assert materials.load(copy, *name) is not None

    def load(account: str, owner_id: str, material_id: str) -> SealedMaterial | None:
        return materials.load(copy, account, owner_id, material_id)

    store = SoftwareKeyStore(
        keyring, load, capacity=1, random=os.urandom, nonces=os.urandom, monotonic=seconds
    )
    with pytest.raises(KeyUnavailable):
        store.encrypt(name, b"plaintext", b"")
    copy.close()


def test_a_surviving_key_works_on_after_the_epoch_is_gone(
    connection: sqlite3.Connection, keyring: Keyring, store: SoftwareKeyStore,
    make_key: Callable[[str], MaterialName],
) -> None:  # fmt: skip
    survivor, doomed = make_key(SURVIVOR_KEY_ID), make_key(KEY_ID)
    blob = store.encrypt(survivor, b"plaintext", b"")
    delete_key(connection, doomed)
    retire_epoch(connection, keyring)
    store.forget(ACCOUNT, SURVIVOR_KEY_ID)
    assert store.decrypt(survivor, blob, b"") == b"plaintext"
