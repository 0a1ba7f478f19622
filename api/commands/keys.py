"""CreateKey and what changes a key: description, state, deletion, tags."""

from collections.abc import Sequence

from api.outcome import Caller, Found, Outcome, Services, next_event
from api.queries.keys import metadata, recorded_metadata
from api.wire import shapes
from api.wire.instants import epoch_seconds
from domain import key as keys
from domain import tags as tag_rules
from domain.algorithms import SYMMETRIC_DEFAULT, check_new_key
from domain.errors import (
    CustomKeyStoreNotFound,
    MalformedPolicyDocument,
    UnsupportedOperation,
    Validation,
)
from domain.events import (
    Event,
    KeyCreated,
    KeyDescriptionUpdated,
    KeyTagged,
    KeyUntagged,
    Tag,
)
from domain.key import DEFAULT_PENDING_WINDOW_IN_DAYS, Key
from domain.names import KeyName
from domain.policy.document import default_policy, parse
from domain.policy.evaluate import decide
from domain.propagation import effective_at
from domain.record import key_resource, long_date

_BOTH_SPECS = (
    "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
    "CustomerMasterKeySpec is deprecated."
)
_LOCKOUT = "The new key policy will not allow you to update the key policy in the future."
_PUT_KEY_POLICY = "kms:PutKeyPolicy"


def create_key(
    services: Services, caller: Caller, request: shapes.CreateKey, found: Found
) -> Outcome:
    """Make a key and its first material."""
    del found
    spec, usage = _spec_and_usage(request)
    _check_origin(request)
    key_id = services.new_id()
    name = KeyName(account=caller.account, region=caller.region, key_id=key_id)
    policy = _policy(name, request)
    tags = _tags(request.tags or ())
    tag_rules.check_new(tags)
    material = services.key_store.generate(account=caller.account, key_id=key_id, spec=spec)
    event = KeyCreated(
        at=caller.now,
        account=caller.account,
        region=caller.region,
        key_id=key_id,
        description=request.description or "",
        key_spec=spec,
        key_usage=usage,
        origin="AWS_KMS",
        multi_region=False,
        policy=policy,
        tags=tags,
        material_id=material.material_id,
    )
    key = keys.create(event)
    return Outcome(
        {"KeyMetadata": metadata(key)},
        events=next_event(0, event),
        sealed=(material,),
        response_elements={"keyMetadata": recorded_metadata(key)},
        resources=(key_resource(key.account, key.arn),),
    )


def _spec_and_usage(request: shapes.CreateKey) -> tuple[str, str]:
    if request.key_spec is not None and request.customer_master_key_spec is not None:
        raise Validation(_BOTH_SPECS)
    spec = request.key_spec or request.customer_master_key_spec or SYMMETRIC_DEFAULT
    return spec, check_new_key(spec, request.key_usage)


def _check_origin(request: shapes.CreateKey) -> None:
    if request.custom_key_store_id is not None:
        raise CustomKeyStoreNotFound(
            f"No custom key store has the ID {request.custom_key_store_id}."
        )
    if request.xks_key_id is not None:
        raise UnsupportedOperation("External key stores are not supported by this server.")
    if request.origin in ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"):
        raise Validation(f"Origin {request.origin} requires a CustomKeyStoreId.")
    if request.origin == "EXTERNAL":
        raise UnsupportedOperation("Imported key material is not supported by this server.")
    if request.multi_region:
        raise UnsupportedOperation("Multi-Region keys are not supported by this server.")


def _policy(name: KeyName, request: shapes.CreateKey) -> str:
    if request.policy is None:
        return default_policy(name.account)
    statements = parse(request.policy)
    is_checked = not request.bypass_policy_lockout_safety_check
    if is_checked and not decide(name, _PUT_KEY_POLICY, statements).is_allowed:
        raise MalformedPolicyDocument(_LOCKOUT)
    return request.policy


