"""Fixtures of the tests of the protocol."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_kms import KMSClient

from api.provision import AccessKey, create_account, initialise
from tests.server import ACCOUNT, REGION, RunningServer, running, settings_for
from tests.spec.support import Ledger, Recorded

OTHER_ACCOUNT = "444455556666"
UNCHECKED = Config(parameter_validation=False, retries={"total_max_attempts": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoAccounts:
    """One server, and the administrators of its two accounts."""

    server: RunningServer
    own: AccessKey
    other: AccessKey


@pytest.fixture(scope="session")
def two_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoAccounts]:
    """A server with two accounts."""
    settings = settings_for(tmp_path_factory.mktemp("two-accounts") / "data")
    own = initialise(settings, account=ACCOUNT, region=REGION)
    other = create_account(settings, account=OTHER_ACCOUNT, region=REGION)
    with running(settings, own) as server:
        yield TwoAccounts(server=server, own=own, other=other)


@pytest.fixture(scope="session")
def ledger(server: RunningServer) -> Iterator[Ledger]:
    """The rows of the shared server."""
    ledger = Ledger(server)
    yield ledger
    ledger.close()


@pytest.fixture(scope="session")
def recorded(cloudtrail: CloudTrailClient, ledger: Ledger) -> Recorded:
    """Finds the record of a call."""
    return Recorded(cloudtrail, ledger)


@pytest.fixture(scope="session")
def unchecked(server: RunningServer) -> KMSClient:
    """boto3's client, sending also what it knows to be wrong."""
    return boto3.client(
        "kms",
        region_name=REGION,
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key.access_key_id,
        aws_secret_access_key=server.key.secret_access_key,
        config=UNCHECKED,
    )


@pytest.fixture(scope="session")
def unchecked_cloudtrail(server: RunningServer) -> CloudTrailClient:
    """boto3's client, sending also what it knows to be wrong."""
    return boto3.client(
        "cloudtrail",
        region_name=REGION,
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key.access_key_id,
        aws_secret_access_key=server.key.secret_access_key,
        config=UNCHECKED,
    )


@pytest.fixture
def alias() -> str:
    """An alias name that nobody has taken."""
    return f"alias/{uuid4()}"


@pytest.fixture
def named(kms: KMSClient, alias: str, key_id: str) -> str:
    """An alias of `key_id`."""
    kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    return alias


@pytest.fixture
def arn(kms: KMSClient, key_id: str) -> str:
    """The ARN of `key_id`."""
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]


@pytest.fixture(scope="session")
def new_key(kms: KMSClient) -> Callable[[], str]:
    """Makes another key and gives its id."""
    return lambda: kms.create_key()["KeyMetadata"]["KeyId"]
