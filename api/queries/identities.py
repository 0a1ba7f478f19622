"""Who the caller is."""

from api.outcome import Caller, Found, Outcome, Services


def get_caller_identity(
    services: Services, caller: Caller, request: object, found: Found
) -> Outcome:
    """STS GetCallerIdentity. The root user's id is that of its account."""
    del services, request, found
    return Outcome({"UserId": caller.account, "Account": caller.account, "Arn": caller.arn})