def update_key_description(
    services: Services, caller: Caller, request: shapes.UpdateKeyDescription, found: Found
) -> Outcome:
    """Replace the description."""
    del services
    key = found.key().key
    key.check_allows("UpdateKeyDescription")
    event = KeyDescriptionUpdated(
        at=caller.now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        description=request.description or "",
    )
    return _changed(key, event)


def enable_key(
    services: Services, caller: Caller, request: shapes.EnableKey, found: Found
) -> Outcome:
    """Allow the key's use; no event when it is allowed already."""
    del services, request
    key = found.key().key
    return _changed(key, keys.enable(key, caller.now))


def disable_key(
    services: Services, caller: Caller, request: shapes.DisableKey, found: Found
) -> Outcome:
    """Forbid the key's use; no event when it is forbidden already."""
    del services, request
    key = found.key().key
    return _changed(key, keys.disable(key, caller.now))


def schedule_key_deletion(
    services: Services, caller: Caller, request: shapes.ScheduleKeyDeletion, found: Found
) -> Outcome:
    """Begin the waiting period."""
    del services
    key = found.key().key
    days = request.pending_window_in_days or DEFAULT_PENDING_WINDOW_IN_DAYS
    event = keys.schedule_deletion(key, caller.now, days)
    pending = keys.evolve(key, event)
    return Outcome(
        {
            "KeyId": key.arn,
            "DeletionDate": epoch_seconds(event.deletion_date),
            "KeyState": pending.state,
            "PendingWindowInDays": days,
        },
        events=next_event(key.version, event),
        response_elements={
            "keyId": key.arn,
            "keyState": pending.state,
            "deletionDate": long_date(event.deletion_date),
            "pendingWindowInDays": days,
        },
        keytrail={"effectiveAt": event.effective_at},
    )


def cancel_key_deletion(
    services: Services, caller: Caller, request: shapes.CancelKeyDeletion, found: Found
) -> Outcome:
    """Save the key."""
    del services, request
    key = found.key().key
    return _changed(key, keys.cancel_deletion(key, caller.now), {"KeyId": key.arn})


def tag_resource(
    services: Services, caller: Caller, request: shapes.TagResource, found: Found
) -> Outcome:
    """Add tags, or replace their values."""
    key = found.key().key
    tags = _tags(request.tags or ())
    tag_rules.check_new(tags)
    key.check_allows("TagResource")
    tag_rules.check_number(_tag_keys(services, key), tags)
    event = KeyTagged(
        at=caller.now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        effective_at=effective_at(caller.now, key.tags_effective_at),
        tags=tags,
    )
    return _changed(key, event if tags else None)


def untag_resource(
    services: Services, caller: Caller, request: shapes.UntagResource, found: Found
) -> Outcome:
    """Remove those of the tags that are there."""
    key = found.key().key
    tag_rules.check_keys(request.tag_keys or ())
    key.check_allows("UntagResource")
    wanted = set(request.tag_keys or ())
    present = tuple(tag_key for tag_key in _tag_keys(services, key) if tag_key in wanted)
    event = KeyUntagged(
        at=caller.now,
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        effective_at=effective_at(caller.now, key.tags_effective_at),
        tag_keys=present,
    )
    return _changed(key, event if present else None)


def _changed(key: Key, event: Event | None, body: dict[str, object] | None = None) -> Outcome:
    in_force = getattr(event, "effective_at", None)
    return Outcome(
        body,
        events=next_event(key.version, event),
        reads=(key.stream,),
        response_elements={"keyId": key.arn},
        keytrail={"effectiveAt": in_force} if in_force else None,
    )


def _tags(tags: Sequence[shapes.Tag]) -> tuple[Tag, ...]:
    return tuple(Tag(key=tag.tag_key or "", value=tag.tag_value or "") for tag in tags)


def _tag_keys(services: Services, key: Key) -> list[str]:
    name = KeyName(account=key.account, region=key.region, key_id=key.key_id)
    return [placed.tag.key for placed in services.catalogue.tags(name)]
