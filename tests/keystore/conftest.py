"""A data directory with a root, a keyring, a material table and a store."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keystore import materials
from keystore.keyring import Keyring
from keystore.port import MaterialName, SealedMaterial
from keystore.root import create_root_file, read_root_file
from keystore.sealing import SealingKey
from keystore.software import SoftwareKeyStore

ACCOUNT = "123456789012"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"


def clock() -> datetime:
    return datetime(2026, 11, 21, 20, 48, tzinfo=UTC)


@dataclass
class Seconds:
    """A monotonic clock that a test moves."""

    now: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> SealingKey:
    create_root_file(tmp_path / "root.key", os.urandom)
    return read_root_file(tmp_path / "root.key")


@pytest.fixture
def keyring(tmp_path: Path, root: SealingKey) -> Keyring:
    return Keyring.create(tmp_path / "keyring.json", root, clock=clock, random=os.urandom)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA secure_delete = ON")
    materials.create(connection.cursor())
    yield connection
    connection.close()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def store(keyring: Keyring, connection: sqlite3.Connection, seconds: Seconds) -> SoftwareKeyStore:
    def load(account: str, owner_id: str, material_id: str) -> SealedMaterial | None:
        return materials.load(connection, account, owner_id, material_id)

    return SoftwareKeyStore(
        keyring, load, capacity=3, random=os.urandom, nonces=os.urandom, monotonic=seconds
    )


@pytest.fixture
def make_key(
    store: SoftwareKeyStore, connection: sqlite3.Connection
) -> Callable[[str], MaterialName]:
    """Make and store a key's first material."""

    def make(key_id: str = KEY_ID) -> MaterialName:
        row = store.generate(account=ACCOUNT, key_id=key_id, spec="SYMMETRIC_DEFAULT")
        materials.insert(connection.cursor(), row)
        connection.commit()
        return MaterialName(ACCOUNT, key_id, row.material_id)

    return make


@pytest.fixture
def name(make_key: Callable[[str], MaterialName]) -> MaterialName:
    return make_key(KEY_ID)
