"""What passes between the gate and a handler: who calls, what was found, what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.alias import Alias
from domain.events import Event
from domain.names import AliasName
from domain.policy.evaluate import FOREIGN_KEY, ROOT_DECISION, Decision
from keystore.port import KeyStore, SealedMaterial
from keystore.session_tokens import SessionTokens
from ledger.store import VersionedEvent
from projections.authorization import KeyStanding, Standings
from projections.catalogue_reader import CatalogueReader
from projections.trail import TrailLookup

Json = Mapping[str, object]

__all__ = [
    "Caller",
    "Everything",
    "Foreign",
    "Found",
    "FoundAlias",
    "KeyStanding",
    "Outcome",
    "Resource",
    "Services",
    "next_event",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What handlers work with. `new_id` gives a random UUID in text."""

    key_store: KeyStore
    catalogue: CatalogueReader
    standings: Standings
    trail: TrailLookup
    session_tokens: SessionTokens
    new_id: Callable[[], str]


@dataclass(slots=True, kw_only=True)
class Caller:
    """An authenticated principal in the region that it signed for, at one reading of the clock.

    `session_began` is there when the access key is a temporary one.
    """

    account: str
    region: str
    arn: str
    access_key_id: str
    now: datetime
    session_began: datetime | None = None


class FoundAlias:
    """An alias name as a resource of its own: `alias` is None when it was never used."""

    __slots__ = ("account", "alias", "arn", "name")

    def __init__(self, name: AliasName, alias: Alias | None) -> None:
        self.name = name
        self.alias = alias
        self.account = name.account
        self.arn = name.arn

    def decide(self, permission: str) -> Decision:
        """An alias has no resource policy: its account's root user may do everything."""
        del permission
        return ROOT_DECISION


class Everything:
    """The resource `*` of an operation that names none."""

    __slots__ = ("account", "arn")

    def __init__(self, account: str) -> None:
        self.account = account
        self.arn = "*"

    def decide(self, permission: str) -> Decision:
        """The account's root user may do everything."""
        del permission
        return ROOT_DECISION


class Foreign:
    """A key or alias of another account, whether it exists or not."""

    __slots__ = ("account", "arn")

    def __init__(self, account: str, arn: str) -> None:
        self.account = account
        self.arn = arn

    def decide(self, permission: str) -> Decision:
        """Refused, in words that do not tell whether it exists."""
        del permission
        return FOREIGN_KEY


Resource = KeyStanding | FoundAlias | Everything | Foreign


class Found:
    """The resources that a call names, in the order of its action's permissions.

    `alias` is the alias name through which a key was named, if it was.
    """

    __slots__ = ("alias", "resources")

    def __init__(self, resources: tuple[Resource, ...], alias: str | None = None) -> None:
        self.resources = resources
        self.alias = alias

    def key(self, place: int = 0) -> KeyStanding:
        """The key at that place. The gate has refused everything that is not one."""
        standing = self.resources[place]
        if not isinstance(standing, KeyStanding):
            raise TypeError("a refused resource reached a handler")
        return standing


class Outcome:
    """What a handler makes of a call.

    `body` None is an empty answer. `reads` are the streams that the decision depends on beside
    those of its events. The last four go into the record; `resources` only where the call made
    what it names.
    """

    __slots__ = (
        "additional",
        "body",
        "destroyed",
        "events",
        "keytrail",
        "reads",
        "resources",
        "response_elements",
        "sealed",
    )

    def __init__(  # noqa: PLR0913 (one place for what an outcome may have)
        self,
        body: Json | None = None,
        *,
        events: tuple[VersionedEvent, ...] = (),
        sealed: tuple[SealedMaterial, ...] = (),
        destroyed: tuple[tuple[str, str], ...] = (),
        reads: tuple[str, ...] = (),
        response_elements: Json | None = None,
        additional: Json | None = None,
        keytrail: Json | None = None,
        resources: Sequence[Json] | None = None,
    ) -> None:
        self.body = body
        self.events = events
        self.sealed = sealed
        self.destroyed = destroyed
        self.reads = reads
        self.response_elements = response_elements
        self.additional = additional
        self.keytrail = keytrail
        self.resources = resources


def next_event(version: int, event: Event | None) -> tuple[VersionedEvent, ...]:
    """The event after `version` of its stream; nothing when there is none."""
    if event is None:
        return ()
    return (VersionedEvent(version=version + 1, event=event),)
