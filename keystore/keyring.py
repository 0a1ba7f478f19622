"""The keyring: a small file outside the database with the key-encryption key of each epoch.

Each key is sealed by the root together with its epoch, state and time of creation. Every new row
of the material table is sealed under the current epoch. To destroy material for good: delete its
row, begin an epoch, rewrap the rows that remain, drop the old epoch. From then on each older copy
of the database, wherever it is, is ciphertext under a key that no longer exists.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from domain.errors import KeyUnavailable
from keystore.port import SealedMaterial
from keystore.root import sync_directory
from keystore.sealing import (
    NONCE_BYTES,
    SealBroken,
    SealingKey,
    overwrite,
    seal_material,
    unseal_material,
)

KEK_BYTES = 32
CURRENT = "CURRENT"
RETIRING = "RETIRING"

_ENTRY_START = b"KTEP\x01"
_FORMAT = "keytrail.keyring.v1"


class KeyringError(Exception):
    """The keyring file cannot be made, read or opened; the message says why."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One epoch as it is stored; `kek` is sealed by the root, in base64."""

    epoch: int
    state: str
    created: str
    kek: str


class KeyringFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keyring file: epochs in ascending order, the last of them the current one."""

    format: str
    epochs: list[Entry]


class Keyring:
    """The epochs of one data directory, unsealed.

    Reading is safe from any thread; `begin_epoch` and `drop` write the file and are called from
    one thread at a time, on which a few milliseconds do not matter.
    """

    def __init__(
        self,
        path: Path,
        root: SealingKey,
        entries: tuple[Entry, ...],
        *,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._path = path
        self._root = root
        self._clock = clock
        self._random = random
        self._take(entries)

    @classmethod
    def create(
        cls,
        path: Path,
        root: SealingKey,
        *,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> "Keyring":
        """Make a keyring file with its first epoch. Raises KeyringError if the path is taken."""
        if path.exists():
            raise KeyringError(f"{path} already exists; a keyring is never replaced.")
        keyring = cls(path, root, (), clock=clock, random=random)
        keyring.begin_epoch()
        return keyring

    @classmethod
    def open(
        cls,
        path: Path,
        root: SealingKey,
        *,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> "Keyring":
        """Read a keyring file. Raises KeyringError, above all when the root does not open it."""
        return cls(path, root, _read(path), clock=clock, random=random)

    def __repr__(self) -> str:
        return f"<Keyring epochs={sorted(self._keks)}>"

    @property
    def current(self) -> int:
        """The epoch under which new rows are sealed."""
        return self._entries[-1].epoch

    @property
    def epochs(self) -> tuple[int, ...]:
        """Every epoch that still exists, oldest first."""
        return tuple(entry.epoch for entry in self._entries)

    def kek(self, epoch: int) -> SealingKey:
        """The key of an epoch. Raises KeyUnavailable when it is not, or no longer, there."""
        try:
            return self._keks[epoch]
        except KeyError:
            raise KeyUnavailable from None

    def seal(self, row: SealedMaterial, plaintext: bytes | bytearray) -> SealedMaterial:
        """Seal under the current epoch: the same row with that epoch and a new blob."""
        row = replace(row, epoch=self.current)
        blob = seal_material(self.kek(row.epoch), row, self._random(NONCE_BYTES), plaintext)
        return replace(row, blob=blob)

    def unseal(self, row: SealedMaterial) -> bytearray:
        """Open a row; the caller overwrites the result. Raises KeyUnavailable."""
        try:
            return unseal_material(self.kek(row.epoch), row)
        except SealBroken:
            raise KeyUnavailable from None

    def rewrap(self, row: SealedMaterial) -> SealedMaterial:
        """Move a row to the current epoch. Raises KeyUnavailable when it does not open."""
        plaintext = self.unseal(row)
        try:
            return self.seal(row, plaintext)
        finally:
            overwrite(plaintext)

    def begin_epoch(self) -> int:
        """Start a new current epoch; the older ones only open. Returns its number."""
        retiring = tuple(self._retire(entry) for entry in self._entries)
        epoch = self.current + 1 if self._entries else 1
        created = self._clock().isoformat()
        kek = bytearray(self._random(KEK_BYTES))
        try:
            entry = self._seal_entry(epoch, CURRENT, created, kek)
        finally:
            overwrite(kek)
        self._replace((*retiring, entry))
        return epoch

    def drop(self, epoch: int) -> None:
        """Destroy the key of a retiring epoch, and with it whatever is still sealed under it.

        Only after `rewrap_batch` has returned 0 in a transaction that began after `begin_epoch`
        and after every row that was sealed before it. Raises KeyringError for other epochs.
        """
        if epoch not in self.epochs[:-1]:
            raise KeyringError(f"Epoch {epoch} is not a retiring epoch of {self._path}.")
        self._replace(tuple(entry for entry in self._entries if entry.epoch != epoch))

    def _replace(self, entries: tuple[Entry, ...]) -> None:
        # On disk before in memory: nothing may be sealed under an epoch that a crash would lose.
        _write(self._path, KeyringFile(format=_FORMAT, epochs=list(entries)))
        self._take(entries)

    def _take(self, entries: tuple[Entry, ...]) -> None:
        keks: dict[int, SealingKey] = {}
        for entry in entries:
            kek = self._unseal_entry(entry)
            keks[entry.epoch] = SealingKey(kek)
            overwrite(kek)
        # In this order: a reader on another thread never sees a current epoch without its key.
        self._keks = keks
        self._entries = entries

    def _retire(self, entry: Entry) -> Entry:
        kek = self._unseal_entry(entry)
        try:
            return self._seal_entry(entry.epoch, RETIRING, entry.created, kek)
        finally:
            overwrite(kek)

    def _seal_entry(self, epoch: int, state: str, created: str, kek: bytearray) -> Entry:
        identity = _entry_identity(epoch, state, created)
        sealed = self._root.seal(_ENTRY_START, self._random(NONCE_BYTES), identity, kek)
        kek_text = base64.b64encode(sealed).decode()
        return Entry(epoch=epoch, state=state, created=created, kek=kek_text)

    def _unseal_entry(self, entry: Entry) -> bytearray:
        identity = _entry_identity(entry.epoch, entry.state, entry.created)
        try:
            sealed = base64.b64decode(entry.kek, validate=True)
            return self._root.unseal_secret(_ENTRY_START, sealed, identity)
        except (ValueError, SealBroken):
            raise KeyringError(f"The root key does not open the keyring {self._path}.") from None


def _entry_identity(epoch: int, state: str, created: str) -> bytes:
    # JSON text of fixed shape: no two entries have the same bytes.
    return msgspec.json.encode([_FORMAT, epoch, state, created])


def _read(path: Path) -> tuple[Entry, ...]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeyringError(f"The keyring {path} cannot be read: {error.strerror}.") from None
    try:
        file = msgspec.json.decode(content, type=KeyringFile)
    except msgspec.DecodeError:
        raise KeyringError(f"The keyring {path} is damaged.") from None
    epochs = [entry.epoch for entry in file.epochs]
    states = [entry.state for entry in file.epochs]
    ascending = epochs == sorted(set(epochs))
    last_is_current = states == [RETIRING] * (len(states) - 1) + [CURRENT]
    if file.format != _FORMAT or not ascending or not last_is_current:
        raise KeyringError(f"The keyring {path} is damaged.")
    return tuple(file.epochs)


def _write(path: Path, file: KeyringFile) -> None:
    # A fixed name: what a crash left there, sealed keys included, goes with the next write.
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        output.write(msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")
        output.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)
