"""One process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from ledger.lock import LedgerLocked, exclusive

HOLD = """
import pathlib, sys
from ledger.lock import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_data_directory_is_held_once(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(LedgerLocked, match="another process"):
        exclusive(tmp_path).__enter__()
    with exclusive(tmp_path):
        pass


def test_a_directory_that_is_not_there_is_not_held(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exclusive(tmp_path / "missing").__enter__()


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LedgerLocked):
            exclusive(tmp_path).__enter__()
        holder.kill()
        holder.wait()
        with exclusive(tmp_path):
            pass
