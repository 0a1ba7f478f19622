"""The ciphertext blob of suite 1: its layout, read strictly and written exactly.

offset  length  field
     0       2  magic "KT"
     2       1  format version, 01
     3       1  suite; the high bit is set when the key id is an "mrk-" id
     4      16  key id, the bytes of its UUID
    20      16  key material id, its first 16 bytes
    36      16  nonce
    52      32  key commitment
    84       n  ciphertext, as long as the plaintext; then the tag of 16 bytes

The layout is frozen: another one gets another suite byte. Nothing in the header is secret.
"""

from typing import NamedTuple

from domain.errors import InvalidCiphertext, InvariantBroken

SUITE_1 = 1
BLOB_LIMIT_BYTES = 6144
"""The largest CiphertextBlob. Source: KMS API Reference, Decrypt."""
HEADER_BYTES = 84
OVERHEAD_BYTES = HEADER_BYTES + 16
PLAINTEXT_LIMIT_BYTES = BLOB_LIMIT_BYTES - OVERHEAD_BYTES

_MAGIC = b"KT\x01"
_MULTI_REGION_BIT = 0x80
_MULTI_REGION_PREFIX = "mrk-"
_KEY_ID_LENGTH = 36  # of both forms: four dashes, or the four characters of the prefix
_MATERIAL_ID_LENGTH = 64


class Blob(NamedTuple):
    """A well-formed blob, which is not to say that it opens.

    A tuple, not a dataclass: one is made for every Decrypt, in a fifth of the time.
    """

    suite: int
    key_id: str
    material_prefix: str  # 32 hex digits
    nonce: bytes
    commitment: bytes
    header: bytes
    body: bytes  # the tag included


def parse(blob: bytes) -> Blob:
    """Read a blob of 100 to 6144 bytes. Raises InvalidCiphertext for anything else."""
    if not OVERHEAD_BYTES <= len(blob) <= BLOB_LIMIT_BYTES or not blob.startswith(_MAGIC):
        raise InvalidCiphertext
    suite_byte = blob[3]
    suite = suite_byte & ~_MULTI_REGION_BIT
    if suite != SUITE_1:
        raise InvalidCiphertext
    return Blob(
        suite,
        _key_id(blob[4:20].hex(), multi_region=suite_byte != suite),
        blob[20:36].hex(),
        blob[36:52],
        blob[52:84],
        blob[:84],
        blob[84:],
    )


def header_start(key_id: str, material_id: str) -> bytes:
    """Build the first 36 bytes of a suite 1 header: all but the nonce and the commitment.

    `material_id` is in full, 64 lower-case hex digits. Raises InvariantBroken for ids that are not
    in the one form in which Keytrail makes them: `parse` must give back the same text.
    """
    multi_region = key_id.startswith(_MULTI_REGION_PREFIX)
    digits = key_id.removeprefix(_MULTI_REGION_PREFIX) if multi_region else key_id.replace("-", "")
    try:
        key_bytes = bytes.fromhex(digits)
        material_bytes = bytes.fromhex(material_id)
    except ValueError:
        raise InvariantBroken("an id is not hexadecimal") from None
    # Compared as text, since `fromhex` also takes capitals and spaces.
    canonical_key_id = _key_id(key_bytes.hex(), multi_region=multi_region)
    if len(key_id) != _KEY_ID_LENGTH or canonical_key_id != key_id:
        raise InvariantBroken("the key id is not in its canonical form")
    if len(material_id) != _MATERIAL_ID_LENGTH or material_bytes.hex() != material_id:
        raise InvariantBroken("the material id is not in its canonical form")
    suite_byte = SUITE_1 | (_MULTI_REGION_BIT if multi_region else 0)
    return b"%b%c%b%b" % (_MAGIC, suite_byte, key_bytes, material_bytes[:16])


def _key_id(digits: str, *, multi_region: bool) -> str:
    if multi_region:
        return _MULTI_REGION_PREFIX + digits
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
