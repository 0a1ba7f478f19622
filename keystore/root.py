"""The root key in a file: 32 random bytes that only the server's own user can read.

The file belongs on a secret mount or among the service manager's credentials, away from the
database and its backups. A symbolic link is followed, since secret mounts are made of them.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from keystore.sealing import SealingKey, overwrite

ROOT_KEY_BYTES = 32


class RootKeyError(Exception):
    """The root key file cannot be made or must not be used; the message says why."""


def create_root_file(path: Path, random: Callable[[int], bytes]) -> None:
    """Make a new root key file with mode 0600. Raises RootKeyError if the path is taken."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise RootKeyError(f"{path} already exists; a root key is never replaced.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(random(ROOT_KEY_BYTES))
        file.flush()
        os.fsync(descriptor)
    sync_directory(path.parent)


def read_root_file(path: Path) -> SealingKey:
    """Read the root key. Raises RootKeyError for a file that others can read or of another size."""
    try:
        # Not blocking: a pipe must be refused below, not waited for here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise RootKeyError(f"The root key file {path} cannot be read: {error.strerror}.") from None
    key = bytearray(ROOT_KEY_BYTES)
    try:
        _check_private(path, os.fstat(descriptor))
        os.readv(descriptor, [key])
    finally:
        os.close(descriptor)
    try:
        return SealingKey(key)
    finally:
        overwrite(key)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, as fsync of a file does not."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise RootKeyError(f"The root key file {path} is not a regular file.")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise RootKeyError(
            f"The root key file {path} has mode {mode:04o}; group and others must have no access"
            " (chmod 600)."
        )
    if status.st_size != ROOT_KEY_BYTES:
        raise RootKeyError(
            f"The root key file {path} has {status.st_size} bytes; a root key has {ROOT_KEY_BYTES}."
        )
