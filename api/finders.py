"""From the names in a request to the keys and aliases that they mean.

Nothing found here tells whether another account's key exists: that is `Foreign`, and refused.
"""

from collections.abc import Callable
from typing import Any

from api.outcome import Caller, Everything, Foreign, Found, FoundAlias, Resource, Services
from domain import ciphertext
from domain.errors import AccessDenied, Validation
from domain.names import (
    AliasName,
    KeyName,
    alias_not_found,
    check_alias_name,
    check_new_alias_name,
    key_not_found,
    parse_alias_target,
    parse_key,
    parse_key_only,
)
from projections.authorization import KeyStanding

Finder = Callable[[Services, Caller, Any], Found]

_HIDDEN_KEY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this "
    "region, or you are not allowed to access."
)


def everything(services: Services, caller: Caller, request: object) -> Found:
    """For operations that name no resource."""
    del services, request
    return Found((Everything(caller.account),))


def key_or_alias(services: Services, caller: Caller, request: Any) -> Found:
    """`KeyId` in any of its four forms."""
    standing, alias = _named(services, caller, request.key_id)
    return Found((standing,), alias)


def data_key(services: Services, caller: Caller, request: Any) -> Found:
    """GenerateDataKey: its size is given in one of two ways; then the key, as `key_or_alias`."""
    if (request.key_spec is None) == (request.number_of_bytes is None):
        raise Validation("Please specify either number of bytes or key spec.")
    return key_or_alias(services, caller, request)


def key_only(services: Services, caller: Caller, request: Any) -> Found:
    """`KeyId` as a key id or key ARN."""
    name = parse_key_only(request.key_id, caller.account, caller.region)
    return Found((_key(services, caller, name),))


def optional_key_only(services: Services, caller: Caller, request: Any) -> Found:
    """ListAliases: authorised on `*`, and the key that filters must exist."""
    if request.key_id is None:
        return Found((Everything(caller.account),))
    name = parse_key_only(request.key_id, caller.account, caller.region)
    key = _key(services, caller, name)
    if isinstance(key, Foreign):
        raise key_not_found(name)
    return Found((Everything(caller.account), key))


def ciphertext_key(services: Services, caller: Caller, request: Any) -> Found:
    """Decrypt: the key that `KeyId` names, otherwise the one that the ciphertext names."""
    _check_modifiers(request)
    standing, alias = _source(services, caller, request.key_id, request.ciphertext_blob)
    return Found((standing,), alias)


def source_and_destination(services: Services, caller: Caller, request: Any) -> Found:
    """ReEncrypt: the key that encrypted, then the key that shall encrypt."""
    _check_modifiers(request)
    source, _ = _source(services, caller, request.source_key_id, request.ciphertext_blob)
    destination, alias = _named(services, caller, request.destination_key_id)
    return Found((source, destination), alias)


def new_alias(services: Services, caller: Caller, request: Any) -> Found:
    """CreateAlias: the alias, then its target."""
    check_new_alias_name(request.alias_name)
    name = _own_alias(caller, request.alias_name)
    target = parse_alias_target(request.target_key_id, caller.account, caller.region)
    alias = FoundAlias(name, services.catalogue.alias(name))
    return Found((alias, _own_key(services, caller, target)))


def moved_alias(services: Services, caller: Caller, request: Any) -> Found:
    """UpdateAlias: the alias, the key it points to, the key it shall point to."""
    alias, current = _existing_alias(services, caller, request.alias_name)
    target = parse_alias_target(request.target_key_id, caller.account, caller.region)
    return Found((alias, current, _own_key(services, caller, target)))


def existing_alias(services: Services, caller: Caller, request: Any) -> Found:
    """DeleteAlias: the alias, then the key it points to."""
    return Found(_existing_alias(services, caller, request.alias_name))


def _named(services: Services, caller: Caller, text: str) -> tuple[Resource, str | None]:
    """The key, and the alias of the caller's account by which it was named."""
    if text.startswith("alias/"):
        standing = services.standings.target_of(caller.account, caller.region, text)
        if standing is None:
            raise alias_not_found(_own_alias(caller, text))
        return standing, text
    name = parse_key(text, caller.account, caller.region)
    if isinstance(name, KeyName):
        return _key(services, caller, name), None
    if name.account != caller.account:
        return Foreign(name.account, name.arn), None
    standing = services.standings.target_of(name.account, name.region, name.name)
    if standing is None:
        raise alias_not_found(name)
    return standing, name.name


def _check_modifiers(request: Any) -> None:
    """Members that must go together are looked at before any key is sought."""
    if request.dry_run_modifiers and not request.dry_run:
        raise Validation("DryRunModifiers requires DryRun.")
    if request.ciphertext_blob is None and not request.dry_run_modifiers:
        raise Validation("CiphertextBlob is required.")


def _source(
    services: Services, caller: Caller, key_id: str | None, blob: bytes | None
) -> tuple[Resource, str | None]:
    if key_id is not None:
        return _named(services, caller, key_id)
    if blob is None:
        raise Validation("A dry run without a ciphertext must name the key that encrypted it.")
    header = ciphertext.parse(blob)
    standing = services.standings.key(caller.account, caller.region, header.key_id)
    if standing is None:
        raise AccessDenied(_HIDDEN_KEY)
    return standing, None


def _key(services: Services, caller: Caller, name: KeyName) -> KeyStanding | Foreign:
    if name.account != caller.account:
        return Foreign(name.account, name.arn)
    return _own_key(services, caller, name)


def _own_key(services: Services, caller: Caller, name: KeyName) -> KeyStanding:
    standing = services.standings.key(name.account, name.region, name.key_id)
    if standing is None or name.account != caller.account:
        raise key_not_found(name)
    return standing


def _own_alias(caller: Caller, name: str) -> AliasName:
    return AliasName(account=caller.account, region=caller.region, name=name)


def _existing_alias(
    services: Services, caller: Caller, text: str
) -> tuple[FoundAlias, KeyStanding]:
    check_alias_name(text)
    name = _own_alias(caller, text)
    standing = services.standings.target_of(name.account, name.region, name.name)
    if standing is None:
        raise alias_not_found(name)
    return FoundAlias(name, services.catalogue.alias(name)), standing
