"""Key policy documents: the default one, and what is refused when one is stored.

Source: IAM User Guide, "IAM JSON policy elements"; KMS Developer Guide, "Key policies".
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import LimitExceeded, MalformedPolicyDocument
from domain.names import root_arn

MOST_POLICY_BYTES = 32_768

Json = Mapping[str, object]

_EVALUATED = frozenset(("Sid", "Effect", "Principal", "Action", "Resource"))
# Only AWS can name a root user. The others are known to name somebody else.
_KINDS_OF_PRINCIPAL = frozenset(("AWS", "Service", "Federated", "CanonicalUser"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a key policy, as far as a decision about an account's root reads it.

    `is_whole` is False when the statement lacks an element, or has one that is malformed or is not
    evaluated (a condition, NotAction, NotPrincipal, NotResource, whatever has an unknown name): an
    Allow then never matches and a Deny always does.
    """

    sid: str | None
    allows: bool
    principals: frozenset[str]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    is_whole: bool


def default_policy(account: str) -> str:
    """The policy of a key that was created without one."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": root_arn(account)},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps(
        {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]},
        separators=(",", ":"),
    )


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a key policy.

    Raises LimitExceeded above 32,768 bytes, MalformedPolicyDocument for what is not a policy.
    """
    if len(text.encode()) > MOST_POLICY_BYTES:
        raise LimitExceeded(f"The key policy is larger than {MOST_POLICY_BYTES} bytes.")
    document = _json_object(text)
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicyDocument("The policy has no Statement.")
    return tuple(_statement(statement) for statement in statements)


def _json_object(text: str) -> Json:
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise MalformedPolicyDocument("The policy is not valid JSON.") from None
    if not isinstance(document, Mapping):
        raise MalformedPolicyDocument("The policy is not a JSON object.")
    return document


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate keys")
    return members


def _statement(statement: object) -> Statement:
    if not isinstance(statement, Mapping):
        raise MalformedPolicyDocument("A Statement is not a JSON object.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyDocument("The Effect of a statement must be Allow or Deny.")
    for element in ("Principal", "Action", "Resource"):
        if element in statement and f"Not{element}" in statement:
            raise MalformedPolicyDocument(f"A statement has both {element} and Not{element}.")
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise MalformedPolicyDocument("A statement has no Principal.")
    sid = statement.get("Sid")
    actions = _texts(statement.get("Action"), "Action")
    resources = _texts(statement.get("Resource"), "Resource")
    return Statement(
        sid=sid if isinstance(sid, str) else None,
        allows=statement["Effect"] == "Allow",
        principals=_principals(statement.get("Principal")),
        actions=actions,
        resources=resources,
        is_whole=(
            statement.keys() <= _EVALUATED
            and _names_somebody(statement.get("Principal"))
            and _are_whole(actions, lambda action: ":" in action)
            and _are_whole(resources, lambda arn: arn.startswith("arn:"))
        ),
    )


def _names_somebody(principal: object) -> bool:
    if not isinstance(principal, Mapping):
        return principal == "*"
    return principal.keys() <= _KINDS_OF_PRINCIPAL and any(principal.values())


def _are_whole(patterns: Sequence[str], is_name: Callable[[str], bool]) -> bool:
    """Whether there are any, and each is `*` or looks like a name of its kind."""
    return bool(patterns) and all(pattern == "*" or is_name(pattern) for pattern in patterns)


def _principals(principal: object) -> frozenset[str]:
    if principal is None:
        return frozenset()
    if principal == "*":
        return frozenset({"*"})
    if not isinstance(principal, Mapping):
        raise MalformedPolicyDocument(
            "Policy contains a statement with one or more invalid principals."
        )
    return frozenset(_texts(principal.get("AWS"), "Principal"))


def _texts(value: object, element: str) -> tuple[str, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise MalformedPolicyDocument(f"The {element} of a statement is not text.")
    return tuple(values)
