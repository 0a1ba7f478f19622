"""Key specs, and the algorithms that a key of each spec and usage has.

Source: KMS API Reference, CreateKey, KeySpec and KeyUsage.
"""

from dataclasses import dataclass

from domain.errors import InvalidKeyUsage, UnsupportedOperation, Validation

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"
ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"

DATA_KEY_BYTES = {"AES_256": 32, "AES_128": 16}
"""The length in bytes of a data key, by the KeySpec of GenerateDataKey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """What a key spec can do: its usages, and the algorithms that each has."""

    usages: tuple[str, ...]
    encryption_algorithms: tuple[str, ...] = ()


KEY_SPECS = {
    SYMMETRIC_DEFAULT: KeySpec(
        usages=(ENCRYPT_DECRYPT,), encryption_algorithms=(SYMMETRIC_DEFAULT,)
    ),
}
"""The specs of which keys can be made; others of the service model are refused."""


def check_new_key(key_spec: str, key_usage: str | None) -> str:
    """The usage of a new key. Raises UnsupportedOperation or Validation."""
    if key_spec not in KEY_SPECS:
        raise UnsupportedOperation(f"KeySpec {key_spec} is not supported by this server.")
    usage = key_usage or ENCRYPT_DECRYPT
    if usage not in KEY_SPECS[key_spec].usages:
        raise Validation(
            f"The operation failed because the KeyUsage value of the CMK is {usage}. To perform "
            f"this operation, the KeyUsage value must be {ENCRYPT_DECRYPT}."
        )
    return usage


def check_encryption_algorithm(algorithm: str, key_spec: str) -> None:
    """Raises InvalidKeyUsage when the key cannot encrypt with the algorithm."""
    if algorithm not in KEY_SPECS[key_spec].encryption_algorithms:
        raise InvalidKeyUsage(f"Algorithm {algorithm} is incompatible with key spec {key_spec}.")
