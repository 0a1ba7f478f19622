"""Suite 1: one key, a fresh one-time key and a key commitment for every message.

    o = HMAC-SHA-512(key, 00000001 || "keytrail/v1" || 00 || nonce || 00000200)
    encryption key = o[:32]    commitment = o[32:]    IV = 12 zero bytes, as the key is used once
    sealed = header || AES-256-GCM(encryption key, plaintext, AAD = header || authenticated)
    header = its start || nonce (16) || commitment (32)

This is the counter KDF of NIST SP 800-108 with a random nonce as its context. The start of the
header tells apart what a key has sealed: ciphertexts of callers, rows of the material table,
entries of the keyring. The construction is frozen by test vectors.
"""

import hmac
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC

from keystore.port import SealedMaterial

NONCE_BYTES = 16
COMMITMENT_BYTES = 32
TAG_BYTES = 16

# Counter 1 and the label before the nonce; the output's 512 bits after it.
_BEFORE_NONCE = b"\x00\x00\x00\x01keytrail/v1\x00"
_AFTER_NONCE = b"\x00\x00\x02\x00"
_IV = bytes(12)

_MATERIAL_START = b"KTSM\x01"
_u32 = Struct(">I").pack


class SealBroken(Exception):
    """What was to be opened was not made by this key, or not with these authenticated bytes."""


class SealingKey:
    """A 256-bit key held ready for suite 1; its bytes cannot be got back and are never shown."""

    __slots__ = ("_state",)

    def __init__(self, key: bytes | bytearray) -> None:
        # Keying costs two hash blocks: they are paid once, and each message copies the state.
        self._state = HMAC(key, SHA512())
        self._state.update(_BEFORE_NONCE)

    def __repr__(self) -> str:
        return "<SealingKey>"

    def seal(
        self, start: bytes, nonce: bytes, authenticated: bytes, plaintext: bytes | bytearray
    ) -> bytes:
        """Seal under a nonce of 16 bytes that this key has never had before."""
        derived = self._derive(nonce)
        header = start + nonce + derived[32:]
        return header + AESGCM(derived[:32]).encrypt(_IV, plaintext, header + authenticated)

    def unseal(self, start: bytes, sealed: bytes, authenticated: bytes) -> bytes:
        """Open what `seal` made with the same start and authenticated bytes. Raises SealBroken."""
        one_time_key, header, body = self._open_header(start, sealed)
        try:
            return one_time_key.decrypt(_IV, body, header + authenticated)
        except InvalidTag:
            raise SealBroken from None

    def unseal_secret(self, start: bytes, sealed: bytes, authenticated: bytes) -> bytearray:
        """Open into memory that the caller can, and must, overwrite. Raises SealBroken."""
        one_time_key, header, body = self._open_header(start, sealed)
        plaintext = bytearray(len(body) - TAG_BYTES)
        try:
            one_time_key.decrypt_into(_IV, body, header + authenticated, plaintext)
        except InvalidTag:
            raise SealBroken from None
        return plaintext

    def _open_header(self, start: bytes, sealed: bytes) -> tuple[AESGCM, bytes, bytes]:
        nonce_ends = len(start) + NONCE_BYTES
        header_ends = nonce_ends + COMMITMENT_BYTES
        if len(sealed) < header_ends + TAG_BYTES or not sealed.startswith(start):
            raise SealBroken
        derived = self._derive(sealed[len(start) : nonce_ends])
        # Before any decryption: otherwise one blob could be made that opens under two keys.
        if not hmac.compare_digest(derived[32:], sealed[nonce_ends:header_ends]):
            raise SealBroken
        return AESGCM(derived[:32]), sealed[:header_ends], sealed[header_ends:]

    def _derive(self, nonce: bytes) -> bytes:
        state = self._state.copy()
        state.update(nonce + _AFTER_NONCE)
        return state.finalize()


def seal_material(
    key: SealingKey, row: SealedMaterial, nonce: bytes, plaintext: bytes | bytearray
) -> bytes:
    """Make the blob of a row, bound to every other column of it."""
    return key.seal(_MATERIAL_START, nonce, _row_identity(row), plaintext)


def unseal_material(key: SealingKey, row: SealedMaterial) -> bytearray:
    """Open the blob of a row; the caller overwrites the result. Raises SealBroken."""
    return key.unseal_secret(_MATERIAL_START, row.blob, _row_identity(row))


def overwrite(secret: bytearray) -> None:
    """Zero a secret in place. Best effort: copies that Python or a library made are not reached."""
    secret[:] = bytes(len(secret))


def _row_identity(row: SealedMaterial) -> bytes:
    # Whoever can write to the database must not be able to move a blob to another row. Every
    # column with its length, so that no two rows have the same bytes.
    columns = (row.account, row.owner_id, row.material_id, row.seq, row.spec, row.origin, row.epoch)
    encoded = [str(column).encode() for column in columns]
    return b"".join([b"KTSMROW\x01", *(_u32(len(column)) + column for column in encoded)])
