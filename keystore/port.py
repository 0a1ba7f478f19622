"""What the rest of Keytrail knows of key material: names, sealed rows, and one protocol."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class MaterialName(NamedTuple):
    """Which material of which key; `material_id` in full (64 hex digits)."""

    account: str
    key_id: str
    material_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedMaterial:
    """One row of the table `key_material`, ciphertext under the key of its epoch.

    `owner_id` is a key id, or an access key id where the row holds an access key's secret; then
    `material_id` is empty.
    """

    account: str
    owner_id: str
    material_id: str
    seq: int
    spec: str
    origin: str
    epoch: int
    blob: bytes = field(repr=False)


class KeyStore(Protocol):
    """Where keys are made and used; plaintext material never leaves it."""

    def generate(self, *, account: str, key_id: str, spec: str) -> SealedMaterial:
        """Make a key's first material (seq 1, origin AWS_KMS); the caller stores the row."""
        ...

    def encrypt(self, name: MaterialName, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt at most 6044 bytes under canonical `context`: a blob of 100 bytes more.

        Raises KeyUnavailable.
        """
        ...

    def decrypt(self, name: MaterialName, blob: bytes, context: bytes) -> bytes:
        """Open a blob that this material made. Raises InvalidCiphertext, KeyUnavailable."""
        ...

    def random(self, number_of_bytes: int) -> bytes:
        """Random bytes from this store's own generator."""
        ...

    def seal_secret(self, *, account: str, owner_id: str, secret: bytes) -> SealedMaterial:
        """Seal an access key's secret; the caller stores the row."""
        ...

    def open_secret(self, *, account: str, owner_id: str) -> bytes:
        """Open an access key's secret. Raises KeyUnavailable."""
        ...

    def forget(self, account: str, owner_id: str) -> None:
        """Drop whatever is held unsealed for this owner."""
        ...
