"""GetSessionToken, GetCallerIdentity, and what temporary credentials may do.

Source: STS API Reference, those operations; IAM User Guide, "Temporary security credentials".
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_kms import KMSClient

from api.provision import initialise
from domain.record import long_date
from tests.server import ACCOUNT, REGION, RunningServer, Session, running, settings_for
from tests.spec.support import Json, Ledger, Told, members

AWS = str(Path(sys.executable).with_name("aws"))
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
INVALID = "The security token included in the request is invalid."
EXPIRED = "The security token included in the request is expired"
HOUR = timedelta(hours=1)


class Refused(NamedTuple):
    status: int
    code: str
    message: str


def refused(call: Callable[..., object], /, **given: Any) -> Refused:
    """Status, code and text of a call that fails."""
    with pytest.raises(ClientError) as raised:
        call(**given)
    answer = raised.value.response
    error, status = answer["Error"], answer["ResponseMetadata"]["HTTPStatusCode"]
    return Refused(status, error["Code"], error["Message"])


@pytest.fixture(scope="module")
def sts(server: RunningServer) -> Any:
    return server.sts()


@pytest.fixture(scope="module")
def unchecked_sts(server: RunningServer) -> Any:
    """boto3's client, sending also what it knows to be wrong."""
    return boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key.access_key_id,
        aws_secret_access_key=server.key.secret_access_key,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def session(sts: Any) -> Session:
    """Temporary credentials of the shared server's administrator."""
    found: Session = sts.get_session_token()["Credentials"]
    return found


