"""Session tokens: temporary credentials are sealed into their own token, and stored nowhere.

    token = base64url("KTST" 01 || epoch (u32) || nonce (16) || commitment (32) || body || tag (16))

Sealed by suite 1 under the key of an epoch, so that every node with the keyring opens them. A
token lives no longer than that epoch.
"""

import base64
from collections.abc import Callable
from datetime import datetime
from struct import Struct

import msgspec

from domain.errors import ExpiredToken, KeyUnavailable, UnrecognizedClient
from keystore.keyring import Keyring
from keystore.sealing import NONCE_BYTES, SealBroken

ACCESS_KEY_PREFIX = "ASIA"
LONGEST_TOKEN = 4096
"""Characters; AWS's own limit."""

INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - a text
EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105 - a text

_START = b"KTST\x01"
_EPOCH = Struct(">I")
_START_BYTES = len(_START) + _EPOCH.size

# Rows and ciphertexts of callers authenticate other bytes: nothing that was sealed as one of them
# opens as a token, even if somebody could write its header anew.
_AUTHENTICATED = b"KTSTSESSION\x01"

_ACCESS_KEY_ID_BYTES = 10
_SECRET_BYTES = 30


class Session(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token holds. Expired from `expires_at` on."""

    access_key_id: str
    secret: str
    account: str
    principal_arn: str
    issued_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"<Session {self.access_key_id}>"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Session).decode


class OpenedToken(msgspec.Struct, frozen=True, kw_only=True):
    """An authentic session and the epoch that its token needs."""

    session: Session
    epoch: int


class SessionTokens:
    """Makes and opens session tokens; safe from any thread."""

    def __init__(self, keyring: Keyring, random: Callable[[int], bytes]) -> None:
        self._keyring = keyring
        self._random = random

    def new_session(
        self, *, account: str, principal_arn: str, issued_at: datetime, expires_at: datetime
    ) -> Session:
        """Fresh temporary credentials of a principal."""
        identifier = base64.b32encode(self._random(_ACCESS_KEY_ID_BYTES)).decode()
        return Session(
            access_key_id=ACCESS_KEY_PREFIX + identifier,
            secret=base64.b64encode(self._random(_SECRET_BYTES)).decode(),
            account=account,
            principal_arn=principal_arn,
            issued_at=issued_at,
            expires_at=expires_at,
        )

    def seal(self, session: Session) -> str:
        """The token of a session, sealed under the current epoch."""
        epoch = self._keyring.current
        start = _START + _EPOCH.pack(epoch)
        nonce = self._random(NONCE_BYTES)
        sealed = self._keyring.kek(epoch).seal(start, nonce, _AUTHENTICATED, _encode(session))
        return _text(sealed).decode()

    def open(self, token: bytes) -> OpenedToken:
        """Read a token that was made here. Raises UnrecognizedClient, and never says why."""
        sealed = _sealed(token)
        start = sealed[:_START_BYTES]
        (epoch,) = _EPOCH.unpack(start[len(_START) :])
        try:
            content = self._keyring.kek(epoch).unseal(start, sealed, _AUTHENTICATED)
        except (KeyUnavailable, SealBroken):
            raise UnrecognizedClient(INVALID_TOKEN) from None
        return OpenedToken(session=_decode(content), epoch=epoch)

    def check_current(self, opened: OpenedToken, now: datetime) -> None:
        """Raise UnrecognizedClient when the epoch is gone, ExpiredToken when the time is up."""
        try:
            self._keyring.kek(opened.epoch)
        except KeyUnavailable:
            raise UnrecognizedClient(INVALID_TOKEN) from None
        if now >= opened.session.expires_at:
            raise ExpiredToken(EXPIRED_TOKEN)


def _sealed(token: bytes) -> bytes:
    """From the text of a token to its bytes: at most 4096 characters, in the one right spelling."""
    if len(token) > LONGEST_TOKEN:
        raise UnrecognizedClient(INVALID_TOKEN)
    try:
        sealed = base64.b64decode(token + b"=" * (-len(token) % 4), altchars=b"-_")
    except ValueError:
        raise UnrecognizedClient(INVALID_TOKEN) from None
    # The decoder skips foreign characters and ignores spare bits: what is not written as `seal`
    # writes it is not a token.
    if not sealed.startswith(_START) or len(sealed) < _START_BYTES or _text(sealed) != token:
        raise UnrecognizedClient(INVALID_TOKEN)
    return sealed


def _text(sealed: bytes) -> bytes:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=")
