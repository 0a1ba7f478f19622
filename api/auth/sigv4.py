"""AWS Signature Version 4 proves whose request this is, and that it is unchanged.

Source: IAM User Guide, "Create a signed AWS API request". Only the Authorization header is read:
a request that is signed in its query string has none, and is refused as unauthenticated.
"""

import email.utils
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from api.auth.canonical import (
    MISMATCH,
    Headers,
    SignedRequest,
    canonical_request,
    sha256,
    trimmed,
)
from domain.errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)
from domain.names import is_region
from keystore.session_tokens import INVALID_TOKEN

Clock = Callable[[], datetime]

ALGORITHM = b"AWS4-HMAC-SHA256"
TERMINATOR = b"aws4_request"
TOLERANCE = timedelta(minutes=5)
INSTANT_LENGTH = len("20261121T201000Z")
LONGEST_ACCESS_KEY_ID = 128
ACCESS_KEY_KINDS = (b"AKIA", b"ASIA")
SHORTEST_CLAIM = 16
LONGEST_CLAIM = 32
LONGEST_ECHO = 128
MOST_DATES = 1024  # more than the seconds of the ten minutes that can be valid

NO_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."


Name = TypeVar("Name")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key and the principal that it stands for; a temporary one has an `issued_at`."""

    access_key_id: str
    secret: str = field(repr=False)
    account: str
    principal_arn: str
    issued_at: datetime | None = None


Find = Callable[[str, bytes | None], Credential | None]
"""From an access key id, and the session token if there is one, to the access key."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The proven caller, and the region that it signed for."""

    credential: Credential
    region: str


class _Claim(NamedTuple):
    """What the headers assert; nothing of it is proven yet."""

    credential: bytes  # keyid/date/region/service/term
    signed_headers: bytes
    signature: bytes
    instant: datetime
    date: bytes  # the instant as it is signed, 20261121T201000Z


class _Scope(NamedTuple):
    access_key_id: str
    date: bytes
    region: bytes


@dataclass(frozen=True, slots=True)
class _SigningKey:
    """The key derived for one access key, day, region and service."""

    verified: Verified
    day: bytes
    scope: bytes  # the credential without its access key id
    key: bytes = field(repr=False)


class Verifier:
    """Verifies requests against the access keys that `find` knows.

    At most `capacity` derived signing keys are kept. Only a proven request adds one: a stranger
    who knows an access key id cannot push the others out.
    """

    def __init__(self, *, find: Find, clock: Clock, capacity: int) -> None:
        self._find = find
        self._clock = clock
        self._capacity = capacity
        self._signing_keys: dict[tuple[bytes, str], _SigningKey] = {}
        # What clients repeat from call to call: Authorization up to the signature, and dates.
        self._heads: dict[bytes, tuple[bytes, bytes]] = {}
        self._dates: dict[bytes, datetime] = {}

    def verify(self, request: SignedRequest, service: str) -> Verified:
        """Return the caller of a request signed for `service`, at most five minutes off.

        Raises MissingAuthenticationToken, IncompleteSignature, UnrecognizedClient, ExpiredToken
        or InvalidSignature, and nothing else whatever the headers hold.
        """
        headers = _joined(request.headers)
        known = self._known_claim(headers)
        claim = known or _claim(headers)
        names = claim.signed_headers.split(b";")
        _check_signed(names, headers)
        signing_key = self._signing_key(claim, service, headers.get(b"x-amz-security-token"))
        self._check_instant(claim)
        canonical = canonical_request(request, headers, names, claim.signed_headers)
        text = b"\n".join((ALGORITHM, claim.date, signing_key.scope, sha256(canonical)))
        signature = hmac.digest(signing_key.key, text, "sha256").hex().encode()
        if not hmac.compare_digest(signature, claim.signature):
            raise InvalidSignature(MISMATCH)
        if known is None or self._signing_keys.get((claim.credential, service)) is not signing_key:
            self._remember(claim, headers[b"authorization"], service, signing_key)
        return signing_key.verified

    def _known_claim(self, headers: Mapping[bytes, bytes]) -> _Claim | None:
        """The claim, without reading again what a proven request has already spelt like this."""
        head, _, signature = headers.get(b"authorization", b"").rpartition(b"Signature=")
        date = headers.get(b"x-amz-date", b"")
        known, instant = self._heads.get(head), self._dates.get(date)
        if known is None or instant is None:
            return None
        return _Claim(*known, signature, instant, date)

    def _signing_key(self, claim: _Claim, service: str, token: bytes | None) -> _SigningKey:
        known = self._signing_keys.get((claim.credential, service))
        if known is not None and claim.date.startswith(known.day):
            credential = known.verified.credential
            found = self._find(credential.access_key_id, token)
            # Asked each time: the access key may have been deactivated since.
            if found is credential or found == credential:
                return known
        scope = _scope(claim, service)
        found = self._find(scope.access_key_id, token)
        if found is None:
            raise UnrecognizedClient(INVALID_TOKEN)
        return _derived(found, scope, service)

    def _check_instant(self, claim: _Claim) -> None:
        now = self._clock()
        if abs(now - claim.instant) <= TOLERANCE:
            return
        now = now.replace(microsecond=0)
        if claim.instant < now - TOLERANCE:
            raise InvalidSignature(
                f"Signature expired: {_written(claim.instant)} is now earlier than "
                f"{_written(now - TOLERANCE)} ({_written(now)} - 5 min.)"
            )
        if claim.instant > now + TOLERANCE:
            raise InvalidSignature(
                f"Signature not yet current: {_written(claim.instant)} is still later than "
                f"{_written(now + TOLERANCE)} ({_written(now)} + 5 min.)"
            )

    def _remember(
        self, claim: _Claim, authorization: bytes, service: str, signing_key: _SigningKey
    ) -> None:
        _put(self._signing_keys, (claim.credential, service), signing_key, self._capacity)
        _put(self._dates, claim.date, claim.instant, MOST_DATES)
        head, _, signature = authorization.rpartition(b"Signature=")
        # Only where the signature comes last does the rest say all but the signature.
        if signature == claim.signature:
            _put(self._heads, head, (claim.credential, claim.signed_headers), self._capacity)


