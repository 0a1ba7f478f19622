"""The decision: may this caller do this to that key?

Only an account's root user has an access key, so this is the part of the decision that concerns
it: an explicit Deny of the key policy, then an Allow that names the account, otherwise refused.
Source: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Default key policy".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.names import root_arn
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


def decide(account: str, action: str, policy: Sequence[Statement]) -> Decision:
    """May the root user of the key's own account perform `action` (as `kms:Encrypt`)?"""
    matching = [statement for statement in policy if _matches(statement, account, action)]
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


def _matches(statement: Statement, account: str, action: str) -> bool:
    if not statement.is_whole:
        return not statement.allows
    named = statement.principals & {"*", account, root_arn(account)}
    return (
        bool(named)
        and statement.names_the_key
        and any(_covers(pattern.lower(), action.lower()) for pattern in statement.actions)
    )


def _covers(pattern: str, action: str) -> bool:
    """Whether an action pattern covers an action. Linear: the pieces are sought left to right."""
    if "?" in pattern:
        return False
    pieces = pattern.split("*")
    if len(pieces) == 1:
        return pattern == action
    first, *middle, last = pieces
    if len(action) < len(first) + len(last):
        return False
    if not action.startswith(first) or not action.endswith(last):
        return False
    at, end = len(first), len(action) - len(last)
    for piece in middle:
        at = action.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
