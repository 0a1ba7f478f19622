"""Session tokens: sealed credentials that only this keyring opens, and only for a while."""

import base64
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ExpiredToken, UnrecognizedClient
from keystore.keyring import Keyring
from keystore.root import create_root_file, read_root_file
from keystore.session_tokens import (
    EXPIRED_TOKEN,
    INVALID_TOKEN,
    LONGEST_TOKEN,
    Session,
    SessionTokens,
)

from .conftest import ACCOUNT, clock

ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
NOW = clock()
END = NOW + timedelta(hours=1)
SECOND = timedelta(seconds=1)
HEADER_BYTES = 5 + 4 + 16 + 32


@pytest.fixture
def tokens(keyring: Keyring) -> SessionTokens:
    return SessionTokens(keyring, os.urandom)


@pytest.fixture
def session(tokens: SessionTokens) -> Session:
    return tokens.new_session(
        account=ACCOUNT, principal_arn=ROOT_ARN, issued_at=NOW, expires_at=END
    )


@pytest.fixture
def token(tokens: SessionTokens, session: Session) -> bytes:
    return tokens.seal(session).encode()


def check_invalid(tokens: SessionTokens, token: bytes) -> None:
    with pytest.raises(UnrecognizedClient) as caught:
        tokens.open(token)
    assert caught.value.message == INVALID_TOKEN


def sealed(token: bytes) -> bytes:
    return base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4))


def text(sealed: bytes) -> bytes:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=")


def test_a_token_opens_to_the_session_that_was_sealed(
    tokens: SessionTokens, session: Session, token: bytes
) -> None:
    assert tokens.open(token).session == session


def test_a_session_has_a_temporary_access_key_of_its_own(session: Session) -> None:
    prefix, rest = session.access_key_id[:4], session.access_key_id[4:]
    assert prefix == "ASIA"
    assert len(base64.b32decode(rest)) == 10
    assert len(base64.b64decode(session.secret)) == 30


def test_two_tokens_of_one_session_have_nothing_in_common(
    tokens: SessionTokens, session: Session
) -> None:
    one, two = (sealed(tokens.seal(session).encode()) for _ in range(2))
    assert one[:9] == two[:9] == b"KTST\x01\x00\x00\x00\x01"
    assert one[9:25] != two[9:25]
    assert one[HEADER_BYTES:] != two[HEADER_BYTES:]


def test_neither_a_token_nor_a_repr_shows_the_secret(
    tokens: SessionTokens, session: Session, token: bytes
) -> None:
    assert session.secret.encode() not in sealed(token)
    assert session.secret not in repr(session)
    assert session.secret not in repr(tokens.open(token))


def test_a_session_ends_at_the_instant_that_it_names(tokens: SessionTokens, token: bytes) -> None:
    opened = tokens.open(token)
    tokens.check_current(opened, END - SECOND)
    with pytest.raises(ExpiredToken) as caught:
        tokens.check_current(opened, END)
    assert caught.value.message == EXPIRED_TOKEN


def test_a_token_of_a_retiring_epoch_still_opens(
    tokens: SessionTokens, keyring: Keyring, session: Session, token: bytes
) -> None:
    keyring.begin_epoch()
    assert tokens.open(token).session == session
    assert tokens.open(tokens.seal(session).encode()).epoch == 2


def test_a_token_ends_with_its_epoch(tokens: SessionTokens, keyring: Keyring, token: bytes) -> None:
    opened = tokens.open(token)
    keyring.begin_epoch()
    keyring.drop(1)
    check_invalid(tokens, token)
    with pytest.raises(UnrecognizedClient, match=INVALID_TOKEN):
        tokens.check_current(opened, NOW)


def test_a_token_of_another_installation_does_not_open(
    tokens: SessionTokens, session: Session, tmp_path: Path
) -> None:
    create_root_file(tmp_path / "other.key", os.urandom)
    root = read_root_file(tmp_path / "other.key")
    other = Keyring.create(tmp_path / "other.json", root, clock=clock, random=os.urandom)
    check_invalid(tokens, SessionTokens(other, os.urandom).seal(session).encode())


def test_each_damaged_byte_of_a_token_is_noticed(tokens: SessionTokens, token: bytes) -> None:
    whole = sealed(token)
    for place in range(len(whole)):
        damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        check_invalid(tokens, text(damaged))


def test_a_token_that_is_cut_short_does_not_open(tokens: SessionTokens, token: bytes) -> None:
    for length in range(len(token)):
        check_invalid(tokens, token[:length])


@pytest.mark.parametrize("extra", [b"=", b"A", b"\n", b" ", b"!", b"\xff", b"AAAA"])
def test_a_token_has_one_spelling(tokens: SessionTokens, token: bytes, extra: bytes) -> None:
    check_invalid(tokens, token + extra)
    check_invalid(tokens, extra + token)


def test_a_token_above_4096_characters_is_not_even_decoded(
    tokens: SessionTokens, session: Session
) -> None:
    long = Session(
        access_key_id="A" * LONGEST_TOKEN,
        secret=session.secret,
        account=ACCOUNT,
        principal_arn=ROOT_ARN,
        issued_at=NOW,
        expires_at=END,
    )
    token = tokens.seal(long).encode()
    assert len(token) > LONGEST_TOKEN
    check_invalid(tokens, token)


@pytest.mark.parametrize(
    ("start", "authenticated"),
    [
        (b"KTST\x01\x00\x00\x00\x01", b""),
        (b"KTST\x01\x00\x00\x00\x01", b"KTSMROW\x01"),
        (b"KTSM\x01", b"KTSTSESSION\x01"),
        (b"KTST\x02\x00\x00\x00\x01", b"KTSTSESSION\x01"),
    ],
)
def test_what_the_same_key_sealed_as_something_else_is_no_token(
    tokens: SessionTokens, keyring: Keyring, start: bytes, authenticated: bytes
) -> None:
    content = json.dumps({"access_key_id": "ASIA"}).encode()
    other = keyring.kek(1).seal(start, os.urandom(16), authenticated, content)
    check_invalid(tokens, text(other))


def test_the_construction_of_a_token_is_settled(tokens: SessionTokens, keyring: Keyring) -> None:
    content = (
        b'{"access_key_id":"ASIAEXAMPLE","secret":"s","account":"123456789012",'
        b'"principal_arn":"arn:aws:iam::123456789012:root",'
        b'"issued_at":"2026-11-21T20:48:00Z","expires_at":"2026-11-21T21:48:00Z"}'
    )
    start = b"KTST\x01\x00\x00\x00\x01"
    made = keyring.kek(1).seal(start, bytes(16), b"KTSTSESSION\x01", content)
    opened = tokens.open(text(made))
    assert opened.session == Session(
        access_key_id="ASIAEXAMPLE",
        secret="s",
        account=ACCOUNT,
        principal_arn=ROOT_ARN,
        issued_at=NOW,
        expires_at=END,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused_without_breaking(
    tokens: SessionTokens, content: bytes, as_text: bool
) -> None:
    check_invalid(tokens, text(b"KTST\x01" + content) if as_text else content)