def _put(held: dict[Name, Value], name: Name, value: Value, capacity: int) -> None:
    """The oldest entry makes room."""
    if name not in held and len(held) >= capacity:
        del held[next(iter(held))]
    held[name] = value


def claimed_access_key_id(headers: Headers) -> str | None:
    """Return the access key id that a request names, unproven, if it looks like one.

    Whoever swaps the two halves of a credential sends the secret here: that is not written down.
    """
    for name, value in headers:
        if name == b"authorization":
            _, _, credential = value.partition(b"Credential=")
            claimed = credential[: LONGEST_CLAIM + 1].partition(b"/")[0]
            is_like_one = claimed[:4] in ACCESS_KEY_KINDS and len(claimed) <= LONGEST_CLAIM
            is_like_one = is_like_one and claimed.isalnum() and claimed.isupper()
            return claimed.decode() if is_like_one and len(claimed) >= SHORTEST_CLAIM else None
    return None


def _joined(headers: Headers) -> Mapping[bytes, bytes]:
    """Each header once; a repeated one is its values joined by commas, in their order."""
    single = dict(headers)
    if len(single) == len(headers):
        return single
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(trimmed(value))
    return {name: b",".join(repeated) for name, repeated in values.items()}


def _claim(headers: Mapping[bytes, bytes]) -> _Claim:
    authorization = headers.get(b"authorization", b"")
    if not authorization:
        raise MissingAuthenticationToken("Missing Authentication Token")
    algorithm, _, rest = authorization.partition(b" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{_echo(algorithm)}'.")
    parameters = _parameters(rest, authorization)
    credential = parameters.get(b"Credential")
    signature = parameters.get(b"Signature")
    signed_headers = parameters.get(b"SignedHeaders")
    date = headers.get(b"x-amz-date") or headers.get(b"date")
    if not (credential and signature and signed_headers and date):
        raise _missing_parts(parameters, date, authorization)
    instant = _instant(date)
    if len(date) != INSTANT_LENGTH:
        date = _written(instant).encode()
    return _Claim(credential, signed_headers, signature, instant, date)


