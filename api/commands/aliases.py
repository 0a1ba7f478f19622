"""CreateAlias, UpdateAlias, DeleteAlias."""

from api.outcome import Caller, Found, FoundAlias, Outcome, Services, next_event
from api.wire import shapes
from domain import alias as aliases
from domain.alias import Alias
from domain.errors import InvariantBroken
from domain.key import Key
from domain.names import KeyName


def create_alias(
    services: Services, caller: Caller, request: shapes.CreateAlias, found: Found
) -> Outcome:
    """Give a key a name."""
    del request
    alias, target = _alias(found), found.key(1)
    number = _aliases_of(services, target.key)
    event = aliases.create(alias.name, alias.alias, target.key, number, caller.now)
    return Outcome(
        events=next_event(alias.alias.version if alias.alias else 0, event),
        reads=(target.key.stream,),
        response_elements={"keyId": target.arn},
        keytrail={"alias": alias.name.name, "effectiveAt": event.effective_at},
    )


def update_alias(
    services: Services, caller: Caller, request: shapes.UpdateAlias, found: Found
) -> Outcome:
    """Point the name to another key."""
    del request
    alias, current, target = _existing(found), found.key(1), found.key(2)
    number = _aliases_of(services, target.key)
    event = aliases.update(alias, current.key, target.key, number, caller.now)
    return Outcome(
        events=next_event(alias.version, event),
        reads=(current.key.stream, target.key.stream),
        response_elements={"keyId": target.arn},
        keytrail={
            "alias": alias.name,
            "previousTargetKeyId": current.key.key_id,
            "effectiveAt": event.effective_at,
        },
    )


def delete_alias(
    services: Services, caller: Caller, request: shapes.DeleteAlias, found: Found
) -> Outcome:
    """Free the name."""
    del services, request
    alias, current = _existing(found), found.key(1)
    event = aliases.delete(alias, current.key.key_id, caller.now)
    return Outcome(
        events=next_event(alias.version, event),
        reads=(current.key.stream,),
        response_elements={"keyId": current.arn},
        keytrail={
            "alias": alias.name,
            "previousTargetKeyId": current.key.key_id,
            "effectiveAt": event.effective_at,
        },
    )


def _alias(found: Found) -> FoundAlias:
    resource = found.resources[0]
    if not isinstance(resource, FoundAlias):
        raise InvariantBroken("an alias operation found no alias")
    return resource


def _existing(found: Found) -> Alias:
    alias = _alias(found).alias
    if alias is None:
        raise InvariantBroken("an alias that has a target was never created")
    return alias


def _aliases_of(services: Services, key: Key) -> int:
    name = KeyName(account=key.account, region=key.region, key_id=key.key_id)
    return services.catalogue.count_aliases_of(name)
