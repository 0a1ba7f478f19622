"""Encrypt, Decrypt, ReEncrypt, data keys and random bytes."""

from collections.abc import Mapping
from typing import Any

from api.outcome import Caller, Found, KeyStanding, Outcome, Services
from api.wire import shapes
from domain import ciphertext
from domain.algorithms import (
    DATA_KEY_BYTES,
    ENCRYPT_DECRYPT,
    SYMMETRIC_DEFAULT,
    check_encryption_algorithm,
)
from domain.encryption_context import canonical
from domain.errors import (
    CustomKeyStoreNotFound,
    IncorrectKey,
    InvalidCiphertext,
    InvalidGrantToken,
    InvalidKeyUsage,
    InvariantBroken,
    UnsupportedOperation,
    Validation,
)
from domain.key import Key
from keystore.port import MaterialName

_INCORRECT_KEY = (
    "The key ID in the request does not identify a CMK that can perform this operation."
)
_NO_ATTESTATION = "Recipient is not supported: attestation documents cannot be verified here."


def encrypt(services: Services, caller: Caller, request: shapes.Encrypt, found: Found) -> Outcome:
    """At most 4096 bytes, under the key's current material."""
    del caller
    key = found.key()
    _check_key(key.key, "Encrypt", request.encryption_algorithm)
    _check_grant_tokens(request)
    blob = _sealed(services, key.key, request.plaintext or b"", request.encryption_context)
    return Outcome(
        {
            "CiphertextBlob": blob,
            "KeyId": key.arn,
            "EncryptionAlgorithm": SYMMETRIC_DEFAULT,
        },
        additional={"keyMaterialId": key.key.material_id},
    )


def decrypt(services: Services, caller: Caller, request: shapes.Decrypt, found: Found) -> Outcome:
    """Under the material that the ciphertext names."""
    del caller
    key = found.key()
    _check_recipient(request)
    _check_key(key.key, "Decrypt", request.encryption_algorithm)
    _check_grant_tokens(request)
    if _ignores_ciphertext(request):
        return Outcome()
    plaintext, material_id = _opened(
        services, key, request.ciphertext_blob, request.encryption_context
    )
    return Outcome(
        {
            "KeyId": key.arn,
            "Plaintext": plaintext,
            "EncryptionAlgorithm": SYMMETRIC_DEFAULT,
            "KeyMaterialId": material_id,
        },
        additional={"keyMaterialId": material_id},
    )


def re_encrypt(
    services: Services, caller: Caller, request: shapes.ReEncrypt, found: Found
) -> Outcome:
    """Decrypt under one key and encrypt under another; the plaintext never leaves."""
    del caller
    source, destination = found.key(0), found.key(1)
    _check_key(source.key, "ReEncrypt", request.source_encryption_algorithm)
    _check_key(destination.key, "ReEncrypt", request.destination_encryption_algorithm)
    _check_grant_tokens(request)
    if _ignores_ciphertext(request):
        return Outcome()
    plaintext, source_material = _opened(
        services, source, request.ciphertext_blob, request.source_encryption_context
    )
    blob = _sealed(services, destination.key, plaintext, request.destination_encryption_context)
    materials = {
        "SourceKeyMaterialId": source_material,
        "DestinationKeyMaterialId": destination.key.material_id,
    }
    return Outcome(
        {
            "CiphertextBlob": blob,
            "SourceKeyId": source.arn,
            "KeyId": destination.arn,
            "SourceEncryptionAlgorithm": SYMMETRIC_DEFAULT,
            "DestinationEncryptionAlgorithm": SYMMETRIC_DEFAULT,
            **materials,
        },
        additional={
            "sourceKeyMaterialId": source_material,
            "destinationKeyMaterialId": destination.key.material_id,
        },
    )


def generate_data_key(
    services: Services, caller: Caller, request: shapes.GenerateDataKey, found: Found
) -> Outcome:
    """Random bytes, in clear and encrypted under the key."""
    _check_recipient(request)
    plaintext, outcome = _data_key(services, caller, request, found)
    return Outcome({"Plaintext": plaintext, **(outcome.body or {})}, additional=outcome.additional)


def generate_data_key_without_plaintext(
    services: Services,
    caller: Caller,
    request: shapes.GenerateDataKeyWithoutPlaintext,
    found: Found,
) -> Outcome:
    """Random bytes, only encrypted under the key."""
    _, outcome = _data_key(services, caller, request, found)
    return outcome


def _data_key(
    services: Services, caller: Caller, request: Any, found: Found
) -> tuple[bytes, Outcome]:
    del caller
    key = found.key()
    _check_key(key.key, "GenerateDataKey", SYMMETRIC_DEFAULT)
    _check_grant_tokens(request)
    size = request.number_of_bytes or DATA_KEY_BYTES[request.key_spec]
    plaintext = services.key_store.random(size)
    blob = _sealed(services, key.key, plaintext, request.encryption_context)
    body = {
        "CiphertextBlob": blob,
        "KeyId": key.arn,
        "KeyMaterialId": key.key.material_id,
    }
    return plaintext, Outcome(body, additional={"keyMaterialId": key.key.material_id})


def generate_random(
    services: Services, caller: Caller, request: shapes.GenerateRandom, found: Found
) -> Outcome:
    """1 to 1024 random bytes."""
    del caller, found
    if request.number_of_bytes is None:
        raise Validation("NumberOfBytes is required.")
    if request.recipient is not None:
        raise UnsupportedOperation(_NO_ATTESTATION)
    if request.custom_key_store_id is not None:
        raise CustomKeyStoreNotFound(
            f"No custom key store has the ID {request.custom_key_store_id}."
        )
    return Outcome({"Plaintext": services.key_store.random(request.number_of_bytes)})


def _check_key(key: Key, operation: str, algorithm: str | None) -> None:
    key.check_allows(operation)
    if key.key_usage != ENCRYPT_DECRYPT:
        raise InvalidKeyUsage(
            f"{key.arn} key usage is {key.key_usage} which is not valid for {operation}."
        )
    check_encryption_algorithm(algorithm or SYMMETRIC_DEFAULT, key.key_spec)


def _check_grant_tokens(request: Any) -> None:
    if request.grant_tokens:
        raise InvalidGrantToken("The grant token is not valid.")


def _check_recipient(request: Any) -> None:
    if request.recipient is not None:
        raise Validation(_NO_ATTESTATION)


def _ignores_ciphertext(request: Any) -> bool:
    return bool(request.dry_run and request.dry_run_modifiers)


def _sealed(
    services: Services, key: Key, plaintext: bytes, context: Mapping[str, str] | None
) -> bytes:
    if key.material_id is None:
        raise InvariantBroken(f"{key.arn} has no material")
    name = MaterialName(key.account, key.key_id, key.material_id)
    return services.key_store.encrypt(name, plaintext, canonical(context or {}))


def _opened(
    services: Services, key: KeyStanding, blob: bytes | None, context: Mapping[str, str] | None
) -> tuple[bytes, str]:
    """The plaintext and the id of the material. Raises IncorrectKey or InvalidCiphertext."""
    header = ciphertext.parse(blob or b"")
    if header.key_id != key.key.key_id:
        raise IncorrectKey(_INCORRECT_KEY)
    material_id = key.key.material_id
    if material_id is None or not material_id.startswith(header.material_prefix):
        raise InvalidCiphertext
    name = MaterialName(key.account, header.key_id, material_id)
    plaintext = services.key_store.decrypt(name, blob or b"", canonical(context or {}))
    return plaintext, material_id
