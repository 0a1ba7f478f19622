"""The table of actions: one row for each operation that is served.

A row says how the operation is named on the wire, what it finds, what it needs, what performs it
and what of it is recorded. Adding an operation is one row and one function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api import finders, recording
from api.commands import aliases as alias_commands
from api.commands import cryptography, sessions
from api.commands import keys as key_commands
from api.finders import Finder
from api.outcome import Caller, Found, Outcome, Services
from api.queries import aliases as alias_queries
from api.queries import identities
from api.queries import keys as key_queries
from api.queries import trail as trail_queries
from api.recording import Parameters
from api.wire import shapes, sts_shapes

Handler = Callable[[Services, Caller, Any, Found], Outcome]

KMS_PREFIX = "TrentService"
CLOUDTRAIL_PREFIX = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
STS_VERSION = "2011-06-15"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One operation.

    `permissions` stand in the order of the resources that `find` gives; `resources` are the
    places of those that the record names, in its order. `prefix` is what tells the service: that
    of the target in the JSON protocol, the version in the Query protocol. `is_slow` work leaves
    the event loop.
    """

    name: str
    shape: type[Any]
    find: Finder
    permissions: tuple[str, ...]
    perform: Handler
    parameters: Parameters
    read_only: bool
    resources: tuple[int, ...] = (0,)
    prefix: str = KMS_PREFIX
    is_slow: bool = False

    @property
    def target(self) -> str:
        """The value of `X-Amz-Target`, in the JSON protocol."""
        return f"{self.prefix}.{self.name}"

    @property
    def service(self) -> str:
        """The service of the signature's scope."""
        return SERVICES[self.prefix]

    @property
    def source(self) -> str:
        """The `eventSource` of the record."""
        return f"{self.service}.amazonaws.com"


JSON_SERVICES = {KMS_PREFIX: "kms", CLOUDTRAIL_PREFIX: "cloudtrail"}
QUERY_SERVICES = {STS_VERSION: "sts"}
SERVICES = {**JSON_SERVICES, **QUERY_SERVICES}
"""Target prefix, or version, to the name of the service in a signature's scope."""


def _reads(name: str, find: Finder, perform: Handler, parameters: Parameters) -> Action:
    """An operation on one key that changes nothing."""
    return Action(
        name=name,
        shape=getattr(shapes, name),
        find=find,
        permissions=(f"kms:{name}",),
        perform=perform,
        parameters=parameters,
        read_only=True,
    )


def _changes(name: str, perform: Handler, parameters: Parameters) -> Action:
    """An operation that changes one key, named by its id or ARN."""
    return Action(
        name=name,
        shape=getattr(shapes, name),
        find=finders.key_only,
        permissions=(f"kms:{name}",),
        perform=perform,
        parameters=parameters,
        read_only=False,
    )


