"""The request of every operation, member for member as in the service models.

Source: KMS 2014-11-01, CloudTrail 2013-11-01. An absent member is None, and so is a null one;
unknown members are ignored, as newer clients send them. Where the service enforces narrower
bounds than its model (the Limit of a listing, the waiting period), the narrower ones stand here.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from api.wire import forms, sts_shapes
from api.wire.constraints import (
    Checker,
    Items,
    Length,
    OneOf,
    Pattern,
    Range,
    Required,
    Sensitive,
)
from api.wire.shape import Shape as Shape  # noqa: PLC0414 (known here to whoever reads shapes)
from domain.errors import Serialization

# The model's Integer has 32 bits. A timestamp is one that a datetime can hold.
_Integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Timestamp = Annotated[float, msgspec.Meta(ge=-62_135_596_800, lt=253_402_300_800)]

_KeyId = Annotated[str | None, Length(1, 2048)]
_AliasName = Annotated[str | None, Length(1, 256), Pattern("^[a-zA-Z0-9:/_-]+$")]
_Description = Annotated[str | None, Length(0, 8192)]
_CustomKeyStoreId = Annotated[str | None, Length(1, 64)]
_Marker = Annotated[str | None, Length(1, 1024), Pattern(r"[\u0020-\u00FF]*")]
_GrantTokens = Annotated[tuple[str, ...] | None, Length(0, 10), Items(Length(1, 8192))]
_DryRunModifiers = Annotated[tuple[str, ...] | None, Items(OneOf("IGNORE_CIPHERTEXT"))]
_EncryptionAlgorithm = Annotated[
    str | None, OneOf("SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE")
]
_Ciphertext = Annotated[bytes | None, Length(1, 6144)]
_NumberOfBytes = Annotated[_Integer | None, Range(1, 1024)]
_DataKeySpec = Annotated[str | None, OneOf("AES_256", "AES_128")]

_OLDER_KEY_SPECS = (
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SYMMETRIC_DEFAULT",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
)
_NEWER_KEY_SPECS = (
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
)
_KEY_USAGES = (
    "SIGN_VERIFY",
    "ENCRYPT_DECRYPT",
    "GENERATE_VERIFY_MAC",
    "KEY_AGREEMENT",
    "ENCAPSULATE_DECAPSULATE",
)


class Tag(Shape, frozen=True):
    """A tag of a key."""

    tag_key: Annotated[str | None, Length(1, 128), Required()] = None
    tag_value: Annotated[str | None, Length(0, 256), Required()] = None


class RecipientInfo(Shape, frozen=True):
    """The Nitro enclave that an answer would be encrypted to."""

    key_encryption_algorithm: Annotated[str | None, OneOf("RSAES_OAEP_SHA_256")] = None
    attestation_document: Annotated[bytes | None, Length(1, 262144)] = None


class CreateKey(Shape, frozen=True):
    """TrentService.CreateKey."""

    policy: Annotated[
        str | None, Length(1, 131072), Pattern(r"[\u0009\u000A\u000D\u0020-\u00FF]+")
    ] = None
    description: _Description = None
    key_usage: Annotated[str | None, OneOf(*_KEY_USAGES)] = None
    customer_master_key_spec: Annotated[str | None, OneOf(*_OLDER_KEY_SPECS)] = None
    key_spec: Annotated[str | None, OneOf(*_OLDER_KEY_SPECS, *_NEWER_KEY_SPECS)] = None
    origin: Annotated[
        str | None, OneOf("AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE")
    ] = None
    custom_key_store_id: _CustomKeyStoreId = None
    bypass_policy_lockout_safety_check: bool | None = None
    tags: tuple[Tag, ...] | None = None
    multi_region: bool | None = None
    xks_key_id: Annotated[str | None, Length(1, 128), Pattern("^[a-zA-Z0-9-_.]+$")] = None


class DescribeKey(Shape, frozen=True):
    """TrentService.DescribeKey."""

    key_id: Annotated[_KeyId, Required()] = None
    grant_tokens: _GrantTokens = None


class ListKeys(Shape, frozen=True):
    """TrentService.ListKeys."""

    limit: Annotated[_Integer | None, Range(1, 1000)] = None
    marker: _Marker = None
    resource_owners: Annotated[
        tuple[str, ...] | None, Length(1, 2), Items(OneOf("SELF", "OTHER_ACCOUNTS_VIA_RAM"))
    ] = None


class UpdateKeyDescription(Shape, frozen=True):
    """TrentService.UpdateKeyDescription."""

    key_id: Annotated[_KeyId, Required()] = None
    description: Annotated[_Description, Required()] = None


class EnableKey(Shape, frozen=True):
    """TrentService.EnableKey."""

    key_id: Annotated[_KeyId, Required()] = None


class DisableKey(Shape, frozen=True):
    """TrentService.DisableKey."""

    key_id: Annotated[_KeyId, Required()] = None


class ScheduleKeyDeletion(Shape, frozen=True):
    """TrentService.ScheduleKeyDeletion."""

    key_id: Annotated[_KeyId, Required()] = None
    pending_window_in_days: Annotated[_Integer | None, Range(7, 30)] = None


class CancelKeyDeletion(Shape, frozen=True):
    """TrentService.CancelKeyDeletion."""

    key_id: Annotated[_KeyId, Required()] = None


class TagResource(Shape, frozen=True):
    """TrentService.TagResource."""

    key_id: Annotated[_KeyId, Required()] = None
    tags: Annotated[tuple[Tag, ...] | None, Required()] = None


class UntagResource(Shape, frozen=True):
    """TrentService.UntagResource."""

    key_id: Annotated[_KeyId, Required()] = None
    tag_keys: Annotated[tuple[str, ...] | None, Items(Length(1, 128)), Required()] = None


class ListResourceTags(Shape, frozen=True):
    """TrentService.ListResourceTags."""

    key_id: Annotated[_KeyId, Required()] = None
    limit: Annotated[_Integer | None, Range(1, 50)] = None
    marker: _Marker = None


class CreateAlias(Shape, frozen=True):
    """TrentService.CreateAlias."""

    alias_name: Annotated[_AliasName, Required()] = None
    target_key_id: Annotated[_KeyId, Required()] = None


class UpdateAlias(Shape, frozen=True):
    """TrentService.UpdateAlias."""

    alias_name: Annotated[_AliasName, Required()] = None
    target_key_id: Annotated[_KeyId, Required()] = None


class DeleteAlias(Shape, frozen=True):
    """TrentService.DeleteAlias."""

    alias_name: Annotated[_AliasName, Required()] = None


class ListAliases(Shape, frozen=True):
    """TrentService.ListAliases."""

    key_id: _KeyId = None
    limit: Annotated[_Integer | None, Range(1, 100)] = None
    marker: _Marker = None


class Encrypt(Shape, frozen=True):
    """TrentService.Encrypt."""

    key_id: Annotated[_KeyId, Required()] = None
    plaintext: Annotated[bytes | None, Length(1, 4096), Required(), Sensitive()] = None
    encryption_context: dict[str, str] | None = None
    grant_tokens: _GrantTokens = None
    encryption_algorithm: _EncryptionAlgorithm = None
    dry_run: bool | None = None


class Decrypt(Shape, frozen=True):
    """TrentService.Decrypt."""

    ciphertext_blob: _Ciphertext = None
    encryption_context: dict[str, str] | None = None
    grant_tokens: _GrantTokens = None
    key_id: _KeyId = None
    encryption_algorithm: _EncryptionAlgorithm = None
    recipient: RecipientInfo | None = None
    dry_run: bool | None = None
    dry_run_modifiers: _DryRunModifiers = None


class ReEncrypt(Shape, frozen=True):
    """TrentService.ReEncrypt."""

    ciphertext_blob: _Ciphertext = None
    source_encryption_context: dict[str, str] | None = None
    source_key_id: _KeyId = None
    destination_key_id: Annotated[_KeyId, Required()] = None
    destination_encryption_context: dict[str, str] | None = None
    source_encryption_algorithm: _EncryptionAlgorithm = None
    destination_encryption_algorithm: _EncryptionAlgorithm = None
    grant_tokens: _GrantTokens = None
    dry_run: bool | None = None
    dry_run_modifiers: _DryRunModifiers = None


class GenerateDataKey(Shape, frozen=True):
    """TrentService.GenerateDataKey."""

    key_id: Annotated[_KeyId, Required()] = None
    encryption_context: dict[str, str] | None = None
    number_of_bytes: _NumberOfBytes = None
    key_spec: _DataKeySpec = None
    grant_tokens: _GrantTokens = None
    recipient: RecipientInfo | None = None
    dry_run: bool | None = None


class GenerateDataKeyWithoutPlaintext(Shape, frozen=True):
    """TrentService.GenerateDataKeyWithoutPlaintext."""

    key_id: Annotated[_KeyId, Required()] = None
    encryption_context: dict[str, str] | None = None
    key_spec: _DataKeySpec = None
    number_of_bytes: _NumberOfBytes = None
    grant_tokens: _GrantTokens = None
    dry_run: bool | None = None


class GenerateRandom(Shape, frozen=True):
    """TrentService.GenerateRandom."""

    number_of_bytes: _NumberOfBytes = None
    custom_key_store_id: _CustomKeyStoreId = None
    recipient: RecipientInfo | None = None


class LookupAttribute(Shape, frozen=True):
    """One condition of LookupEvents."""

    attribute_key: str | None = None
    attribute_value: str | None = None


class LookupEvents(Shape, frozen=True):
    """CloudTrail_20131101.LookupEvents, whose own errors its handler raises."""

    lookup_attributes: tuple[LookupAttribute, ...] | None = None
    start_time: _Timestamp | None = None
    end_time: _Timestamp | None = None
    event_category: str | None = None
    max_results: _Integer | None = None
    next_token: str | None = None


SHAPES: tuple[type[Shape], ...] = (
    CreateKey,
    DescribeKey,
    ListKeys,
    UpdateKeyDescription,
    EnableKey,
    DisableKey,
    ScheduleKeyDeletion,
    CancelKeyDeletion,
    TagResource,
    UntagResource,
    ListResourceTags,
    CreateAlias,
    UpdateAlias,
    DeleteAlias,
    ListAliases,
    Encrypt,
    Decrypt,
    ReEncrypt,
    GenerateDataKey,
    GenerateDataKeyWithoutPlaintext,
    GenerateRandom,
    LookupEvents,
)

AnyShape = TypeVar("AnyShape", bound=Shape)


class _Compiled(NamedTuple):
    decode: Callable[[bytes], Any]
    check: Callable[[msgspec.Struct], None]
    has_context: bool


def _compiled(shape: type[Shape], decode: Callable[[bytes], Any]) -> _Compiled:
    names = shape.__struct_fields__
    has_context = any(name.endswith("encryption_context") for name in names)
    return _Compiled(decode, Checker(shape).check, has_context)


_COMPILED = {
    **{shape: _compiled(shape, msgspec.json.Decoder(shape).decode) for shape in SHAPES},
    **{shape: _compiled(shape, forms.decoder(shape)) for shape in sts_shapes.SHAPES},
}


def decode(shape: type[AnyShape], body: bytes) -> AnyShape:
    """Read a request from JSON, or from a form; an empty body is an empty object.

    Raises Serialization, whose message has member names and positions but no values.
    """
    compiled = _COMPILED[shape]
    try:
        request: AnyShape = compiled.decode(body or b"{}")
        if compiled.has_context and (b"EncryptionContext" in body or b"\\" in body):
            _refuse_repeated_names(request, body)
    except msgspec.DecodeError as error:
        raise Serialization(str(error)) from None
    except ValueError:
        # Its own text would show the bytes that are not UTF-8.
        raise Serialization("The body is not valid JSON.") from None
    except RecursionError:
        raise Serialization("The body is nested too deeply.") from None
    return request


def check(request: Shape) -> None:
    """Raise Validation if any constraint of the request's members is broken."""
    _COMPILED[type(request)].check(request)


def _refuse_repeated_names(request: Shape, body: bytes) -> None:
    """Refuse what readers of JSON understand differently: the context must mean one thing.

    A decoder keeps the last of two values. The repeated name is then missing from the request
    when it is written again, with its quotation marks; without escapes they can be counted.
    """
    written = msgspec.json.encode(request)
    if b"\\" in body or body.count(b'"') != written.count(b'"'):
        json.loads(body.decode(), object_pairs_hook=_without_repeated_names)


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise Serialization("A name is repeated in a JSON object.")
