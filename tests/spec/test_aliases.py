"""CreateAlias, UpdateAlias, DeleteAlias.

Source: KMS API Reference, those operations; KMS Developer Guide, "Aliases in AWS KMS".
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_kms import KMSClient
from mypy_boto3_kms.type_defs import AliasListEntryTypeDef

from tests.server import RunningServer
from tests.spec.support import (
    MISSING_KEY,
    Ledger,
    Refusal,
    alias_arn,
    invalid,
    key_arn,
    members,
    refusal,
)

GUIDE = "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
NO_PREFIX = f'Alias must start with the prefix "alias/". Please see {GUIDE}'
PATTERN = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
QUOTA = 50
RACERS = 16

OPERATIONS: dict[str, Callable[[KMSClient, str, str], Any]] = {
    "CreateAlias": lambda kms, name, key_id: kms.create_alias(AliasName=name, TargetKeyId=key_id),
    "UpdateAlias": lambda kms, name, key_id: kms.update_alias(AliasName=name, TargetKeyId=key_id),
    "DeleteAlias": lambda kms, name, _: kms.delete_alias(AliasName=name),
}


def entry(kms: KMSClient, name: str) -> AliasListEntryTypeDef:
    """The alias as ListAliases shows it."""
    key_id = kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"]
    (found,) = [
        alias for alias in kms.list_aliases(KeyId=key_id)["Aliases"] if alias["AliasName"] == name
    ]
    return found


def refused(operation: str, kms: KMSClient, name: str, key_id: str = MISSING_KEY) -> Refusal:
    return refusal(lambda: OPERATIONS[operation](kms, name, key_id))


def race(server: RunningServer, names: Sequence[str], key_id: str) -> Counter[str]:
    """As many clients as names create one alias each, at once; how often each outcome came."""
    clients = [server.kms() for _ in names]
    start = Barrier(len(names))

    def run(kms: KMSClient, name: str) -> str:
        start.wait()
        try:
            kms.create_alias(AliasName=name, TargetKeyId=key_id)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "done"

    with ThreadPoolExecutor(len(names)) as threads:
        return Counter(threads.map(run, clients, names))


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["alias/{0}", "alias/a/b/{0}", "alias/A_b-{0}", "alias//{0}", "alias/AWS/{0}", "alias/aws{0}",
     "alias/alias/{0}", "alias/arn/{0}/"],
)  # fmt: skip
def test_a_name_is_letters_digits_dashes_underscores_and_slashes(
    kms: KMSClient, key_id: str, name: str
) -> None:
    name = name.format(key_id)
    assert members(kms.create_alias(AliasName=name, TargetKeyId=key_id)) == {}
    assert entry(kms, name)["AliasArn"] == alias_arn(name)


def test_a_name_has_at_most_256_characters(kms: KMSClient, key_id: str) -> None:
    longest = f"alias/{key_id}".ljust(256, "x")
    kms.create_alias(AliasName=longest, TargetKeyId=key_id)
    found = refused("CreateAlias", kms, longest + "x", key_id)
    assert found == invalid(
        f"Value '{longest}x' at 'aliasName' failed to satisfy constraint: "
        "Member must have length less than or equal to 256"
    )


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["alias/x!", "alias/x y", "alias/ä", "x.y", "alias/x\n"])
def test_other_characters_break_the_constraint(kms: KMSClient, operation: str, name: str) -> None:
    expected = invalid(f"Value '{name}' at 'aliasName' failed to satisfy constraint: {PATTERN}")
    assert refused(operation, kms, name) == expected


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["x", "Alias/x", "/alias/x", "alias", "alias:x", "aws/x"])
def test_a_name_begins_with_its_prefix(kms: KMSClient, operation: str, name: str) -> None:
    assert refused(operation, kms, name) == ("ValidationException", NO_PREFIX)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["alias/aws/s3", "alias/aws/", "alias/aws/x:y"])
def test_names_under_the_prefix_of_aws_are_reserved(
    kms: KMSClient, operation: str, name: str
) -> None:
    assert refused(operation, kms, name) == ("NotAuthorizedException", "")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_colon_is_an_invalid_character(kms: KMSClient, operation: str) -> None:
    text = "alias/my:alias contains invalid characters for an alias"
    assert refused(operation, kms, "alias/my:alias") == ("ValidationException", text)


def test_the_bare_prefix_is_no_name(kms: KMSClient, key_id: str) -> None:
    assert refused("CreateAlias", kms, "alias/", key_id).code == "InvalidAliasNameException"
    unknown = ("NotFoundException", f"Alias {alias_arn('alias/')} is not found.")
    assert refused("UpdateAlias", kms, "alias/", key_id) == unknown
    assert refused("DeleteAlias", kms, "alias/") == unknown


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias"])
def test_the_name_is_judged_before_the_target(kms: KMSClient, operation: str) -> None:
    assert refused(operation, kms, "x", "alias/y").message == NO_PREFIX


# --- CreateAlias ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["id", "arn"])
def test_the_target_is_stored_as_a_key_id(
    kms: KMSClient, key_id: str, alias: str, form: str
) -> None:
    target = key_id if form == "id" else key_arn(key_id)
    kms.create_alias(AliasName=alias, TargetKeyId=target)
    created = entry(kms, alias)
    assert set(created) == {
        "AliasName",
        "AliasArn",
        "TargetKeyId",
        "CreationDate",
        "LastUpdatedDate",
    }
    assert created["TargetKeyId"] == key_id
    assert created["LastUpdatedDate"] == created["CreationDate"]


def test_an_alias_cannot_be_taken_twice(
    kms: KMSClient, key_id: str, named: str, new_key: Callable[[], str]
) -> None:
    text = f"An alias with the name {alias_arn(named)} already exists"
    for target in (key_id, key_arn(key_id), new_key()):
        assert refused("CreateAlias", kms, named, target) == ("AlreadyExistsException", text)
    assert entry(kms, named)["TargetKeyId"] == key_id


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias"])
def test_an_alias_cannot_point_to_an_alias(
    kms: KMSClient, named: str, alias: str, operation: str
) -> None:
    name = named if operation == "UpdateAlias" else alias + "-2"
    text = "Aliases must refer to keys. Not aliases"
    for target in (named, alias_arn(named), "alias/unknown"):
        assert refused(operation, kms, name, target) == ("ValidationException", text)


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias"])
@pytest.mark.parametrize(
    ("target", "text"),
    [
        (MISSING_KEY, f"Key '{key_arn(MISSING_KEY)}' does not exist"),
        (key_arn(MISSING_KEY), f"Key '{key_arn(MISSING_KEY)}' does not exist"),
        ("xyz", "Invalid keyId 'xyz'"),
    ],
)
def test_an_alias_points_to_a_key_that_exists(
    kms: KMSClient, named: str, operation: str, target: str, text: str
) -> None:
    name = named if operation == "UpdateAlias" else named + "-2"
    assert refused(operation, kms, name, target) == ("NotFoundException", text)


def test_a_key_has_at_most_50_aliases(
    kms: KMSClient, key_id: str, alias: str, new_key: Callable[[], str]
) -> None:
    for number in range(QUOTA):
        kms.create_alias(AliasName=f"{alias}-{number}", TargetKeyId=key_id)
    assert refused("CreateAlias", kms, alias, key_id).code == "LimitExceededException"
    kms.create_alias(AliasName=alias, TargetKeyId=new_key())
    assert refused("UpdateAlias", kms, alias, key_id).code == "LimitExceededException"
    kms.update_alias(AliasName=f"{alias}-0", TargetKeyId=key_id)
    kms.delete_alias(AliasName=f"{alias}-0")
    kms.update_alias(AliasName=alias, TargetKeyId=key_id)
    assert len(kms.list_aliases(KeyId=key_id, Limit=100)["Aliases"]) == QUOTA


def test_sixteen_clients_race_for_one_name_and_one_wins(
    server: RunningServer, ledger: Ledger, key_id: str, alias: str
) -> None:
    before = ledger.head
    answers = race(server, [alias] * RACERS, key_id)
    assert answers == {"done": 1, "AlreadyExistsException": RACERS - 1}
    records = ledger.records_after(before)
    assert [record["eventName"] for record in records] == ["CreateAlias"] * RACERS
    assert sum("errorCode" not in record for record in records) == 1


def test_sixteen_clients_race_for_the_last_alias_of_a_key_and_one_wins(
    server: RunningServer, kms: KMSClient, key_id: str, alias: str
) -> None:
    for number in range(QUOTA - 1):
        kms.create_alias(AliasName=f"{alias}-{number}", TargetKeyId=key_id)
    answers = race(server, [f"{alias}/{number}" for number in range(RACERS)], key_id)
    assert answers == {"done": 1, "LimitExceededException": RACERS - 1}


# --- UpdateAlias and DeleteAlias -----------------------------------------------------------------


def test_updating_moves_the_alias_and_keeps_its_creation_date(
    kms: KMSClient, named: str, new_key: Callable[[], str]
) -> None:
    before, target = entry(kms, named), new_key()
    assert members(kms.update_alias(AliasName=named, TargetKeyId=target)) == {}
    after = entry(kms, named)
    assert after["TargetKeyId"] == target
    assert kms.encrypt(KeyId=named, Plaintext=b"x")["KeyId"] == key_arn(target)
    assert after["CreationDate"] == before["CreationDate"]
    assert after["LastUpdatedDate"] > before["LastUpdatedDate"]
    assert kms.list_aliases(KeyId=before["TargetKeyId"])["Aliases"] == []


def test_updating_takes_an_arn_and_stores_the_id(
    kms: KMSClient, named: str, new_key: Callable[[], str]
) -> None:
    target = new_key()
    kms.update_alias(AliasName=named, TargetKeyId=key_arn(target))
    assert entry(kms, named)["TargetKeyId"] == target


def test_updating_to_the_same_target_sets_the_date(kms: KMSClient, key_id: str, named: str) -> None:
    before = entry(kms, named)
    kms.update_alias(AliasName=named, TargetKeyId=key_id)
    after = entry(kms, named)
    assert (after["TargetKeyId"], after["CreationDate"]) == (key_id, before["CreationDate"])
    assert after["LastUpdatedDate"] > before["LastUpdatedDate"]


def test_an_alias_leaves_a_key_that_is_pending_deletion(
    kms: KMSClient, key_id: str, named: str, new_key: Callable[[], str]
) -> None:
    kms.schedule_key_deletion(KeyId=key_id)
    target = new_key()
    kms.update_alias(AliasName=named, TargetKeyId=target)
    assert entry(kms, named)["TargetKeyId"] == target


@pytest.mark.parametrize("operation", ["UpdateAlias", "DeleteAlias"])
def test_an_unknown_alias_is_not_found(
    kms: KMSClient, key_id: str, alias: str, operation: str
) -> None:
    expected = ("NotFoundException", f"Alias {alias_arn(alias)} is not found.")
    assert refused(operation, kms, alias, key_id) == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_alias_operation_takes_the_name_and_not_the_arn(
    kms: KMSClient, key_id: str, named: str, operation: str
) -> None:
    found = refused(operation, kms, alias_arn(named), key_id)
    assert found == ("ValidationException", NO_PREFIX)


def test_a_deleted_alias_names_nothing(kms: KMSClient, key_id: str, named: str) -> None:
    assert members(kms.delete_alias(AliasName=named)) == {}
    unknown = ("NotFoundException", f"Alias {alias_arn(named)} is not found.")
    assert refusal(kms.encrypt, KeyId=named, Plaintext=b"x") == unknown
    assert refused("DeleteAlias", kms, named) == unknown
    assert kms.list_aliases(KeyId=key_id)["Aliases"] == []


def test_an_alias_made_again_is_a_new_one(kms: KMSClient, key_id: str, named: str) -> None:
    before = entry(kms, named)
    kms.update_alias(AliasName=named, TargetKeyId=key_id)
    kms.delete_alias(AliasName=named)
    kms.create_alias(AliasName=named, TargetKeyId=key_id)
    after = entry(kms, named)
    assert after["CreationDate"] > before["CreationDate"]
    assert after["LastUpdatedDate"] == after["CreationDate"]


def test_deleting_an_alias_leaves_its_key_alone(kms: KMSClient, key_id: str, named: str) -> None:
    before = members(kms.describe_key(KeyId=key_id))
    kms.delete_alias(AliasName=named)
    assert members(kms.describe_key(KeyId=key_id)) == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_refused_alias_operation_changes_nothing_and_is_recorded(
    kms: KMSClient, ledger: Ledger, named: str, operation: str
) -> None:
    before = ledger.head
    refused(operation, kms, named.removeprefix("alias/"))
    record = ledger.one_record_after(before)
    assert (record["eventName"], record["errorCode"]) == (operation, "ValidationException")
