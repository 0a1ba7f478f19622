"""A real server for tests: the product's own composition behind uvicorn, in a thread."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import uvicorn
import uvloop
from botocore.config import Config
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_kms import KMSClient

from api.composition import Keytrail
from api.main import configuration
from api.provision import AccessKey, initialise
from api.settings import Settings

ACCOUNT = "111122223333"
REGION = "eu-central-1"

Session = Mapping[str, Any]
"""Temporary credentials, as GetSessionToken gives them."""


class MovedClock:
    """Real time, moved by what a test asks for."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self._offset += by


class RunningServer:
    """A server that runs, and clients for it."""

    def __init__(self, keytrail: Keytrail, settings: Settings, key: AccessKey) -> None:
        self.keytrail = keytrail
        self.settings = settings
        self.key = key
        self.clock = MovedClock()
        self.endpoint = ""
        self.loop: asyncio.AbstractEventLoop

    def kms(self, region: str = REGION, key: AccessKey | None = None) -> KMSClient:
        """boto3's client, as a user makes it."""
        return self._client("kms", region, key or self.key)  # type: ignore[no-any-return]

    def cloudtrail(self, region: str = REGION, key: AccessKey | None = None) -> CloudTrailClient:
        """boto3's client for LookupEvents."""
        return self._client("cloudtrail", region, key or self.key)  # type: ignore[no-any-return]

    def sts(self, region: str = REGION, session: Session | None = None) -> Any:
        """boto3's client for temporary credentials, with the administrator's key or with them."""
        return self._client("sts", region, self.key, session)

    def kms_of(self, session: Session, region: str = REGION) -> KMSClient:
        """boto3's client with temporary credentials."""
        return self._client("kms", region, self.key, session)  # type: ignore[no-any-return]

    def _client(  # type: ignore[no-untyped-def] # noqa: ANN202 (boto3's clients have no common type)
        self, service: str, region: str, key: AccessKey, session: Session | None = None
    ):
        held = session or {
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret_access_key,
        }
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=held["AccessKeyId"],
            aws_secret_access_key=held["SecretAccessKey"],
            aws_session_token=held.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64),
        )


def settings_for(data: Path, **changed: object) -> Settings:
    """Settings of a test's server."""
    values: dict[str, object] = {
        "data": data,
        "root_key_file": data / "root.key",
        "node": "test-node",
        "scheduler_interval_s": 0.05,
        **changed,
    }
    return Settings(**values)  # type: ignore[arg-type]


@contextmanager
def running(settings: Settings, key: AccessKey) -> Iterator[RunningServer]:
    """Serve a data directory until the block ends."""
    clock = MovedClock()
    server = RunningServer(Keytrail(settings, clock), settings, key)
    server.clock = clock
    listening = socket.create_server((settings.host, 0))
    server.endpoint = f"http://{settings.host}:{listening.getsockname()[1]}"
    uvicorn_server: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        server.loop = asyncio.get_running_loop()
        app = await server.keytrail.start()
        uvicorn_server.append(uvicorn.Server(configuration(app, settings)))
        ready.set()
        try:
            await uvicorn_server[0].serve(sockets=[listening])
        finally:
            await server.keytrail.stop()

    thread = threading.Thread(target=lambda: uvloop.run(serve()), name="server")
    thread.start()
    try:
        if not ready.wait(10):
            raise TimeoutError("the server did not start")
        yield server
    finally:
        if uvicorn_server:
            uvicorn_server[0].should_exit = True
        thread.join()


@contextmanager
def new_server(data: Path, **changed: object) -> Iterator[RunningServer]:
    """A server on a new data directory."""
    settings = settings_for(data, **changed)
    key = initialise(settings, account=ACCOUNT, region=REGION)
    with running(settings, key) as server:
        yield server
