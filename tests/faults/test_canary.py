"""Bytes that must never be written down: looked for in every file and every line of the server."""

import base64
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

import pytest

from api.provision import KEYRING_FILE, LEDGER_FILE, AccessKey
from keystore import materials
from keystore.keyring import Keyring
from keystore.root import read_root_file
from ledger import schema
from tests.faults.process import KMS, REGION, Server, Wire, files_of, keytrail, records_of, serving

SALT_BYTES = 32


def canary(number: int, size: int = 33) -> bytes:
    """Bytes that are in no file by chance, of a length that is whole in base64."""
    return f"canary{number:03}-".encode() + bytes(range(255, 255 - size + 10, -1))


def forms(secret: bytes) -> Iterator[bytes]:
    """As it is, and as somebody may have written it: base64 at each of its three offsets, hex."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for offset in range(3):
        whole = secret[offset : offset + (len(secret) - offset) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)
    yield repr(secret)[2:-1].encode()


def found(data: Path, secrets: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which secret is in which file, of those of the data directory and what was printed."""
    files = files_of(data)
    assert len(files) >= 6
    return [
        (name, path)
        for name, secret in secrets.items()
        for form in forms(secret)
        for path, content in files.items()
        if form in content
    ]


class Canaries:
    """Puts them in through every operation that takes or gives secret bytes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.secrets: dict[str, bytes] = {}
        with server.wire() as wire:
            self.key_id = wire.call("CreateKey").json["KeyMetadata"]["KeyId"]
            self.other_id = wire.call("CreateKey").json["KeyMetadata"]["KeyId"]
            wire.call("CreateAlias", AliasName="alias/canary", TargetKeyId=self.key_id)

    def new(self, name: str, size: int = 33) -> bytes:
        self.secrets[name] = canary(len(self.secrets), size)
        return self.secrets[name]

    def through_success(self, wire: Wire) -> None:
        context = {"purpose": "test"}
        plaintext = self.new("plaintext")
        encrypted = wire.call(
            "Encrypt", KeyId="alias/canary", Plaintext=plaintext, EncryptionContext=context
        )
        blob = encrypted.json["CiphertextBlob"]
        decrypted = wire.call("Decrypt", CiphertextBlob=blob, EncryptionContext=context)
        assert base64.b64decode(decrypted.json["Plaintext"]) == plaintext
        again = {"CiphertextBlob": blob, "SourceEncryptionContext": context}
        assert wire.call("ReEncrypt", DestinationKeyId=self.other_id, **again).status == 200
        data_key = wire.call("GenerateDataKey", KeyId=self.key_id, KeySpec="AES_256").json
        self.secrets["data key"] = base64.b64decode(data_key["Plaintext"])
        random = wire.call("GenerateRandom", NumberOfBytes=32).json
        self.secrets["random bytes"] = base64.b64decode(random["Plaintext"])
        hidden = wire.call("GenerateDataKeyWithoutPlaintext", KeyId=self.key_id, NumberOfBytes=32)
        opened = wire.call("Decrypt", CiphertextBlob=hidden.json["CiphertextBlob"]).json
        self.secrets["hidden data key"] = base64.b64decode(opened["Plaintext"])

    def through_refusals(self, wire: Wire) -> None:
        blob = wire.call("Encrypt", KeyId=self.key_id, Plaintext=self.new("refused context"))
        sealed = blob.json["CiphertextBlob"]
        refused = [
            wire.call("Decrypt", CiphertextBlob=sealed, EncryptionContext={"not": "this"}),
            wire.call("Decrypt", CiphertextBlob=self.new("as a ciphertext")),
            wire.call("Encrypt", KeyId=self.key_id, Plaintext=self.new("too long", 240) * 20),
            wire.call("Encrypt", KeyId="alias/none", Plaintext=self.new("no such key")),
            wire.call("Encrypt", KeyId=self.key_id, Plaintext=self.new("dry run"), DryRun=True),
            wire.call("Encrypt", KeyId=self.key_id, Plaintext=[self.new("in a list")]),
            wire.call("Encrypt", KeyId=self.key_id, Plaintext={"x": self.new("in an object")}),
            wire.call("NoSuchOperation", Plaintext=self.new("unknown operation")),
        ]
        assert {answer.status for answer in refused} == {400}

    def through_malformed_bodies(self, wire: Wire) -> None:
        target = f"{KMS}Encrypt"
        start = b'{"KeyId":"%s","Plaintext":' % self.key_id.encode()
        plain = f"{self.new('as it is').hex()}".encode()
        bodies = [
            start + b'"' + base64.b64encode(self.new("cut off")),
            start + base64.b64encode(self.new("without quotes")) + b"}",
            start + b'"' + plain + b'%"}',
            start + b'"' + self.new("not UTF-8") + b'"}',
            b'{"' + base64.b64encode(self.new("as a name")) + b'":1}',
            self.new("as the body"),
            start + b'"' + base64.b64encode(self.new("too large")) * 40_000 + b'"}',
        ]
        assert {wire.send(target, body).status for body in bodies} <= {400, 413}
        unsigned = start + b'"' + base64.b64encode(self.new("unsigned")) + b'"}'
        assert wire.send(target, unsigned, signed=False).status == 400

    def through_a_broken_connection(self) -> None:
        body = b'{"Plaintext":"' + base64.b64encode(self.new("broken off"))
        with self.server.wire() as wire, suppress(OSError, HTTPException):
            wire.connection.putrequest("POST", "/")
            wire.connection.putheader("Content-Length", str(len(body) + 100))
            wire.connection.endheaders(body)


def materials_of(data: Path) -> dict[str, bytes]:
    """Every raw secret that the key store holds, opened with the root key as the server does."""
    root = read_root_file(data / "root.key")
    keyring = Keyring.open(
        data / KEYRING_FILE, root, clock=lambda: datetime.now(UTC), random=os.urandom
    )
    with closing(schema.connect(data / LEDGER_FILE, read_only=True)) as connection:
        names = connection.execute("SELECT account, owner_id, material_id FROM key_material")
        rows = [materials.load(connection, *name) for name in names.fetchall()]
    secrets: dict[str, bytes] = {}
    for row in rows:
        assert row is not None
        opened = bytes(keyring.unseal(row))
        if row.material_id:
            secrets[f"salt of {row.owner_id}"] = opened[:SALT_BYTES]
            secrets[f"material of {row.owner_id}"] = opened[SALT_BYTES:]
        else:
            secrets[row.owner_id] = opened
    return secrets


def test_no_secret_byte_is_in_any_file_or_line_of_output(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server, server.wire() as wire:
        canaries = Canaries(server)
        canaries.through_success(wire)
        canaries.through_refusals(wire)
        canaries.through_malformed_bodies(wire)
        canaries.through_a_broken_connection()
        secrets = {**canaries.secrets, **materials_of(data)}
        assert secrets[key.access_key_id] == key.secret_access_key.encode()
        assert found(data, secrets) == []
        server.process.terminate()
        assert server.ended() == 0
    assert found(data, secrets) == []
    assert keytrail("rebuild", "--data", data).returncode == 0
    assert found(data, secrets) == []


@pytest.mark.parametrize(
    "secret",
    ["wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
)
def test_a_secret_in_the_place_of_an_access_key_id_is_not_written_down(
    data: Path, key: AccessKey, secret: str
) -> None:
    swapped = AccessKey(
        account=key.account,
        region=REGION,
        access_key_id=secret,
        secret_access_key=key.access_key_id,
    )
    with serving(data, key) as server, closing(Wire(server.endpoint, swapped)) as wire:
        assert wire.call("ListKeys").status == 400
        parts = {part: part.encode() for part in secret.split("/")}
        assert found(data, parts) == []
    assert records_of(data)[-1]["userIdentity"]["type"] == "Unknown"


def test_the_search_itself_finds_each_form(data: Path, key: AccessKey) -> None:
    secret = canary(1)
    for place, form in enumerate(forms(secret)):
        (data / f"{place}").write_bytes(b"before" + form + b"after")
    with serving(data, key):
        assert {Path(path).name for _, path in found(data, {"secret": secret})} >= {
            str(place) for place in range(len(list(forms(secret))))
        }
