"""Which statements of a key policy bind the account's root user: in doubt a Deny does."""

import json
from typing import Any

import pytest

from domain.errors import MalformedPolicyDocument
from domain.names import KeyName
from domain.policy.document import default_policy, parse
from domain.policy.evaluate import Decision, decide

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
KEY = KeyName(account=ACCOUNT, region="eu-central-1", key_id="12345678-1234-1234-1234-123456789012")
KEYS = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key"
ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"AWS": ROOT},
    "Action": "kms:*",
    "Resource": "*",
}
DENY = {**ALLOW, "Effect": "Deny", "Sid": "the denial"}
ACTION = "kms:Encrypt"


def decided(*statements: dict[str, Any], action: str = ACTION) -> Decision:
    return decide(KEY, action, parse(json.dumps({"Statement": list(statements)})))


def is_denied(**changed: Any) -> bool:
    """Whether a Deny with these elements binds, where everything else is allowed."""
    decision = decided(ALLOW, {**DENY, **changed})
    assert decision.statement == (None if decision.is_allowed else "the denial")
    return not decision.is_allowed


def is_allowed(**changed: Any) -> bool:
    """Whether an Allow with these elements alone is enough."""
    return decided({**ALLOW, **changed}).is_allowed


def without(statement: dict[str, Any], element: str) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != element}


def test_the_default_policy_allows_the_account_everything() -> None:
    assert decide(KEY, ACTION, parse(default_policy(ACCOUNT))).is_allowed
    assert not decide(KEY, ACTION, parse(default_policy("999999999999"))).is_allowed


def test_what_no_statement_allows_is_refused() -> None:
    assert not decided({**ALLOW, "Action": "kms:Decrypt"}).is_allowed


@pytest.mark.parametrize("first", [ALLOW, DENY], ids=["allow first", "deny first"])
def test_a_denial_wins_wherever_it_stands(first: dict[str, Any]) -> None:
    second = DENY if first is ALLOW else ALLOW
    assert not decided(first, second).is_allowed


@pytest.mark.parametrize(
    "action",
    [
        "*", "kms:*", "kms:Encrypt", "KMS:ENCRYPT", "kms:?ncrypt", "kms:Encryp?", "kms:E*t",
        "kms:*crypt", "???:*", "k*:Encrypt", "kms:E?c*?t", ["kms:Decrypt", "kms:En?rypt"],
    ],
)  # fmt: skip
def test_an_action_is_meant_by_a_pattern_in_any_case(action: object) -> None:
    assert is_denied(Action=action)
    assert is_allowed(Action=action)


@pytest.mark.parametrize(
    "action", ["kms:Decrypt", "kms:Encrypt?", "kms:?Encrypt", "kms:Encryp", "s3:*", "kms:??ncrypt"]
)
def test_another_action_is_not_meant(action: str) -> None:
    assert not is_denied(Action=action)
    assert not is_allowed(Action=action)


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": ROOT}, {"AWS": ["999999999999", ROOT]}],
)
def test_the_root_user_is_meant_by_its_arn_its_account_or_everybody(principal: object) -> None:
    assert is_denied(Principal=principal)
    assert is_allowed(Principal=principal)


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "999999999999"},
        {"AWS": ["arn:aws:iam::999999999999:root", f"arn:aws:iam::{ACCOUNT}:user/alice"]},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"},
        {"AWS": "AIDAEXAMPLE"},
        {"Service": "logs.amazonaws.com"},
    ],
)
def test_other_principals_are_not_the_root_user(principal: object) -> None:
    assert not is_denied(Principal=principal)
    assert not is_allowed(Principal=principal)


@pytest.mark.parametrize("resource", ["*", KEY.arn, [f"{KEYS}/another", KEY.arn]])
def test_a_key_is_meant_by_its_arn_or_by_everything(resource: object) -> None:
    assert is_denied(Resource=resource)
    assert is_allowed(Resource=resource)


@pytest.mark.parametrize(
    "resource",
    [
        f"{KEYS}/*", f"{KEYS}/????????-*", f"arn:aws:kms:*:{ACCOUNT}:*", "arn:aws:kms:*", "arn:*",
        "arn:aws:kms:eu-central-?:*:key/12345678-1234-1234-1234-123456789012", "arn:aws:kms",
        "arn:aws:kms:eu-central-1", f"arn:*:key/{KEY.key_id}", "arn:aws:kms:${aws:RequestedRegion}",
        ["arn:aws:s3:::bucket", f"{KEYS}/*"],
    ],
)  # fmt: skip
def test_a_pattern_of_resources_denies_where_it_may_mean_the_key_and_never_allows(
    resource: object,
) -> None:
    assert is_denied(Resource=resource)
    assert not is_allowed(Resource=resource)


@pytest.mark.parametrize(
    "resource",
    [
        f"{KEYS}/{KEY.key_id[:-1]}3", f"{KEYS}/{KEY.key_id}?", f"arn:aws:kms:us-*:{ACCOUNT}:key/*",
        "arn:aws:kms:*:999999999999:key/*", "arn:aws:s3:::bucket", "arn:aws:s3",
        f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/payments",
    ],
)  # fmt: skip
def test_another_resource_is_not_meant(resource: str) -> None:
    assert not is_denied(Resource=resource)
    assert not is_allowed(Resource=resource)


@pytest.mark.parametrize(
    "element",
    [
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, {"condition": {}}, {"Extra": 1},
        {"Resource": None}, {"Resource": []}, {"Resource": "key/*"}, {"Resource": KEY.key_id},
        {"Action": []}, {"Action": None}, {"Action": "Encrypt"}, {"Action": ["kms:*", "k*"]},
        {"Principal": {}}, {"Principal": None}, {"Principal": {"AWS": []}},
        {"Principal": {"AWS": ROOT, "Federated": "x", "Somebody": "x"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_understood_denies_always_and_allows_never(element: dict[str, Any]) -> None:
    assert is_denied(**element)
    assert not is_allowed(**element)


@pytest.mark.parametrize("element", ["Principal", "Action", "Resource"])
def test_an_element_that_is_turned_round_or_missing_denies_always_and_allows_never(
    element: str,
) -> None:
    turned = {f"Not{element}": {"AWS": "999999999999"} if element == "Principal" else "x:y"}
    assert not decided(ALLOW, {**without(DENY, element), **turned}).is_allowed
    assert not decided({**without(ALLOW, element), **turned}).is_allowed


@pytest.mark.parametrize("element", ["Action", "Resource"])
def test_a_statement_that_lacks_an_element_denies_always_and_allows_never(element: str) -> None:
    assert not decided(ALLOW, without(DENY, element)).is_allowed
    assert not decided(without(ALLOW, element)).is_allowed


def test_a_statement_cannot_have_an_element_both_ways() -> None:
    with pytest.raises(MalformedPolicyDocument):
        decided({**ALLOW, "NotAction": "kms:Decrypt"})


def test_a_hostile_pattern_is_decided_on() -> None:
    hostile = "*a" * 8_000
    assert not is_denied(Action=f"kms:{hostile}")
    assert not is_denied(Resource=f"arn:{hostile}")
