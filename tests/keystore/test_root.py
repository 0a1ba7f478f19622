"""The root key file."""

import os
import stat
from pathlib import Path

import pytest

from keystore.root import RootKeyError, create_root_file, read_root_file


def test_a_new_root_file_holds_32_random_bytes_that_only_its_owner_can_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "root.key"
    create_root_file(path, os.urandom)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert path.read_bytes() != bytes(32)


def test_a_root_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    create_root_file(path, os.urandom)
    before = path.read_bytes()
    with pytest.raises(RootKeyError, match="already exists"):
        create_root_file(path, os.urandom)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_root_file_with_access_for_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "root.key"
    create_root_file(path, os.urandom)
    path.chmod(mode)
    with pytest.raises(RootKeyError, match=f"has mode {mode:04o}"):
        read_root_file(path)


def test_a_root_file_that_its_owner_can_only_read_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    create_root_file(path, os.urandom)
    path.chmod(0o400)
    read_root_file(path)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_root_file_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "root.key"
    path.touch(mode=0o600)
    path.write_bytes(bytes(length))
    with pytest.raises(RootKeyError, match=f"has {length} bytes"):
        read_root_file(path)


def test_a_missing_root_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RootKeyError, match=r"root\.key cannot be read: No such file"):
        read_root_file(tmp_path / "root.key")


def test_a_root_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root.key", 0o600)
    with pytest.raises(RootKeyError, match="not a regular file"):
        read_root_file(tmp_path / "root.key")


def test_a_link_to_a_root_file_is_followed(tmp_path: Path) -> None:
    create_root_file(tmp_path / "secret", os.urandom)
    (tmp_path / "root.key").symlink_to(tmp_path / "secret")
    read_root_file(tmp_path / "root.key")
