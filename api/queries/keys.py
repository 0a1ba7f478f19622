"""DescribeKey, ListKeys, ListResourceTags."""

from typing import Any

from api.outcome import Caller, Found, Outcome, Services
from api.queries.paging import decode, page
from api.wire import shapes
from api.wire.instants import epoch_seconds
from domain import key_states
from domain.algorithms import KEY_SPECS
from domain.errors import InvalidGrantToken, InvalidMarker
from domain.key import Key
from domain.names import KeyName, key_arn
from domain.record import long_date
from projections.catalogue_reader import PlacedTag

_KEYS_OF_A_PAGE = 100
_TAGS_OF_A_PAGE = 50
_MOST_PLACE_DIGITS = 18  # SQLite's integers have 63 bits


def metadata(key: Key) -> dict[str, object]:
    """KeyMetadata. Members without a value are left out."""
    members: dict[str, object] = {
        "AWSAccountId": key.account,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": epoch_seconds(key.created_at),
        "Enabled": key.state == key_states.ENABLED,
        "Description": key.description,
        "KeyUsage": key.key_usage,
        "KeyState": key.state,
        "Origin": key.origin,
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.key_spec,
        "KeySpec": key.key_spec,
        "EncryptionAlgorithms": KEY_SPECS[key.key_spec].encryption_algorithms,
        "MultiRegion": key.multi_region,
    }
    if key.material_id is not None:
        members["CurrentKeyMaterialId"] = key.material_id
    if key.deletion_date is not None:
        members["DeletionDate"] = epoch_seconds(key.deletion_date)
    return members


def recorded_metadata(key: Key) -> dict[str, object]:
    """KeyMetadata as CloudTrail writes it, `aWSAccountId` included."""
    members: dict[str, object] = {
        name[0].lower() + name[1:]: value for name, value in metadata(key).items()
    }
    members["creationDate"] = long_date(key.created_at)
    if key.deletion_date is not None:
        members["deletionDate"] = long_date(key.deletion_date)
    return members


def describe_key(
    services: Services, caller: Caller, request: shapes.DescribeKey, found: Found
) -> Outcome:
    """The key's metadata."""
    del services, caller
    if request.grant_tokens:
        raise InvalidGrantToken("The grant token is not valid.")
    return Outcome({"KeyMetadata": metadata(found.key().key)})


def list_keys(
    services: Services, caller: Caller, request: shapes.ListKeys, found: Found
) -> Outcome:
    """Keys by id. Keys of other accounts contribute nothing: there is no resource sharing."""
    del found
    owners = request.resource_owners or ["SELF"]
    listing = ("ListKeys", caller.account, caller.region, ",".join(sorted(owners)))
    after = decode(listing, request.marker) if request.marker else ""
    if "SELF" not in owners:
        return Outcome({"Keys": [], "Truncated": False})
    limit = request.limit or _KEYS_OF_A_PAGE
    ids = services.catalogue.key_ids(caller.account, caller.region, after, limit + 1)
    shown, members = page(ids, limit, listing, str)
    keys = [
        {"KeyId": key_id, "KeyArn": key_arn(caller.account, caller.region, key_id)}
        for key_id in shown
    ]
    return Outcome({"Keys": keys, **members})


def list_resource_tags(services: Services, caller: Caller, request: Any, found: Found) -> Outcome:
    """Tags in the order in which they were added."""
    key = found.key().key
    listing = ("ListResourceTags", caller.account, caller.region, key.key_id)
    after = _place(decode(listing, request.marker)) if request.marker else 0
    limit = request.limit or _TAGS_OF_A_PAGE
    name = KeyName(account=key.account, region=key.region, key_id=key.key_id)
    tags = services.catalogue.tags(name, after, limit + 1)
    shown, members = page(tags, limit, listing, _marked)
    body = [{"TagKey": placed.tag.key, "TagValue": placed.tag.value} for placed in shown]
    return Outcome({"Tags": body, **members})


def _marked(placed: PlacedTag) -> str:
    return str(placed.place)


def _place(text: str) -> int:
    """The place in a marker. Raises InvalidMarker for what is no position in a database."""
    if not text.isdecimal() or not text.isascii() or len(text) > _MOST_PLACE_DIGITS:
        raise InvalidMarker("Invalid marker.")
    return int(text)
