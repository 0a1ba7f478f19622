"""How keys and aliases are named: ARNs, key ids, alias names.

Source: KMS API Reference, KeyId and AliasName; KMS Developer Guide, "Key identifiers".
"""

import string
from dataclasses import dataclass

from domain.errors import (
    InvalidAliasName,
    InvalidArn,
    NotAuthorized,
    NotFound,
    Validation,
)

ALIAS_PREFIX = "alias/"
RESERVED_ALIAS_PREFIX = "alias/aws/"
ALIAS_GUIDE = "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"

_HEX = frozenset(string.hexdigits)
_UUID_DASHES = (8, 13, 18, 23)
_UUID_LENGTH = 36
_MULTI_REGION_LENGTH = 36
_ARN_PARTS = 6
_LONGEST_REGION = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyName:
    """A key id in its account and region: well-formed, not known to exist."""

    account: str
    region: str
    key_id: str

    @property
    def arn(self) -> str:
        return key_arn(self.account, self.region, self.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasName:
    """An alias, `alias/` included, in its account and region: not known to exist."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return alias_arn(self.account, self.region, self.name)


def key_arn(account: str, region: str, key_id: str) -> str:
    """The ARN of a key."""
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def alias_arn(account: str, region: str, name: str) -> str:
    """The ARN of an alias; `name` includes `alias/`."""
    return f"arn:aws:kms:{region}:{account}:{name}"


def root_arn(account: str) -> str:
    """The ARN of an account's root user."""
    return f"arn:aws:iam::{account}:root"


def is_region(text: str) -> bool:
    """Two or three words in lower case and a number, as in `us-gov-west-1`; at most 32 letters."""
    *words, number = text.split("-")
    return (
        len(words) in (2, 3)
        and len(text) <= _LONGEST_REGION
        and text.isascii()
        and number.isdigit()
        and all(word.isalpha() and word.islower() for word in words)
    )


def is_key_id(text: str) -> bool:
    """Whether the text is a UUID, or `mrk-` and 32 hex digits."""
    if text.startswith("mrk-"):
        return len(text) == _MULTI_REGION_LENGTH and _HEX.issuperset(text[4:])
    if len(text) != _UUID_LENGTH:
        return False
    return all(text[i] == "-" for i in _UUID_DASHES) and _HEX.issuperset(text.replace("-", "", 4))


def parse_key(text: str, account: str, region: str) -> KeyName | AliasName:
    """What a KeyId member names, in any of its four forms.

    Raises NotFound for text that can name nothing here, InvalidArn for a foreign kind of ARN.
    """
    if text.startswith("arn:"):
        return _parse_arn(text, region)
    if text.startswith(ALIAS_PREFIX):
        return AliasName(account=account, region=region, name=text)
    if not is_key_id(text):
        raise NotFound(f"Invalid keyId '{text}'")
    return KeyName(account=account, region=region, key_id=text)


def parse_key_only(text: str, account: str, region: str) -> KeyName:
    """A KeyId member that takes no alias. Raises as `parse_key`, and NotFound for an alias."""
    name = parse_key(text, account, region)
    if isinstance(name, AliasName):
        raise NotFound(f"Invalid keyId '{text}'")
    return name


def parse_alias_target(text: str, account: str, region: str) -> KeyName:
    """The TargetKeyId of CreateAlias and UpdateAlias. Raises Validation for an alias."""
    name = parse_key(text, account, region)
    if isinstance(name, AliasName):
        raise Validation("Aliases must refer to keys. Not aliases")
    return name


def _parse_arn(text: str, region: str) -> KeyName | AliasName:
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[1:3] != ["aws", "kms"]:
        raise InvalidArn(f"{text} is not a valid KMS key or alias ARN")
    arn_region, account, resource = parts[3:]
    if arn_region != region:
        raise NotFound(f"Invalid arn {region}")
    if resource.startswith(ALIAS_PREFIX):
        return AliasName(account=account, region=region, name=resource)
    if not resource.startswith("key/"):
        raise InvalidArn(f"{text} is not a valid KMS key or alias ARN")
    key_id = resource.removeprefix("key/")
    if not is_key_id(key_id):
        raise NotFound(f"Invalid keyId '{text}'")
    return KeyName(account=account, region=region, key_id=key_id)


def check_alias_name(name: str) -> None:
    """The rules that the service model's pattern leaves open, in the order of AWS's answers.

    Raises Validation, or NotAuthorized for the reserved prefix.
    """
    if not name.startswith(ALIAS_PREFIX):
        raise Validation(f'Alias must start with the prefix "alias/". Please see {ALIAS_GUIDE}')
    if name.startswith(RESERVED_ALIAS_PREFIX):
        raise NotAuthorized
    if ":" in name:
        raise Validation(f"{name} contains invalid characters for an alias")


def check_new_alias_name(name: str) -> None:
    """As `check_alias_name`; raises InvalidAliasName for the bare prefix as well."""
    check_alias_name(name)
    if name == ALIAS_PREFIX:
        raise InvalidAliasName(f"{name} is not a valid alias name")


def alias_not_found(name: AliasName) -> NotFound:
    """The refusal for an alias that does not exist."""
    return NotFound(f"Alias {name.arn} is not found.")


def key_not_found(name: KeyName) -> NotFound:
    """The refusal for a key that does not exist."""
    return NotFound(f"Key '{name.arn}' does not exist")
