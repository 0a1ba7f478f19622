"""Temporary credentials. They are sealed into their token: nothing of them is stored."""

from datetime import timedelta

from api.outcome import Caller, Found, Outcome, Services
from api.wire.sts_shapes import GetSessionToken
from domain import record as records
from domain.errors import AccessDenied, Validation
from keystore.session_tokens import ACCESS_KEY_PREFIX

DEFAULT_DURATION_S = 43_200
LONGEST_DURATION_OF_ROOT_S = 3_600


def get_session_token(
    services: Services, caller: Caller, request: GetSessionToken, found: Found
) -> Outcome:
    """STS GetSessionToken. For the root user a longer duration becomes one hour, as in AWS."""
    del found
    if caller.access_key_id.startswith(ACCESS_KEY_PREFIX):
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    if request.serial_number is not None or request.token_code is not None:
        raise Validation("Multi-factor authentication is not offered.")
    duration_s = min(request.duration_seconds or DEFAULT_DURATION_S, LONGEST_DURATION_OF_ROOT_S)
    issued_at = caller.now.replace(microsecond=0)
    session = services.session_tokens.new_session(
        account=caller.account,
        principal_arn=caller.arn,
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=duration_s),
    )
    credentials = {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": services.session_tokens.seal(session),
        "Expiration": records.event_time(session.expires_at),
    }
    # AWS records the token as well. Here nothing that a caller must prove is recorded.
    recorded = {
        "accessKeyId": session.access_key_id,
        "expiration": records.long_date(session.expires_at),
    }
    return Outcome({"Credentials": credentials}, response_elements={"credentials": recorded})
