"""Ciphertext suite 1 against its frozen vectors and against its published parts."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from domain import ciphertext
from domain.encryption_context import canonical
from keystore.sealing import SealBroken, SealingKey

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/suite_1.json").read_text())
START = b"start"
NONCE = bytes(range(16))


@pytest.fixture(params=VECTORS, ids=lambda vector: vector["name"])
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def opened(key: SealingKey, sealed: bytes, start: bytes = START, also: bytes = b"also") -> bytes:
    """Open in both ways, which must agree."""
    plaintext = key.unseal(start, sealed, also)
    assert key.unseal_secret(start, sealed, also) == plaintext
    return plaintext


def check_refused(
    key: SealingKey, sealed: bytes, start: bytes = START, also: bytes = b"also"
) -> None:
    with pytest.raises(SealBroken):
        key.unseal(start, sealed, also)
    with pytest.raises(SealBroken):
        key.unseal_secret(start, sealed, also)


def test_a_vector_opens(vector: dict[str, Any]) -> None:
    key = SealingKey(bytes.fromhex(vector["material"]))
    start = ciphertext.header_start(vector["key_id"], vector["material_id"])
    context = canonical(vector["encryption_context"])
    assert context.hex() == vector["canonical_context"]
    plaintext = opened(key, bytes.fromhex(vector["blob"]), start, context)
    assert plaintext.hex() == vector["plaintext"]


def test_encryption_with_a_vector_s_nonce_gives_exactly_its_bytes(vector: dict[str, Any]) -> None:
    key = SealingKey(bytes.fromhex(vector["material"]))
    start = ciphertext.header_start(vector["key_id"], vector["material_id"])
    context = canonical(vector["encryption_context"])
    plaintext = bytes.fromhex(vector["plaintext"])
    sealed = key.seal(start, bytes.fromhex(vector["nonce"]), context, plaintext)
    assert sealed.hex() == vector["blob"]


def test_a_vector_s_blob_parses_to_its_parts(vector: dict[str, Any]) -> None:
    blob = ciphertext.parse(bytes.fromhex(vector["blob"]))
    assert blob.key_id == vector["key_id"]
    assert blob.material_prefix == vector["material_id"][:32]
    assert blob.nonce.hex() == vector["nonce"]
    assert len(blob.header + blob.body) == len(bytes.fromhex(vector["plaintext"])) + 100


def test_a_vector_follows_from_the_published_parts(vector: dict[str, Any]) -> None:
    """NIST SP 800-108 in counter mode, then AES-256-GCM, by the library's own classes."""
    blob = ciphertext.parse(bytes.fromhex(vector["blob"]))
    derived = KBKDFHMAC(
        SHA512(), Mode.CounterMode, 64, 4, 4, CounterLocation.BeforeFixed, b"keytrail/v1",
        blob.nonce, None,
    ).derive(bytes.fromhex(vector["material"]))  # fmt: skip
    authenticated = blob.header + bytes.fromhex(vector["canonical_context"])
    plaintext = AESGCM(derived[:32]).decrypt(bytes(12), blob.body, authenticated)
    assert blob.commitment == derived[32:]
    assert plaintext.hex() == vector["plaintext"]


@pytest.mark.parametrize("plaintext", [b"", b"x", bytes(4096)])
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    key = SealingKey(bytes(32))
    sealed = key.seal(START, NONCE, b"also", plaintext)
    assert opened(key, sealed) == plaintext


def test_every_changed_bit_is_refused() -> None:
    key = SealingKey(bytes(32))
    sealed = key.seal(START, NONCE, b"also", b"plaintext")
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        check_refused(key, bytes(changed))


def test_every_truncation_and_extension_is_refused() -> None:
    key = SealingKey(bytes(32))
    sealed = key.seal(START, NONCE, b"also", b"plaintext")
    for length in range(len(sealed)):
        check_refused(key, sealed[:length])
    check_refused(key, sealed + b"\x00")


def test_another_key_start_or_authenticated_text_is_refused() -> None:
    key = SealingKey(bytes(32))
    sealed = key.seal(START, NONCE, b"also", b"plaintext")
    check_refused(SealingKey(bytes(31) + b"\x01"), sealed)
    check_refused(key, sealed, start=b"stars")
    check_refused(key, sealed, also=b"other")


def test_the_commitment_is_checked_although_the_tag_would_open() -> None:
    """A tag made for a header with a foreign commitment is right, and refused all the same."""
    key = SealingKey(bytes(32))
    derived = key._derive(NONCE)
    header = START + NONCE + bytes(32)
    body = AESGCM(derived[:32]).encrypt(bytes(12), b"plaintext", header + b"also")
    check_refused(key, header + body)


def test_a_sealing_key_shows_nothing() -> None:
    assert repr(SealingKey(b"k" * 32)) == "<SealingKey>"
