"""`keytrail serve`: signals, restarts, TLS."""

import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from ipaddress import ip_address
from pathlib import Path

import pytest
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.provision import AccessKey
from tests.faults.process import (
    KMS,
    Server,
    Wire,
    eventually,
    init,
    records_of,
    refuses_connections,
    serving,
    stuck_ledger,
    verified,
)

STOPS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    verified(path)


@pytest.fixture
def key(data: Path) -> AccessKey:
    return init(data)


def in_flight(server: Server, wires: list[Wire]) -> None:
    """Send a call on each connection; the server has read all of them when this returns."""
    for wire in wires:
        wire.begin(f"{KMS}CreateKey", b"{}")
    # Answered by the same loop, hence after what was there before it was asked.
    for _ in range(2):
        assert server.get("/healthz")[0] == 200


@STOPS
def test_calls_in_flight_are_answered_and_recorded_before_the_server_stops(
    data: Path, key: AccessKey, number: int
) -> None:
    with serving(data, key) as server, ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in range(8)]
        with stuck_ledger(data):
            in_flight(server, wires)
            server.signal(number)
            eventually(lambda: refuses_connections(server))
        answers = [wire.finish() for wire in wires]
        assert server.ended() == 0
    assert [answer.status for answer in answers] == [200] * 8
    records = records_of(data)
    assert {answer.event_id for answer in answers} <= {record["eventID"] for record in records}
    assert records[-1]["eventName"] == "KeytrailStop"
    assert Path(f"{data}.err").read_text() == ""


@STOPS
def test_a_server_without_work_stops_at_once_with_code_0(
    data: Path, key: AccessKey, number: int
) -> None:
    with serving(data, key) as server:
        server.signal(number)
        assert server.ended() == 0
    assert [record["eventName"] for record in records_of(data)][-2:] == [
        "KeytrailStart",
        "KeytrailStop",
    ]


def test_idle_connections_do_not_delay_the_stop(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server, server.wire() as wire:
        assert wire.call("ListKeys").status == 200
        server.signal(signal.SIGTERM)
        assert server.ended() == 0


def test_after_a_restart_everything_is_still_there(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server:
        kms = server.kms()
        key_id = kms.create_key(Description="kept", Tags=[{"TagKey": "a", "TagValue": "b"}])[
            "KeyMetadata"
        ]["KeyId"]
        kms.create_alias(AliasName="alias/kept", TargetKeyId=key_id)
        blob = kms.encrypt(KeyId="alias/kept", Plaintext=b"kept")["CiphertextBlob"]
        before = (kms.describe_key(KeyId=key_id)["KeyMetadata"], kms.list_aliases()["Aliases"])
        server.signal(signal.SIGINT)
        assert server.ended() == 0
    with serving(data, key) as server:
        kms = server.kms()
        after = (kms.describe_key(KeyId=key_id)["KeyMetadata"], kms.list_aliases()["Aliases"])
        assert after == before
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
        assert kms.list_resource_tags(KeyId=key_id)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
        encrypted = {"AttributeKey": "EventName", "AttributeValue": "Encrypt"}
        events = server.cloudtrail().lookup_events(LookupAttributes=[encrypted])["Events"]  # type: ignore[list-item]
        assert len(events) == 1


def test_a_second_start_needs_no_first_stop(data: Path, key: AccessKey) -> None:
    for _ in range(2):
        with serving(data, key) as server:
            server.kms().create_key()
            server.kill()
    with serving(data, key) as server:
        assert len(server.kms().list_keys()["Keys"]) == 2


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its private key, each in a PEM file."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keytrail")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(private, SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_boto3_calls_over_tls_and_checks_the_certificate(data: Path, key: AccessKey) -> None:
    cert, private = certificate(data.parent)
    arguments = ("--tls-cert", cert, "--tls-key", private)
    with serving(data, key, *arguments) as server:
        assert server.endpoint.startswith("https://127.0.0.1:")
        kms = server.kms(verify=str(cert))
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"over TLS")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"over TLS"
        with pytest.raises(SSLError):
            server.kms().list_keys()


def test_with_tls_an_address_beyond_loopback_is_served(data: Path, key: AccessKey) -> None:
    cert, private = certificate(data.parent)
    arguments = ("--host", "0.0.0.0", "--tls-cert", cert, "--tls-key", private)
    with serving(data, key, *arguments) as server:
        server.endpoint = server.endpoint.replace("0.0.0.0", "127.0.0.1")
        assert server.kms(verify=str(cert)).list_keys()["Keys"] == []


def test_a_record_tells_how_tls_was_spoken(data: Path, key: AccessKey) -> None:
    cert, private = certificate(data.parent)
    with serving(data, key, "--tls-cert", cert, "--tls-key", private) as server:
        kms = server.kms(verify=str(cert))
        kms.list_keys()
        kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x" * 4_096)
        endpoint = server.endpoint.removeprefix("https://")
        context = ssl.create_default_context(cafile=cert)
        with closing(HTTPSConnection(endpoint, context=context, timeout=30)) as connection:
            connection.request("GET", "/other?a=b", headers={"Host": "kms.example"})
            assert connection.getresponse().status == 400
    calls = [record for record in records_of(data) if record["eventType"] == "AwsApiCall"]
    assert [record["tlsDetails"].pop("clientProvidedHostHeader") for record in calls] == [
        *[endpoint] * 3,
        "kms.example",
    ]
    for record in calls:
        assert record["tlsDetails"].keys() == {"tlsVersion", "cipherSuite"}
        assert record["tlsDetails"]["tlsVersion"] == "TLSv1.3"
        assert record["tlsDetails"]["cipherSuite"].startswith("TLS_")


def test_without_tls_a_record_tells_nothing_of_it(data: Path, key: AccessKey) -> None:
    with serving(data, key) as server:
        server.kms().list_keys()
        assert server.get("/other")[0] == 400
    records = records_of(data)
    assert [record for record in records if "tlsDetails" in record] == []