def _parameters(rest: bytes, authorization: bytes) -> dict[bytes, bytes]:
    parameters: dict[bytes, bytes] = {}
    for pair in rest.split(b","):
        name, equals, value = pair.partition(b"=")
        if not equals:
            raise IncompleteSignature(
                "Invalid key=value pair (missing equal-sign) in Authorization header "
                f"(hashed with SHA-256 and encoded with Base64): '{_fingerprint(authorization)}'."
            )
        name = name.strip()
        if name in parameters:
            raise IncompleteSignature(f"Authorization header has '{_echo(name)}' twice.")
        parameters[name] = value.strip()
    return parameters


def _missing_parts(
    parameters: Mapping[bytes, bytes], date: bytes | None, authorization: bytes
) -> IncompleteSignature:
    texts = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not parameters.get(name.encode())
    ]
    if not date:
        texts.append(NO_DATE)
    texts.append(
        f"(Hashed with SHA-256 and encoded with Base64) Authorization={_fingerprint(authorization)}"
    )
    return IncompleteSignature(" ".join(texts))


def _instant(date: bytes) -> datetime:
    """Parse an ISO 8601 basic date, or the date of an HTTP `Date` header."""
    try:
        if len(date) == INSTANT_LENGTH:
            return _basic_instant(date)
        parsed = email.utils.parsedate_to_datetime(date[:LONGEST_ECHO].decode("ascii"))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        text = f"Date must be in ISO-8601 'basic format'. Got '{_echo(date)}'."
        raise IncompleteSignature(text) from None


def _basic_instant(date: bytes) -> datetime:
    # fromisoformat also reads weeks and fractions, so that the digits are looked at first.
    if not (
        date[:8].isdigit() and date[9:15].isdigit() and date[8:9] == b"T" and date[15:] == b"Z"
    ):
        raise ValueError
    return datetime.fromisoformat(date.decode("ascii"))


def _check_signed(names: Sequence[bytes], headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request whose host or any `x-amz-*` header is not signed."""
    if b"host" not in names:
        raise InvalidSignature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        )
    for name in headers:
        if name.startswith(b"x-amz-") and name not in names:
            raise InvalidSignature(
                f"'{_echo(name)}' must be a 'SignedHeader' in the AWS Authorization."
            )


def _scope(claim: _Claim, service: str) -> _Scope:
    elements = claim.credential.split(b"/")
    if len(elements) != 5:
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got {len(elements)}"
        )
    access_key_id, date, region, _, _ = elements
    defects = " ".join(_scope_defects(elements, claim.date, service))
    if defects:
        raise InvalidSignature(defects)
    if not access_key_id.isalnum() or len(access_key_id) > LONGEST_ACCESS_KEY_ID:
        raise UnrecognizedClient(INVALID_TOKEN)
    return _Scope(access_key_id.decode(), date, region)


def _scope_defects(elements: Sequence[bytes], signed_date: bytes, service: str) -> Iterator[str]:
    _, date, region, scoped_service, terminator = elements
    if not is_region(region.decode("latin-1")):
        yield f"Credential should be scoped to a valid region, not '{_echo(region)}'."
    if scoped_service != service.encode():
        yield f"Credential should be scoped to correct service: '{service}'."
    if terminator != TERMINATOR:
        yield (
            f"Credential should be scoped with a valid terminator: '{TERMINATOR.decode()}', "
            f"not '{_echo(terminator)}'."
        )
    if date != signed_date[:8]:
        yield (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
            f"from HTTP: '{_echo(date)}' != '{_echo(signed_date[:8])}', "
            f"from '{_echo(signed_date)}'."
        )


def _derived(credential: Credential, scope: _Scope, service: str) -> _SigningKey:
    key = b"AWS4" + credential.secret.encode()
    elements = (scope.date, scope.region, service.encode(), TERMINATOR)
    for element in elements:
        key = hmac.digest(key, element, "sha256")
    return _SigningKey(
        Verified(credential, scope.region.decode()), scope.date, b"/".join(elements), key
    )


def _written(instant: datetime) -> str:
    return instant.strftime("%Y%m%dT%H%M%SZ")


def _fingerprint(authorization: bytes) -> str:
    """Names a header in an error without showing the signature in it."""
    return b64encode(hashlib.sha256(authorization).digest()).decode()


def _echo(value: bytes) -> str:
    return value[:LONGEST_ECHO].decode("ascii", "backslashreplace")
