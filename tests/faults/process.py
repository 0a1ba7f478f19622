"""The real program in processes of its own: `keytrail init`, `keytrail serve`, and clients."""

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import boto3
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from mypy_boto3_cloudtrail import CloudTrailClient
from mypy_boto3_kms import KMSClient

from api.provision import LEDGER_FILE, AccessKey
from ledger import schema
from ledger.reader import Reader, Row
from ledger.verify import Verified, verify

ACCOUNT = "111122223333"
REGION = "eu-central-1"
KMS = "TrentService."
TRAIL = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."

# The console script of the environment that runs the tests.
PROGRAM = Path(sys.executable).with_name("keytrail")
LONGEST_RUN_S = 60
T = TypeVar("T")

_READY = re.compile(r"Keytrail answers at (\S+)\. ")


def environment(**changed: str) -> dict[str, str]:
    """The environment of the tests without anybody's settings for Keytrail or AWS."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KEYTRAIL_", "AWS_"))}
    return {**kept, **changed}


def keytrail(*arguments: object, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        env=environment(**changed),
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN_S,
        check=False,
    )


def init(data: Path, account: str = ACCOUNT) -> AccessKey:
    """Make a data directory as a user does."""
    made = keytrail("init", "--data", data, "--account", account, "--region", REGION, "--json")
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    return msgspec.json.decode(made.stdout, type=AccessKey)


class Server:
    """A server process that answers at `endpoint`, or has been told to stop."""

    def __init__(self, process: subprocess.Popen[str], endpoint: str, key: AccessKey) -> None:
        self.process = process
        self.endpoint = endpoint
        self.key = key

    @property
    def pid(self) -> int:
        return self.process.pid

    def kms(self, **parameters: Any) -> KMSClient:
        """boto3's client, as a user makes it."""
        return client("kms", self.endpoint, self.key, **parameters)  # type: ignore[no-any-return]

    def cloudtrail(self) -> CloudTrailClient:
        """boto3's client for LookupEvents."""
        return client("cloudtrail", self.endpoint, self.key)  # type: ignore[no-any-return]

    @contextmanager
    def wire(self) -> Iterator["Wire"]:
        """One connection for whole answers."""
        with closing(Wire(self.endpoint, self.key)) as wire:
            yield wire

    def get(self, path: str) -> tuple[int, bytes]:
        """A plain GET on a connection of its own."""
        with closing(HTTPConnection(urlsplit(self.endpoint).netloc, timeout=30)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL: no handler, no flush, no goodbye."""
        self.process.kill()
        self.process.wait(LONGEST_RUN_S)

    def ended(self) -> int:
        """The exit code, waited for."""
        return self.process.wait(LONGEST_RUN_S)


@contextmanager
def serving(
    data: Path, key: AccessKey, *arguments: object, errors: Path | None = None, **changed: str
) -> Iterator[Server]:
    """Serve a data directory in a process of its own, which is killed if it outlives the block.

    What it prints goes to `<data>.out` and `<data>.err`, appended.
    """
    command = [str(PROGRAM), "serve", "--data", str(data), "--port", "0", *map(str, arguments)]
    output = errors or Path(f"{data}.err")
    with (
        output.open("a") as stderr,
        subprocess.Popen(
            command,
            env=environment(**changed),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            ready = _READY.match(process.stdout.readline())
            assert ready, output.read_text()
            yield Server(process, ready[1], key)
        finally:
            process.kill()
            with Path(f"{data}.out").open("a") as copy:
                copy.write(process.stdout.read())


def client(service: str, endpoint: str, key: AccessKey, **parameters: Any) -> Any:
    """boto3's client without retries: a test wants to see each answer."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64),
        **parameters,
    )


