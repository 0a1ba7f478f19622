"""What Keytrail does by itself: delete keys whose waiting period has ended, destroy material.

Deletion removes the sealed row; destruction retires the epoch under which it was sealed, so that
every older copy of the database is ciphertext under a key that is gone.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from api.gate import Gate, ServiceAct
from api.outcome import Outcome, next_event
from domain import alias as aliases
from domain import key as keys
from domain.events import KeyMaterialDestroyed
from domain.key_states import DELETED
from domain.names import KeyName
from domain.record import key_resource
from keystore import materials
from keystore.keyring import Keyring
from ledger.store import VersionedEvent
from ledger.writer import Writer
from projections.catalogue_reader import CatalogueReader

KEYS_OF_A_ROUND = 100
REWRAPPED_ROWS = 2_000


async def delete_due_keys(gate: Gate, catalogue: CatalogueReader, now: datetime) -> int:
    """Delete what is due at `now`, each key with its aliases in one transaction; how many."""
    deleted = 0
    for key in catalogue.keys_due(now, KEYS_OF_A_ROUND):
        name = KeyName(account=key.account, region=key.region, key_id=key.key_id)
        deleted += await gate.act(_deletion(catalogue, name))
    return deleted


def _deletion(catalogue: CatalogueReader, name: KeyName) -> Callable[[datetime], ServiceAct | None]:
    def decide(now: datetime) -> ServiceAct | None:
        key = catalogue.key(name)
        event = keys.delete(key, now) if key else None
        if key is None or event is None:
            return None
        named = catalogue.aliases_of(name)
        arns = (key.arn, *(alias.arn for alias in named))
        freed = tuple(
            VersionedEvent(version=alias.version + 1, event=aliases.delete(alias, key.key_id, now))
            for alias in named
        )
        outcome = Outcome(
            events=(*freed, *next_event(key.version, event)),
            destroyed=((key.account, key.key_id),),
            reads=(key.stream,),
            keytrail={"deletedAliases": [alias.name for alias in named]},
        )
        return ServiceAct(
            name="DeleteKey",
            account=key.account,
            region=key.region,
            outcome=outcome,
            resources=[key_resource(key.account, arn) for arn in arns],
        )

    return decide


async def destroy_deleted_material(
    gate: Gate, catalogue: CatalogueReader, writer: Writer, keyring: Keyring
) -> int | None:
    """Retire every epoch that sealed a deleted key, and certify each: how many, None to try again.

    Each step may be interrupted and is taken up again by the next call.
    """
    if len(keyring.epochs) > 1 and not await _retire_old_epochs(writer, keyring):
        return None
    deleted = catalogue.keys_deleted()
    if not deleted:
        return 0
    # Everything sealed before this line is under this epoch, and so is what was deleted.
    retired = keyring.current
    await asyncio.to_thread(keyring.begin_epoch)
    if not await _retire_old_epochs(writer, keyring):
        return None
    for name in deleted:
        await gate.act(_destruction(catalogue, name, retired))
    return len(deleted)


async def _retire_old_epochs(writer: Writer, keyring: Keyring) -> bool:
    """Move every row to the current epoch, erase the old bytes, forget the old keys.

    False while a reader keeps the old bytes in the write-ahead log.
    """
    moved = 1
    while moved:
        moved = await writer.run(
            lambda cursor: materials.rewrap_batch(cursor, keyring, REWRAPPED_ROWS)
        )
    if not await writer.checkpoint():
        return False
    for epoch in keyring.epochs[:-1]:
        await asyncio.to_thread(keyring.drop, epoch)
    return True


def _destruction(
    catalogue: CatalogueReader, name: KeyName, retired_epoch: int
) -> Callable[[datetime], ServiceAct | None]:
    def decide(now: datetime) -> ServiceAct | None:
        key = catalogue.key(name)
        if key is None or key.state != DELETED:
            return None
        event = KeyMaterialDestroyed(
            at=now,
            account=key.account,
            region=key.region,
            key_id=key.key_id,
            material_ids=(key.material_id,) if key.material_id else (),
            retired_epoch=retired_epoch,
        )
        return ServiceAct(
            name="DestroyKeyMaterial",
            account=key.account,
            region=key.region,
            outcome=Outcome(events=next_event(key.version, event), reads=(key.stream,)),
            resources=(key_resource(key.account, key.arn),),
            details={
                "keyId": key.arn,
                "keyMaterialIds": event.material_ids,
                "retiredEpoch": retired_epoch,
            },
        )

    return decide
