"""A server that speaks the AWS KMS protocol, its fixture and its signed requests."""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from benchmarks import signing
from benchmarks.client import Answer, Client
from benchmarks.harness import Server
from benchmarks.signing import Credentials
from benchmarks.targets.target import DISTINCT
from benchmarks.wrk import Load

KEYS = 10
ALIASES_PER_KEY_LIMIT = 50  # AWS KMS quota "Aliases per key"
PLAINTEXT_BYTES = 32
ALIASES_FOR_A_CELL = {1: 20_000, 16: 40_000, 64: 60_000}
"""CreateAlias requests prepared, by connections; a cell that has sent them all is over."""


class AwsTarget:
    """Ten keys with twenty aliases each, and requests that use them."""

    def __init__(
        self, name: str, server: Server, credentials: Credentials, operations: tuple[str, ...]
    ) -> None:
        self.server = server
        self.operations = operations
        self._name = name
        self._credentials = credentials
        self._key_ids: list[str] = []
        self._aliases: list[str] = []
        self._ciphertexts: list[str] = []
        self._created = 0

    def prepare(self) -> None:
        """Make the fixture through the API."""
        with self._client() as client:
            self._key_ids = [_create_key(client) for _ in range(KEYS)]
            for number in range(DISTINCT):
                name = f"alias/benchmark/{number:03}"
                client.call("CreateAlias", AliasName=name, TargetKeyId=self._key_ids[number % KEYS])
                self._aliases.append(name)
            self._ciphertexts = [
                client.call("Encrypt", KeyId=name, Plaintext=_plaintext())["CiphertextBlob"]
                for name in self._aliases
            ]

    def answer(self, operation: str) -> Answer:
        """One answer of an operation, for the floor to be made of."""
        with self._client() as client:
            return client.send(self._signed(operation, self._bodies(operation, 1))[0])

    def sample(self, operation: str) -> list[bytes]:
        """Requests of the right form and size for a server that does not look at them."""
        bodies = [self._members(operation, number) for number in range(DISTINCT)]
        return self._signed(operation, _encoded(bodies))

    def load(self, operation: str, *, connections: int) -> Load:
        """Distinct signed requests; those of CreateAlias are sent once, each for a new name."""
        once = operation == "CreateAlias"
        count = ALIASES_FOR_A_CELL[connections] if once else DISTINCT
        requests = self._signed(operation, self._bodies(operation, count))
        return Load(target=self._name, operation=operation, requests=requests, once=once)

    def _bodies(self, operation: str, count: int) -> list[bytes]:
        if operation == "CreateAlias":
            return _encoded(self._new_aliases(count))
        return _encoded(self._members(operation, number) for number in range(count))

    def _signed(self, operation: str, bodies: list[bytes]) -> list[bytes]:
        return signing.sign_all(
            self._credentials,
            host=self.server.host,
            operation=operation,
            bodies=bodies,
            now=datetime.now(UTC),
        )

    def _members(self, operation: str, number: int) -> dict[str, object]:
        match operation:
            case "Encrypt":
                return {"KeyId": self._aliases[number], "Plaintext": _plaintext()}
            case "Decrypt":
                return {"CiphertextBlob": self._ciphertexts[number]}
            case "GenerateDataKey":
                return {"KeyId": self._aliases[number], "KeySpec": "AES_256"}
            case "DescribeKey":
                return {"KeyId": self._aliases[number]}
            case "CreateAlias":
                return {"AliasName": self._aliases[number], "TargetKeyId": self._key_ids[0]}
            case _:
                return {}

    def _new_aliases(self, count: int) -> Iterator[dict[str, object]]:
        # Neighbours in the list name different keys: what is measured is not one key's lock.
        with self._client() as client:
            key_ids = [_create_key(client) for _ in range(-(-count // ALIASES_PER_KEY_LIMIT))]
        for number in range(count):
            self._created += 1
            target = key_ids[number % len(key_ids)]
            yield {"AliasName": f"alias/created/{self._created:07}", "TargetKeyId": target}

    def _client(self) -> Client:
        return Client(self.server.port, self._credentials)


def _create_key(client: Client) -> str:
    key_id: str = client.call("CreateKey")["KeyMetadata"]["KeyId"]
    return key_id


def _plaintext() -> str:
    return base64.b64encode(os.urandom(PLAINTEXT_BYTES)).decode()


def _encoded(bodies: Iterable[dict[str, object]]) -> list[bytes]:
    return [json.dumps(members).encode() for members in bodies]
