"""Data directories of the fault tests: whatever was done to one, its ledger verifies afterwards."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.provision import LEDGER_FILE, AccessKey
from tests.faults.process import init, verified


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Iterator[Path]:
    """The data directory of a test, `own_server`'s too; its whole ledger is walked at the end."""
    path = tmp_path / "data"
    yield path
    if (path / LEDGER_FILE).exists():
        verified(path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AccessKey]:
    """One new installation for all."""
    path = tmp_path_factory.mktemp("made") / "data"
    return path, init(path)


@pytest.fixture
def key(made: tuple[Path, AccessKey], data: Path) -> AccessKey:
    """The administrator's access key of a new installation in `data`."""
    shutil.copytree(made[0], data)
    return made[1]
