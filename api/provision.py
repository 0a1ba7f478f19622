"""Making a data directory, and accounts in it. The server does not run meanwhile."""

import base64
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from api.identifiers import Identifiers
from api.settings import Settings
from domain import record as records
from domain.events import AccessKeyCreated, AccountCreated
from domain.names import is_region, root_arn
from keystore.keyring import Keyring
from keystore.root import create_root_file, read_root_file
from keystore.software import SoftwareKeyStore
from ledger.lock import exclusive
from ledger.store import LedgerStore, Submission, VersionedEvent
from projections.catalogue import Catalogue
from projections.catalogue_reader import CatalogueReader

LEDGER_FILE = "ledger.db"
KEYRING_FILE = "keyring.json"
PROJECTIONS_FILE = "projections.db"

ACCOUNT_DIGITS = 12


class ProvisionError(Exception):
    """The directory or the account cannot be made; the message is for people."""


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """An account administrator's access key. The secret is shown once and never again."""

    account: str
    region: str
    access_key_id: str
    secret_access_key: str


def initialise(settings: Settings, *, account: str, region: str) -> AccessKey:
    """Make the data directory with root key, keyring, ledger and first account.

    Raises ProvisionError when it is there already, or for a malformed account or region.
    """
    _check_names(account, region)
    data = settings.data
    if (data / LEDGER_FILE).exists():
        raise ProvisionError(f"{data} is already initialised")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = (settings.root_key_file, data / KEYRING_FILE, data / LEDGER_FILE)
    if taken := [path for path in made if path.exists()]:
        raise ProvisionError(f"{taken[0]} is there already and may belong to another installation")
    with exclusive(data):
        try:
            create_root_file(settings.root_key_file, os.urandom)
            root = read_root_file(settings.root_key_file)
            keyring = Keyring.create(data / KEYRING_FILE, root, clock=_now, random=os.urandom)
            store = LedgerStore.create(data / LEDGER_FILE, Catalogue())
            try:
                return _add_account(settings, store, keyring, account, region)
            finally:
                store.close()
        except BaseException:
            _remove(made)
            raise


def create_account(settings: Settings, *, account: str, region: str) -> AccessKey:
    """Another account in the same ledger. Raises ProvisionError, LedgerLocked."""
    _check_names(account, region)
    data = settings.data
    if not (data / LEDGER_FILE).exists():
        raise ProvisionError(f"{data} is not initialised; run `keytrail init` first")
    with exclusive(data):
        root = read_root_file(settings.root_key_file)
        keyring = Keyring.open(data / KEYRING_FILE, root, clock=_now, random=os.urandom)
        store = LedgerStore.open(data / LEDGER_FILE, Catalogue())
        try:
            accounts = CatalogueReader(store.read_connection()).accounts()
            if account in {row.account for row in accounts}:
                raise ProvisionError(f"account {account} exists already")
            return _add_account(settings, store, keyring, account, region)
        finally:
            store.close()


def _check_names(account: str, region: str) -> None:
    if len(account) != ACCOUNT_DIGITS or not (account.isascii() and account.isdecimal()):
        raise ProvisionError(f"an account has {ACCOUNT_DIGITS} digits, not {account!r}")
    if not is_region(region):
        raise ProvisionError(
            f"a region is two or three words and a number, as eu-central-1, not {region!r}"
        )


def _add_account(
    settings: Settings, store: LedgerStore, keyring: Keyring, account: str, region: str
) -> AccessKey:
    now = _now()
    key = _new_access_key(account, region)
    key_store = SoftwareKeyStore(
        keyring,
        lambda *_: None,
        capacity=1,
        random=os.urandom,
        nonces=os.urandom,
        monotonic=lambda: 0.0,
    )
    secret = key_store.seal_secret(
        account=account, owner_id=key.access_key_id, secret=key.secret_access_key.encode()
    )
    events = (
        AccountCreated(at=now, account=account, home_region=region),
        AccessKeyCreated(
            at=now,
            account=account,
            access_key_id=key.access_key_id,
            principal_arn=root_arn(account),
        ),
    )
    submission = Submission(
        record=_record(settings, key, now),
        events=tuple(VersionedEvent(version=1, event=event) for event in events),
        sealed=(secret,),
    )
    store.insert(submission.encoded(), (submission,))
    return key


def _new_access_key(account: str, region: str) -> AccessKey:
    return AccessKey(
        account=account,
        region=region,
        access_key_id="AKIA" + base64.b32encode(os.urandom(10)).decode(),
        secret_access_key=base64.b64encode(os.urandom(30)).decode(),
    )


def _record(settings: Settings, key: AccessKey, now: datetime) -> dict[str, object]:
    identifiers = Identifiers(os.urandom)
    event = records.ServiceEvent(
        name="CreateAccount",
        account=key.account,
        region=key.region,
        event_id=identifiers.event_id(now),
        request_id=identifiers.request_id(),
        details={"accountId": key.account, "accessKeyId": key.access_key_id},
    )
    return records.service_event(event, now, {"t": records.instant(now), "node": settings.node})


def _remove(paths: tuple[Path, ...]) -> None:
    """Undo a failed `init`: only files that it made itself."""
    for path in paths:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").unlink()


def _now() -> datetime:
    return datetime.now(UTC)
