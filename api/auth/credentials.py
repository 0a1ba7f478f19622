"""Access keys and their opened secrets, and opened session tokens, held in memory up to a bound."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from api.auth.sigv4 import Credential
from keystore.session_tokens import OpenedToken, SessionTokens


class _Temporary(NamedTuple):
    opened: OpenedToken
    credential: Credential


class Credentials:
    """Opens an access key once. An unknown one is looked for each time: it fills no memory.

    At most `capacity` long-term access keys are held, and as many session tokens beside them.
    """

    def __init__(
        self,
        open_: Callable[[str], Credential | None],
        session_tokens: SessionTokens,
        *,
        clock: Callable[[], datetime],
        capacity: int,
    ) -> None:
        self._open = open_
        self._session_tokens = session_tokens
        self._clock = clock
        self._capacity = capacity
        self._held: dict[str, Credential] = {}
        self._temporary: dict[bytes, _Temporary] = {}

    def find(self, access_key_id: str, token: bytes | None) -> Credential | None:
        """The access key, or None when there is none, or when this is not its session token.

        Raises UnrecognizedClient for what is no token, ExpiredToken.
        """
        if token is not None:
            return self._find_temporary(access_key_id, token)
        credential = self._held.get(access_key_id)
        if credential is None:
            credential = self._open(access_key_id)
            if credential is None:
                return None
            if len(self._held) >= self._capacity:
                del self._held[next(iter(self._held))]
            self._held[access_key_id] = credential
        return credential

    def _find_temporary(self, access_key_id: str, token: bytes) -> Credential | None:
        held = self._temporary.get(token)
        temporary = held or _temporary(self._session_tokens.open(token))
        if temporary.credential.access_key_id != access_key_id:
            return None
        try:
            self._session_tokens.check_current(temporary.opened, self._clock())
        except BaseException:
            self._temporary.pop(token, None)
            raise
        if held is None:
            if len(self._temporary) >= self._capacity:
                del self._temporary[next(iter(self._temporary))]
            self._temporary[token] = temporary
        return temporary.credential


def _temporary(opened: OpenedToken) -> _Temporary:
    session = opened.session
    credential = Credential(
        session.access_key_id,
        session.secret,
        session.account,
        session.principal_arn,
        session.issued_at,
    )
    return _Temporary(opened, credential)
