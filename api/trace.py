"""What is known of a call so far, and the record that is made of it, however far the call came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.actions import SERVICES
from api.auth.sigv4 import claimed_access_key_id
from api.call import Call
from api.outcome import Caller, Found, Outcome
from api.wire.shapes import Shape
from domain import record as records
from domain.errors import Refusal
from domain.policy.evaluate import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Where records are made: this node, and the account and region of calls without a caller."""

    node: str
    home_account: str
    home_region: str


class Trace:
    """One call on its way down."""

    __slots__ = (
        "call",
        "caller",
        "decision",
        "ended",
        "event_id",
        "found",
        "outcome",
        "refusal",
        "request",
        "request_id",
        "started",
        "view",
    )

    def __init__(self, call: Call, request_id: str, started: datetime) -> None:
        self.call = call
        self.request_id = request_id
        self.started = self.ended = started
        self.view = ""
        self.event_id = ""
        self.caller: Caller | None = None
        self.request: Shape | None = None
        self.found: Found | None = None
        self.decision: Decision | None = None
        self.outcome: Outcome | None = None
        self.refusal: Refusal | None = None

    @property
    def operation(self) -> str:
        """The operation's name; never text from the request."""
        return self.call.action.name if self.call.action else "Unknown"

    def record(self, station: Station, exact: str) -> dict[str, object]:
        """The record of the call, which ended at the instant that `exact` says."""
        result = records.Result(resources=self._resources())
        if self.outcome is not None:
            result.response_elements = self.outcome.response_elements
            result.additional = self.outcome.additional
        if self.refusal is not None:
            result.error_code = self.refusal.trail_code
            result.error_message = self.refusal.message
        if self.request is not None and self.call.action is not None:
            result.request_parameters = self.call.action.parameters(self.request)
        keytrail = self._enrichment(station, exact)
        return records.api_call(self._subject(station), result, self.ended, keytrail)

    def _subject(self, station: Station) -> records.Subject:
        call, caller = self.call, self.caller
        if caller is None:
            identity = records.unknown_identity(claimed_access_key_id(call.request.headers))
            account, region = station.home_account, station.home_region
        else:
            identity = _identity(caller)
            account, region = caller.account, caller.region
        return records.Subject(
            identity=identity,
            account=account,
            region=region,
            source=f"{SERVICES.get(call.prefix, 'kms')}.amazonaws.com",
            name=self.operation,
            read_only=call.action.read_only if call.action else True,
            source_ip=call.source_ip,
            user_agent=call.user_agent,
            request_id=self.request_id,
            event_id=self.event_id,
            tls=call.tls,
        )

    def _enrichment(self, station: Station, exact: str) -> dict[str, object]:
        """Our own part of `additionalEventData`. It holds no position of the record itself."""
        keytrail: dict[str, object] = {
            "t": exact,
            "node": station.node,
            "dialect": "aws",
        }
        if self.found is not None and self.found.alias is not None:
            keytrail["alias"] = self.found.alias
        if self.outcome is not None and self.outcome.keytrail:
            keytrail.update(self.outcome.keytrail)
        decision = self.decision
        if decision is not None:
            keytrail["authz"] = {
                "decision": "Allow" if decision.is_allowed else "Deny",
                "by": decision.by,
                "matched": (decision.statement,) if decision.statement else (),
                "view": self.view,
            }
        return keytrail

    def _resources(self) -> Sequence[Mapping[str, object]]:
        if self.outcome is not None and self.outcome.resources is not None:
            return self.outcome.resources
        action = self.call.action
        if self.found is None or action is None:
            return ()
        found = self.found.resources
        return [
            records.key_resource(found[place].account, found[place].arn)
            for place in action.resources
        ]


def _identity(caller: Caller) -> Mapping[str, object]:
    identity = records.root_identity(caller.account, caller.arn, caller.access_key_id)
    if caller.session_began is None:
        return identity
    attributes = {
        "creationDate": records.event_time(caller.session_began),
        "mfaAuthenticated": "false",  # a text, also where it is false
    }
    return {**identity, "sessionContext": {"attributes": attributes}}
