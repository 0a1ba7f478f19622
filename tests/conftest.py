"""Fixtures that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_kms import KMSClient

from tests.server import RunningServer, new_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that leave no trace in each other's way."""
    with new_server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that a test has for itself: to move its clock, to break it, to count its rows."""
    with new_server(tmp_path / "data") as running:
        yield running


@pytest.fixture(scope="session")
def kms(server: RunningServer) -> KMSClient:
    """boto3's KMS client of the shared server."""
    return server.kms()


@pytest.fixture(scope="session")
def cloudtrail(server: RunningServer) -> CloudTrailClient:
    """boto3's CloudTrail client of the shared server."""
    return server.cloudtrail()


@pytest.fixture
def key_id(kms: KMSClient) -> str:
    """A new symmetric key."""
    return kms.create_key()["KeyMetadata"]["KeyId"]
