"""Every refusal that Keytrail can give, one class each.

`code` is the error's name on the AWS wire; `trail_code` is its name in a record, where the two
differ. Source: KMS API Reference, Common Errors; CloudTrail User Guide, errorCode.
"""

from typing import ClassVar


class InvariantBroken(Exception):
    """The program contradicts itself; nothing after it can be trusted. Never a refusal."""


class Conflict(Exception):
    """Another append took a version that this submission wanted: perform again on fresh state."""


class LedgerUnavailable(Exception):
    """The ledger could not make rows durable in time. Answered with 503 and nothing else."""


class Refusal(Exception):
    """A call that is answered with an error and recorded with its code.

    An empty message means that the answer has no message member at all.
    """

    code: ClassVar[str] = ""
    trail_code: ClassVar[str] = ""
    status: ClassVar[int] = 400

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __init_subclass__(cls) -> None:
        cls.code = cls.__dict__.get("code", f"{cls.__name__}Exception")
        cls.trail_code = cls.__dict__.get("trail_code", cls.code)


# --- the request itself --------------------------------------------------------------------------


class MissingAuthenticationToken(Refusal):
    """There is no Authorization header."""


class IncompleteSignature(Refusal):
    """The Authorization header is malformed or lacks a part."""

    trail_code = "IncompleteSignature"


class UnrecognizedClient(Refusal):
    """The access key is unknown or inactive, or the session token is not of this key."""


class InvalidSignature(Refusal):
    """The signature differs, or its date is more than five minutes off."""

    trail_code = "SignatureDoesNotMatch"


class ExpiredToken(Refusal):
    """The session token has expired."""


class UnknownOperation(Refusal):
    """The target names no operation that is served here."""


class Serialization(Refusal):
    """The body is not JSON, or a member has the wrong JSON type."""


class RequestEntityTooLarge(Refusal):
    """The body is larger than the limit."""


class Validation(Refusal):
    """A member breaks a constraint of the service model, or members do not go together."""


class AccessDenied(Refusal):
    """The caller is authenticated and not allowed."""

    trail_code = "AccessDenied"


class NotAuthorized(Refusal):
    """An alias name under the reserved prefix `alias/aws/`."""


class ServiceUnavailable(Refusal):
    """The record of this call could not be made durable, so the call did not happen."""

    code = "AuditUnavailable"
    status = 503


# --- keys and aliases ----------------------------------------------------------------------------


class AlreadyExists(Refusal):
    """The alias name is taken."""


class CustomKeyStoreNotFound(Refusal):
    """No custom key store has this id."""


class Disabled(Refusal):
    """The key is disabled."""


class DryRunOperation(Refusal):
    """The call would have succeeded, and DryRun was set."""


class IncorrectKey(Refusal):
    """The named key is not the one that encrypted."""


class InvalidAliasName(Refusal):
    """The bare prefix `alias/`."""


class InvalidArn(Refusal):
    """Starts with `arn:` and is no KMS key or alias ARN."""


class InvalidCiphertext(Refusal):
    """The blob does not open. Never says why: a reason would be an oracle."""


class InvalidGrantToken(Refusal):
    """A grant token that no grant has."""


class InvalidKeyUsage(Refusal):
    """The key's usage or spec does not fit the operation or the algorithm."""


class InvalidMarker(Refusal):
    """A marker that this listing did not give out."""


class KeyUnavailable(Refusal):
    """The key's material cannot be opened now; a retry may help."""

    status = 500


class KMSInternal(Refusal):
    """The program failed on this call. The log says where; the answer does not."""

    status = 500


class KMSInvalidState(Refusal):
    """The key's state does not allow the operation."""


class LimitExceeded(Refusal):
    """A quota."""


class MalformedPolicyDocument(Refusal):
    """The policy is not JSON or not a policy."""


class NotFound(Refusal):
    """No such key or alias."""


class Tag(Refusal):
    """Duplicate, reserved or too many tags."""


class UnsupportedOperation(Refusal):
    """Known to the protocol and not offered for this key or by this server."""


# --- CloudTrail ----------------------------------------------------------------------------------


class InvalidLookupAttributes(Refusal):
    """An unknown attribute key, or one without a value."""


class InvalidTimeRange(Refusal):
    """The start is after the end."""


class InvalidMaxResults(Refusal):
    """Outside 1 to 50."""


class InvalidNextToken(Refusal):
    """A token that this query did not give out."""


class InvalidEventCategory(Refusal):
    """Anything but `insight`."""
