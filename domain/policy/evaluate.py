"""The decision: may this caller do this to that key?

Only an account's root user has an access key, so this is the part of the decision that concerns
it: an explicit Deny of the key policy, then an Allow that names the account, otherwise refused.
Source: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Default key policy".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.names import KeyName, root_arn
from domain.policy import glob
from domain.policy.document import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, by which kind of policy, by which statement, and why it was refused."""

    is_allowed: bool
    by: str
    statement: str | None
    reason: str = ""


ROOT_DECISION = Decision(is_allowed=True, by="root", statement=None)
"""Where no resource policy exists (aliases, `*`), the root user may do everything."""

_UNSEEN = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)

FOREIGN_KEY = Decision(is_allowed=False, by="none", statement=None, reason=_UNSEEN)
"""A key of another account: existing and missing keys answer alike."""


def decide(key: KeyName, action: str, policy: Sequence[Statement]) -> Decision:
    """May the root user of the key's own account perform `action` (as `kms:Encrypt`) on it?"""
    matching = [statement for statement in policy if _matches(statement, key, action)]
    for statement in matching:
        if not statement.allows:
            return Decision(
                is_allowed=False,
                by="key-policy",
                statement=statement.sid,
                reason="with an explicit deny in a resource-based policy",
            )
    if matching:
        return Decision(is_allowed=True, by="key-policy", statement=matching[0].sid)
    reason = f"because no resource-based policy allows the {action} action"
    return Decision(is_allowed=False, by="none", statement=None, reason=reason)


def _matches(statement: Statement, key: KeyName, action: str) -> bool:
    """What is in doubt never allows and always denies."""
    if not statement.is_whole:
        return not statement.allows
    names = _is_named if statement.allows else _may_be_named
    return (
        any(names(one, key.account, root_arn(key.account)) for one in statement.principals)
        and any(names(one, key.arn) for one in statement.resources)
        and any(glob.matches(one.lower(), action.lower()) for one in statement.actions)
    )


def _is_named(pattern: str, *names: str) -> bool:
    return pattern == "*" or pattern in names


def _may_be_named(pattern: str, *names: str) -> bool:
    """Whether a pattern is not certain to mean something else.

    IAM fills in the parts that an incomplete ARN lacks, with `*`, and policy variables with what
    the request has. Source: IAM User Guide, "IAM JSON policy elements: Resource".
    """
    patterns = (pattern, f"{pattern}:*")
    return "${" in pattern or any(glob.matches(one, name) for one in patterns for name in names)
