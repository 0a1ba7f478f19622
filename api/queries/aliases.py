"""ListAliases."""

from api.outcome import Caller, Found, Outcome, Services
from api.queries.paging import decode, page
from api.wire import shapes
from api.wire.instants import epoch_seconds
from domain.alias import Alias
from domain.names import KeyName

_ALIASES_OF_A_PAGE = 50


def list_aliases(
    services: Services, caller: Caller, request: shapes.ListAliases, found: Found
) -> Outcome:
    """Aliases by name: all of the account in the region, or those of one key."""
    limit = request.limit or _ALIASES_OF_A_PAGE
    key = found.key(1).key if request.key_id is not None else None
    key_id = key.key_id if key else ""
    listing = ("ListAliases", caller.account, caller.region, key_id)
    after = decode(listing, request.marker) if request.marker else ""
    if key:
        name = KeyName(account=key.account, region=key.region, key_id=key.key_id)
        aliases = services.catalogue.aliases_of(name, after, limit + 1)
    else:
        aliases = services.catalogue.aliases(caller.account, caller.region, after, limit + 1)
    shown, members = page(aliases, limit, listing, _name)
    return Outcome({"Aliases": [_entry(alias) for alias in shown], **members})


def _name(alias: Alias) -> str:
    return alias.name


def _entry(alias: Alias) -> dict[str, object]:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": epoch_seconds(alias.created_at),
        "LastUpdatedDate": epoch_seconds(alias.updated_at),
    }
