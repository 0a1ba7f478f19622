"""Signature Version 4 with session tokens: temporary access keys and what does not go with them."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from api.auth.canonical import SignedRequest
from api.auth.credentials import Credentials
from api.auth.sigv4 import Credential, Verifier
from domain.errors import ExpiredToken, InvalidSignature, Refusal, UnrecognizedClient
from keystore.keyring import Keyring
from keystore.root import create_root_file, read_root_file
from keystore.session_tokens import EXPIRED_TOKEN, INVALID_TOKEN, Session, SessionTokens

ACCOUNT = "111122223333"
ARN = f"arn:aws:iam::{ACCOUNT}:root"
LONG_TERM = Credential("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", ACCOUNT, ARN)
LIFE = timedelta(minutes=15)


def real_time() -> datetime:
    return datetime.now(UTC)


@dataclass
class Room:
    """A verifier with one long-term access key; `now` is what sessions are checked against."""

    keyring: Keyring
    now: datetime = field(default_factory=real_time)

    def __post_init__(self) -> None:
        self.tokens = SessionTokens(self.keyring, os.urandom)
        self.credentials = Credentials(
            {LONG_TERM.access_key_id: LONG_TERM}.get,
            self.tokens,
            clock=lambda: self.now,
            capacity=2,
        )
        self.verifier = Verifier(find=self.credentials.find, clock=real_time, capacity=2)

    def session(self) -> Session:
        return self.tokens.new_session(
            account=ACCOUNT, principal_arn=ARN, issued_at=self.now, expires_at=self.now + LIFE
        )

    def verify(self, request: SignedRequest) -> Credential:
        return self.verifier.verify(request, "kms").credential

    def refusal(self, request: SignedRequest, kind: type[Refusal]) -> str:
        with pytest.raises(kind) as caught:
            self.verify(request)
        return caught.value.message


@pytest.fixture
def room(tmp_path: Path) -> Room:
    create_root_file(tmp_path / "root.key", os.urandom)
    root = read_root_file(tmp_path / "root.key")
    path = tmp_path / "keyring.json"
    return Room(Keyring.create(path, root, clock=real_time, random=os.urandom))


def signed(access_key_id: str, secret: str, token: str | None) -> SignedRequest:
    """Sign with botocore, and lay the request out as a server receives it."""
    url, body = "http://127.0.0.1:8014/", b"{}"
    request = AWSRequest("POST", url, headers={"X-Amz-Target": "TrentService.ListKeys"}, data=body)
    held = BotocoreCredentials(access_key_id, secret, token)
    SigV4Auth(held, "kms", "us-east-1").add_auth(request)
    sent = [(b"host", urlsplit(url).netloc.encode())]
    sent += [(name.lower().encode(), str(text).encode()) for name, text in request.headers.items()]
    return SignedRequest("POST", b"/", b"", tuple(sent), body)


def signed_with(session: Session, token: str | None) -> SignedRequest:
    return signed(session.access_key_id, session.secret, token)


def test_a_temporary_key_with_its_token_proves_its_principal(room: Room) -> None:
    session = room.session()
    found = room.verify(signed_with(session, room.tokens.seal(session)))
    assert found == Credential(session.access_key_id, session.secret, ACCOUNT, ARN, room.now)


def test_a_long_term_key_has_no_time_of_issue(room: Room) -> None:
    found = room.verify(signed(LONG_TERM.access_key_id, LONG_TERM.secret, None))
    assert found.issued_at is None


def test_a_temporary_key_without_its_token_is_unknown(room: Room) -> None:
    session = room.session()
    room.verify(signed_with(session, room.tokens.seal(session)))
    assert room.refusal(signed_with(session, None), UnrecognizedClient) == INVALID_TOKEN


def test_the_token_of_another_session_is_refused(room: Room) -> None:
    request = signed_with(room.session(), room.tokens.seal(room.session()))
    assert room.refusal(request, UnrecognizedClient) == INVALID_TOKEN


@pytest.mark.parametrize("is_stray", [True, False])
def test_a_long_term_key_with_a_session_token_is_refused(room: Room, is_stray: bool) -> None:
    token = "stray" if is_stray else room.tokens.seal(room.session())
    request = signed(LONG_TERM.access_key_id, LONG_TERM.secret, token)
    assert room.refusal(request, UnrecognizedClient) == INVALID_TOKEN


def test_a_wrong_secret_is_refused_whatever_the_token(room: Room) -> None:
    session = room.session()
    request = signed(session.access_key_id, "wrong", room.tokens.seal(session))
    room.refusal(request, InvalidSignature)


def test_the_token_must_be_signed_and_so_cannot_be_added_or_taken_away(room: Room) -> None:
    session = room.session()
    request = signed_with(session, None)
    token = (b"x-amz-security-token", room.tokens.seal(session).encode())
    added = SignedRequest("POST", b"/", b"", (*request.headers, token), request.body)
    assert room.refusal(added, InvalidSignature) == (
        "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."
    )


def test_two_tokens_at_once_are_none(room: Room) -> None:
    session = room.session()
    token = room.tokens.seal(session)
    request = signed_with(session, token)
    again = (b"x-amz-security-token", token.encode())
    twice = SignedRequest("POST", b"/", b"", (*request.headers, again), request.body)
    assert room.refusal(twice, UnrecognizedClient) == INVALID_TOKEN


@pytest.mark.parametrize("was_used", [True, False])
def test_an_expired_token_is_refused_as_such_also_when_it_was_used_before(
    room: Room, was_used: bool
) -> None:
    session = room.session()
    request = signed_with(session, room.tokens.seal(session))
    if was_used:
        room.verify(request)
    room.now += LIFE
    for _ in range(2):
        assert room.refusal(request, ExpiredToken) == EXPIRED_TOKEN


@pytest.mark.parametrize("was_used", [True, False])
def test_a_token_ends_with_its_epoch_also_when_it_was_used_before(
    room: Room, was_used: bool
) -> None:
    session = room.session()
    request = signed_with(session, room.tokens.seal(session))
    if was_used:
        room.verify(request)
    room.keyring.begin_epoch()
    room.keyring.drop(1)
    for _ in range(2):
        assert room.refusal(request, UnrecognizedClient) == INVALID_TOKEN


def test_more_tokens_than_are_held_all_verify_and_push_no_long_term_key_out(room: Room) -> None:
    requests = [signed(LONG_TERM.access_key_id, LONG_TERM.secret, None)]
    for _ in range(4):
        session = room.session()
        requests.append(signed_with(session, room.tokens.seal(session)))
    for request in requests * 2:
        assert room.verify(request).principal_arn == ARN
    assert len(room.credentials._temporary) == 2
    assert len(room.credentials._held) == 1
