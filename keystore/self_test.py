"""Known answers for every algorithm in use, computed before the first call is served.

A wheel, processor or library that computes anything else must never touch a caller's data.
"""

import hashlib
import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from domain import ciphertext, encryption_context
from keystore.sealing import SealBroken, SealingKey

_RANDOM_BYTES = 32

# Suite 1: the vector "32 bytes, two pairs out of order" of the frozen vectors.
_KEY_ID = "a3c1f0de-0000-4fff-8000-ffffffffffff"
_MATERIAL_ID = "a5979d094f1f51aba8909eb145062ccd718f9cfa957d96f0de3fcdb8958cd646"
_MATERIAL = bytes.fromhex("745189ff4e5a0c61254de6de20bcf69526aa7b916a2fe476fb3e471c7594173d")
_NONCE = bytes.fromhex("30b807162461a0d4b31520c4c3c63ae7")
_CONTEXT = {"tenant": "acme", "purpose": "backup"}
_CANONICAL_CONTEXT = bytes.fromhex(
    "4b544543010000000200000007707572706f7365000000066261636b75700000000674656e616e740000000461636d65"
)
_PLAINTEXT = bytes(range(32))
_BLOB = bytes.fromhex(
    "4b540101a3c1f0de00004fff8000ffffffffffffa5979d094f1f51aba8909eb145062ccd"
    "30b807162461a0d4b31520c4c3c63ae7"
    "3b6d9d57c668ee76e3d79f17c4bbbcbbeb4182188f8d27f2b16df5dd69102bfc"
    "b067976083e0ba96e00e16b1eb86df6fb852ae9a4aab869276f4c90139ae18ae"
    "b760e7c116b9702fb075773ee319a9c7"
)


class SelfTestFailed(Exception):
    """An algorithm gave a wrong answer: the server must not serve."""


def run(random: Callable[[int], bytes]) -> None:
    """Compare every known answer; takes well under a millisecond. Raises SelfTestFailed."""
    for name, holds in (
        ("AES-256-GCM", _aes_gcm_holds),
        ("HMAC", _hmac_holds),
        ("canonical encryption context", _context_holds),
        ("KBKDF", _derivation_holds),
        ("ciphertext suite 1", _suite_1_holds),
        ("random", lambda: _random_holds(random)),
    ):
        if not _answers(holds):
            raise SelfTestFailed(f"The self-test of {name} failed.")


def _answers(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except (InvalidTag, SealBroken):
        return False  # what must open did not


def _aes_gcm_holds() -> bool:
    """Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    iv = bytes.fromhex("cafebabefacedbaddecaf888")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plaintext = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    cipher = AESGCM(key)
    if cipher.encrypt(iv, plaintext, aad) != sealed:
        return False
    if cipher.decrypt(iv, sealed, aad) != plaintext:
        return False
    try:
        cipher.decrypt(iv, sealed, aad[:-1])
    except InvalidTag:
        return True
    return False


def _hmac_holds() -> bool:
    """Test case 2 of RFC 4231."""
    key, message = b"Jefe", b"what do ya want for nothing?"
    sha_256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    sha_512 = (
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    )
    return (
        hmac.new(key, message, hashlib.sha256).hexdigest() == sha_256
        and hmac.new(key, message, hashlib.sha512).hexdigest() == sha_512
    )


def _context_holds() -> bool:
    return encryption_context.canonical(_CONTEXT) == _CANONICAL_CONTEXT


def _derivation_holds() -> bool:
    """The commitment of suite 1 is the second half of what the library's own KBKDF derives."""
    derived = KBKDFHMAC(
        algorithm=SHA512(),
        mode=Mode.CounterMode,
        length=64,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"keytrail/v1",
        context=_NONCE,
        fixed=None,
    ).derive(_MATERIAL)
    return derived[32:] == ciphertext.parse(_BLOB).commitment


def _suite_1_holds() -> bool:
    key = SealingKey(_MATERIAL)
    start = ciphertext.header_start(_KEY_ID, _MATERIAL_ID)
    if key.seal(start, _NONCE, _CANONICAL_CONTEXT, _PLAINTEXT) != _BLOB:
        return False
    if key.unseal(start, _BLOB, _CANONICAL_CONTEXT) != _PLAINTEXT:
        return False
    try:
        key.unseal(start, _BLOB, encryption_context.canonical({}))
    except SealBroken:
        return True
    return False


def _random_holds(random: Callable[[int], bytes]) -> bool:
    first, second = random(_RANDOM_BYTES), random(_RANDOM_BYTES)
    return first != second and bytes(_RANDOM_BYTES) not in (first, second)