ACTIONS: tuple[Action, ...] = (
    # --- keys ------------------------------------------------------------------------------------
    Action(
        name="CreateKey",
        shape=shapes.CreateKey,
        find=finders.everything,
        permissions=("kms:CreateKey",),
        perform=key_commands.create_key,
        parameters=recording.create_key,
        read_only=False,
        resources=(),
    ),
    _reads(
        "DescribeKey",
        finders.key_or_alias,
        key_queries.describe_key,
        recording.members("key_id"),
    ),
    Action(
        name="ListKeys",
        shape=shapes.ListKeys,
        find=finders.everything,
        permissions=("kms:ListKeys",),
        perform=key_queries.list_keys,
        parameters=recording.members("limit", "marker", "resource_owners"),
        read_only=True,
        resources=(),
    ),
    _changes(
        "UpdateKeyDescription",
        key_commands.update_key_description,
        recording.members("key_id", "description"),
    ),
    _changes("EnableKey", key_commands.enable_key, recording.members("key_id")),
    _changes("DisableKey", key_commands.disable_key, recording.members("key_id")),
    _changes(
        "ScheduleKeyDeletion",
        key_commands.schedule_key_deletion,
        recording.members("key_id", "pending_window_in_days"),
    ),
    _changes("CancelKeyDeletion", key_commands.cancel_key_deletion, recording.members("key_id")),
    # --- tags ------------------------------------------------------------------------------------
    _changes("TagResource", key_commands.tag_resource, recording.tag_resource),
    _changes("UntagResource", key_commands.untag_resource, recording.members("key_id", "tag_keys")),
    _reads(
        "ListResourceTags",
        finders.key_only,
        key_queries.list_resource_tags,
        recording.members("key_id", "limit", "marker"),
    ),
    # --- aliases ---------------------------------------------------------------------------------
    Action(
        name="CreateAlias",
        shape=shapes.CreateAlias,
        find=finders.new_alias,
        permissions=("kms:CreateAlias", "kms:CreateAlias"),
        perform=alias_commands.create_alias,
        parameters=recording.members("alias_name", "target_key_id"),
        read_only=False,
        resources=(1, 0),
    ),
    Action(
        name="UpdateAlias",
        shape=shapes.UpdateAlias,
        find=finders.moved_alias,
        permissions=("kms:UpdateAlias", "kms:UpdateAlias", "kms:UpdateAlias"),
        perform=alias_commands.update_alias,
        parameters=recording.members("alias_name", "target_key_id"),
        read_only=False,
        resources=(0, 2),
    ),
    Action(
        name="DeleteAlias",
        shape=shapes.DeleteAlias,
        find=finders.existing_alias,
        permissions=("kms:DeleteAlias", "kms:DeleteAlias"),
        perform=alias_commands.delete_alias,
        parameters=recording.members("alias_name"),
        read_only=False,
        resources=(0, 1),
    ),
    Action(
        name="ListAliases",
        shape=shapes.ListAliases,
        find=finders.optional_key_only,
        permissions=("kms:ListAliases",),
        perform=alias_queries.list_aliases,
        parameters=recording.members("key_id", "limit", "marker"),
        read_only=True,
        resources=(),
    ),
    # --- cryptography ----------------------------------------------------------------------------
    _reads(
        "Encrypt",
        finders.key_or_alias,
        cryptography.encrypt,
        recording.with_algorithms(("key_id", "encryption_context"), "encryption_algorithm"),
    ),
    _reads(
        "Decrypt",
        finders.ciphertext_key,
        cryptography.decrypt,
        recording.with_algorithms(("key_id", "encryption_context"), "encryption_algorithm"),
    ),
    Action(
        name="ReEncrypt",
        shape=shapes.ReEncrypt,
        find=finders.source_and_destination,
        permissions=("kms:ReEncryptFrom", "kms:ReEncryptTo"),
        perform=cryptography.re_encrypt,
        parameters=recording.with_algorithms(
            (
                "source_encryption_context",
                "destination_encryption_context",
                "destination_key_id",
                "source_key_id",
            ),
            "source_encryption_algorithm",
            "destination_encryption_algorithm",
        ),
        read_only=True,
        resources=(0, 1),
    ),
    _reads(
        "GenerateDataKey",
        finders.data_key,
        cryptography.generate_data_key,
        recording.members("key_id", "key_spec", "number_of_bytes", "encryption_context"),
    ),
    _reads(
        "GenerateDataKeyWithoutPlaintext",
        finders.data_key,
        cryptography.generate_data_key_without_plaintext,
        recording.members("key_id", "key_spec", "number_of_bytes", "encryption_context"),
    ),
    Action(
        name="GenerateRandom",
        shape=shapes.GenerateRandom,
        find=finders.everything,
        permissions=("kms:GenerateRandom",),
        perform=cryptography.generate_random,
        parameters=recording.members("number_of_bytes", "custom_key_store_id"),
        read_only=True,
        resources=(),
    ),
    # --- the trail -------------------------------------------------------------------------------
    Action(
        name="LookupEvents",
        shape=shapes.LookupEvents,
        find=finders.everything,
        permissions=("cloudtrail:LookupEvents",),
        perform=trail_queries.lookup_events,
        parameters=recording.lookup_events,
        read_only=True,
        resources=(),
        prefix=CLOUDTRAIL_PREFIX,
        is_slow=True,
    ),
    # --- the caller ------------------------------------------------------------------------------
    Action(
        name="GetCallerIdentity",
        shape=sts_shapes.GetCallerIdentity,
        find=finders.everything,
        permissions=(),
        perform=identities.get_caller_identity,
        parameters=recording.members(),
        read_only=True,
        resources=(),
        prefix=STS_VERSION,
    ),
    Action(
        name="GetSessionToken",
        shape=sts_shapes.GetSessionToken,
        find=finders.everything,
        permissions=("sts:GetSessionToken",),
        perform=sessions.get_session_token,
        parameters=recording.members("duration_seconds"),
        read_only=True,
        resources=(),
        prefix=STS_VERSION,
    ),
)

BY_TARGET = {action.target: action for action in ACTIONS if action.prefix in JSON_SERVICES}
BY_VERSION = {
    (action.prefix, action.name): action for action in ACTIONS if action.prefix in QUERY_SERVICES
}
