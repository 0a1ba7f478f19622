"""Which operation a key allows in which state: one table.

Source: KMS Developer Guide, "Key states of KMS keys".
"""

from collections.abc import Callable, Mapping

from domain.errors import Disabled, KMSInvalidState, Refusal

ENABLED = "Enabled"
DISABLED = "Disabled"
PENDING_DELETION = "PendingDeletion"

# The two states after deletion. They are never shown: the key does not exist any more.
DELETED = "Deleted"
DESTROYED = "Destroyed"
GONE = frozenset({DELETED, DESTROYED})


def _disabled(arn: str) -> Refusal:
    return Disabled(f"{arn} is disabled.")


def _pending(arn: str) -> Refusal:
    return KMSInvalidState(f"{arn} is pending deletion.")


def _not_pending(arn: str) -> Refusal:
    return KMSInvalidState(f"{arn} is not pending deletion.")


_States = Mapping[str, Callable[[str], Refusal]]

_CRYPTOGRAPHIC: _States = {DISABLED: _disabled, PENDING_DELETION: _pending}
_UNLESS_PENDING: _States = {PENDING_DELETION: _pending}
_ONLY_PENDING: _States = {ENABLED: _not_pending, DISABLED: _not_pending}
_ALWAYS: _States = {}

REFUSED_STATES: Mapping[str, _States] = {
    "Encrypt": _CRYPTOGRAPHIC,
    "Decrypt": _CRYPTOGRAPHIC,
    "ReEncrypt": _CRYPTOGRAPHIC,
    "GenerateDataKey": _CRYPTOGRAPHIC,
    "GenerateDataKeyWithoutPlaintext": _CRYPTOGRAPHIC,
    "EnableKey": _UNLESS_PENDING,
    "DisableKey": _UNLESS_PENDING,
    "ScheduleKeyDeletion": _UNLESS_PENDING,
    "CancelKeyDeletion": _ONLY_PENDING,
    "CreateAlias": _UNLESS_PENDING,
    "UpdateAlias": _UNLESS_PENDING,
    "TagResource": _UNLESS_PENDING,
    "UntagResource": _UNLESS_PENDING,
    "UpdateKeyDescription": _UNLESS_PENDING,
    "DeleteAlias": _ALWAYS,
    "ListAliases": _ALWAYS,
    "DescribeKey": _ALWAYS,
    "ListResourceTags": _ALWAYS,
}
"""Operation, then state, then the refusal. A state that is not listed allows the operation."""


def refusal_of(operation: str, state: str) -> Callable[[str], Refusal] | None:
    """Makes the refusal from the key's ARN, where there is one.

    For UpdateAlias the state is that of the new key.
    """
    return REFUSED_STATES[operation].get(state)