class Answer(NamedTuple):
    """A whole HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["x-keytrail-event-id"]

    @property
    def position(self) -> int:
        return int(self.headers["x-keytrail-index"]) + 1

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Wire:
    """One connection: requests as bytes, signed by botocore, and answers whole."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self._endpoint = endpoint
        self._signers = {
            service: SigV4Auth(
                Credentials(key.access_key_id, key.secret_access_key), service, REGION
            )
            for service in ("kms", "cloudtrail")
        }
        self.connection = HTTPConnection(urlsplit(endpoint).netloc, timeout=30)

    def close(self) -> None:
        self.connection.close()

    def call(self, operation: str, **members: object) -> Answer:
        """Call an operation of KMS. Bytes become base64, as botocore sends them."""
        return self.send(KMS + operation, json.dumps(members, default=_base64).encode())

    def send(self, target: str, body: bytes, *, signed: bool = True) -> Answer:
        """Send any bytes to any target. Raises OSError, HTTPException."""
        self.begin(target, body, signed=signed)
        return self.finish()

    def begin(self, target: str, body: bytes, *, signed: bool = True) -> None:
        """Send a request and do not wait."""
        headers = self.signed(target, body) if signed else _headers(target)
        self.connection.request("POST", "/", body=body, headers=headers)

    def signed(self, target: str, body: bytes) -> dict[str, str]:
        """The headers of a request, with the signature."""
        request = AWSRequest("POST", f"{self._endpoint}/", headers=_headers(target), data=body)
        self._signers["cloudtrail" if target.startswith(TRAIL) else "kms"].add_auth(request)
        return dict(request.headers.items())

    def finish(self) -> Answer:
        """Wait for the answer to `begin`."""
        response = self.connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def _headers(target: str) -> dict[str, str]:
    return {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}


def _base64(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return base64.b64encode(value).decode()


# --- what a data directory holds -----------------------------------------------------------------


@contextmanager
def opened(data: Path) -> Iterator[Reader]:
    """Read the ledger, also while a server writes it."""
    with closing(schema.connect(data / LEDGER_FILE, read_only=True)) as connection:
        yield Reader(connection)


def rows_of(data: Path) -> list[Row]:
    """Every row of the ledger."""
    with opened(data) as reader:
        return reader.page(0, 1_000_000)


def records_of(data: Path) -> list[dict[str, Any]]:
    """Every record of the ledger, oldest first."""
    return [json.loads(row.state) for row in rows_of(data) if row.is_record]


def verified(data: Path) -> Verified:
    """Walk the whole ledger. Raises Broken."""
    with opened(data) as reader:
        return verify(reader)


def files_of(data: Path) -> dict[str, bytes]:
    """Every file of a data directory, and what its server has printed."""
    printed = [Path(f"{data}.out"), Path(f"{data}.err")]
    found = [path for path in (*data.rglob("*"), *printed) if path.is_file()]
    return {str(path): path.read_bytes() for path in found}


def tables_of(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a SQLite file, in the order of its key."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = sorted(name for (name,) in connection.execute(query))
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)  # noqa: S608 (a name of the schema)
            for name in names
        }


def altered(data: Path, statement: str, values: Mapping[str, object] | None = None) -> int:
    """Change the ledger's table past the triggers that refuse it: how many rows."""
    with closing(sqlite3.connect(data / LEDGER_FILE, isolation_level=None)) as connection:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        triggers = connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        changed = connection.execute(statement, values or {}).rowcount
        for _, definition in triggers:
            connection.execute(definition)
    return changed


@contextmanager
def stuck_ledger(data: Path) -> Iterator[None]:
    """Another process's transaction: whatever is to be written waits until the block ends."""
    with closing(sqlite3.connect(data / LEDGER_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def refuses_connections(server: Server) -> bool:
    """Whether it has begun to stop."""
    try:
        server.get("/healthz")
    except ConnectionError:
        return True
    return False


def eventually(look: Callable[[], T]) -> T:
    """What `look` gives as soon as it is true; what a server does by itself has no other signal."""
    deadline = time.monotonic() + 20
    pause = threading.Event()
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about")
        pause.wait(0.01)
    return found