@pytest.fixture
def travel(own_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Moves the clocks of the test's own server and of botocore together."""

    def signing_time() -> datetime:
        return own_server.clock().replace(tzinfo=None)

    monkeypatch.setattr("botocore.auth.get_current_datetime", signing_time)
    return own_server.clock.move


def last_record(server: RunningServer) -> Json:
    ledger = Ledger(server)
    try:
        return ledger.records_after(ledger.head - 1)[0]
    finally:
        ledger.close()


# --- who calls -----------------------------------------------------------------------------------


def test_the_caller_is_told_who_it_is(sts: Any, ledger: Ledger) -> None:
    answer = sts.get_caller_identity()
    assert members(answer) == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": ROOT_ARN}
    assert ledger.told(answer) == Told("GetCallerIdentity", None)
    assert ledger.record(answer)["eventSource"] == "sts.amazonaws.com"


def test_a_session_is_told_the_same(server: RunningServer, session: Session) -> None:
    answer = server.sts(session=session).get_caller_identity()
    assert members(answer) == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": ROOT_ARN}


def test_the_aws_cli_asks_who_it_is(server: RunningServer, session: Session) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    command = [AWS, "sts", "get-caller-identity", "--output", "text", "--query", "Arn"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ROOT_ARN


# --- temporary credentials -----------------------------------------------------------------------


def test_a_session_has_the_documented_members_and_no_others(sts: Any) -> None:
    answer = members(sts.get_session_token())
    assert set(answer) == {"Credentials"}
    assert set(answer["Credentials"]) == {
        "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"
    }  # fmt: skip
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")


@pytest.mark.parametrize(
    ("asked_s", "given_s"), [(None, 3600), (900, 900), (3600, 3600), (129_600, 3600)]
)
def test_the_root_user_gets_at_most_an_hour(sts: Any, asked_s: int | None, given_s: int) -> None:
    duration = {} if asked_s is None else {"DurationSeconds": asked_s}
    credentials = sts.get_session_token(**duration)["Credentials"]
    left = credentials["Expiration"] - datetime.now(UTC)
    assert timedelta(seconds=given_s - 60) < left <= timedelta(seconds=given_s)


def test_temporary_credentials_encrypt_and_decrypt(
    server: RunningServer, session: Session, kms: KMSClient, key_id: str
) -> None:
    temporary = server.kms_of(session)
    blob = temporary.encrypt(KeyId=key_id, Plaintext=b"pay")["CiphertextBlob"]
    assert temporary.decrypt(CiphertextBlob=blob)["Plaintext"] == b"pay"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"pay"


def test_temporary_credentials_work_in_every_region(
    server: RunningServer, session: Session
) -> None:
    assert server.kms_of(session, "il-central-7").list_keys()["Keys"] == []


def test_temporary_credentials_outlive_a_restart(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    key = initialise(settings, account=ACCOUNT, region=REGION)
    with running(settings, key) as before:
        session = before.sts().get_session_token()["Credentials"]
    with running(settings, key) as after:
        assert after.kms_of(session).list_keys()["Keys"] == []


def test_another_installation_does_not_know_a_session(
    own_server: RunningServer, session: Session
) -> None:
    call = own_server.kms_of(session).list_keys
    assert refused(call) == Refused(400, "UnrecognizedClientException", INVALID)


def test_temporary_credentials_get_no_others(server: RunningServer, session: Session) -> None:
    call = server.sts(session=session).get_session_token
    text = "Cannot call GetSessionToken with session credentials"
    assert refused(call) == Refused(403, "AccessDenied", text)


# --- its records ---------------------------------------------------------------------------------


def test_the_record_of_a_new_session_names_its_access_key_and_end(sts: Any, ledger: Ledger) -> None:
    answer = sts.get_session_token(DurationSeconds=900)
    credentials = answer["Credentials"]
    recorded = {
        "accessKeyId": credentials["AccessKeyId"],
        "expiration": long_date(credentials["Expiration"].astimezone(UTC)),
    }
    assert ledger.told(answer) == Told(
        "GetSessionToken", {"durationSeconds": 900}, {"credentials": recorded}
    )


def test_the_record_of_a_call_with_temporary_credentials_says_when_they_were_made(
    server: RunningServer, session: Session, ledger: Ledger
) -> None:
    identity = ledger.record(server.kms_of(session).list_keys())["userIdentity"]
    created = session["Expiration"].astimezone(UTC) - HOUR
    assert identity == {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": ROOT_ARN,
        "accountId": ACCOUNT,
        "accessKeyId": session["AccessKeyId"],
        "sessionContext": {
            "attributes": {
                "creationDate": f"{created:%Y-%m-%dT%H:%M:%SZ}",
                "mfaAuthenticated": "false",
            }
        },
    }


def test_no_token_and_no_secret_is_in_any_file(own_server: RunningServer) -> None:
    session = own_server.sts().get_session_token()["Credentials"]
    kms = own_server.kms_of(session)
    kms.create_key()
    for damaged in ({**session, "SecretAccessKey": "x"}, {**session, "SessionToken": "KTST"}):
        refused(own_server.kms_of(damaged).list_keys)
    kms.list_keys()
    for path in own_server.settings.data.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert session["SessionToken"].encode() not in content, path
        assert session["SecretAccessKey"].encode() not in content, path


# --- what is refused -----------------------------------------------------------------------------


def test_an_expired_session_is_refused_in_the_words_of_each_protocol(
    own_server: RunningServer, travel: Callable[..., None]
) -> None:
    session = own_server.sts().get_session_token(DurationSeconds=900)["Credentials"]
    kms, sts = own_server.kms_of(session), own_server.sts(session=session)
    travel(timedelta(seconds=840))
    kms.list_keys()
    travel(timedelta(seconds=60))
    assert refused(kms.list_keys) == Refused(400, "ExpiredTokenException", EXPIRED)
    record = last_record(own_server)
    assert (record["errorCode"], record["errorMessage"]) == ("ExpiredTokenException", EXPIRED)
    assert record["userIdentity"] == {"type": "Unknown", "accessKeyId": session["AccessKeyId"]}
    assert refused(sts.get_caller_identity) == Refused(403, "ExpiredToken", EXPIRED)
    assert own_server.sts().get_session_token()["Credentials"]


@pytest.mark.parametrize("token", [None, "stray", "KTST" + "A" * 500, "A" * 5000])
def test_a_temporary_key_without_its_own_token_is_refused_and_recorded(
    server: RunningServer, session: Session, ledger: Ledger, token: str | None
) -> None:
    damaged = {**session, "SessionToken": token}
    before = ledger.head
    call = server.kms_of(damaged).list_keys
    assert refused(call) == Refused(400, "UnrecognizedClientException", INVALID)
    assert ledger.one_record_after(before)["errorCode"] == "UnrecognizedClientException"
    call = server.sts(session=damaged).get_caller_identity
    assert refused(call) == Refused(403, "InvalidClientTokenId", INVALID)


def test_a_long_term_key_with_a_session_token_is_refused(
    server: RunningServer, session: Session
) -> None:
    key = server.key
    mixed = {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": session["SessionToken"],
    }
    call = server.kms_of(mixed).list_keys
    assert refused(call) == Refused(400, "UnrecognizedClientException", INVALID)


def test_the_seal_of_a_session_ends_with_the_epoch_of_the_keyring(
    own_server: RunningServer,
) -> None:
    session = own_server.sts().get_session_token()["Credentials"]
    kms, keyring = own_server.kms_of(session), own_server.keytrail.keyring
    kms.list_keys()
    keyring.begin_epoch()
    kms.list_keys()
    keyring.drop(1)
    assert refused(kms.list_keys) == Refused(400, "UnrecognizedClientException", INVALID)


@pytest.mark.parametrize(
    "given", [{"SerialNumber": "arn:aws:iam::1:mfa/a"}, {"TokenCode": "1" * 6}]
)
def test_multi_factor_authentication_is_not_offered(sts: Any, given: dict[str, str]) -> None:
    text = "Multi-factor authentication is not offered."
    assert refused(sts.get_session_token, **given) == Refused(400, "ValidationError", text)


@pytest.mark.parametrize(
    ("given", "value", "rule"),
    [
        (
            {"DurationSeconds": 899},
            "Value '899' at 'durationSeconds'",
            "value greater than or equal to 900",
        ),
        (
            {"DurationSeconds": 129_601},
            "Value '129601' at 'durationSeconds'",
            "value less than or equal to 129600",
        ),
        ({"TokenCode": "12"}, "Value at 'tokenCode'", "length greater than or equal to 6"),
    ],
)
def test_a_broken_constraint_is_named(
    unchecked_sts: Any, given: dict[str, object], value: str, rule: str
) -> None:
    text = f"{value} failed to satisfy constraint: Member must have {rule}"
    text = f"1 validation error detected: {text}"
    call = unchecked_sts.get_session_token
    assert refused(call, **given) == Refused(400, "ValidationError", text)
