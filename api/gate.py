"""THE one door: authenticate, decode, find, authorise, perform, record, reply.

Nothing is answered before its record is durable, refusals included. A handler cannot forget the
record, because it does not write it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

import structlog

from api.actions import SERVICES
from api.auth.sigv4 import Verifier
from api.call import Call, Headers, Reply
from api.gap import AuditGap, Gap
from api.identifiers import Identifiers
from api.in_flight import InFlight
from api.metrics import Metrics
from api.outcome import Caller, Outcome, Services
from api.trace import Station, Trace
from api.wire import shapes
from domain import record as records
from domain.errors import (
    AccessDenied,
    Conflict,
    DryRunOperation,
    InvariantBroken,
    KMSInternal,
    LedgerUnavailable,
    Refusal,
    ServiceUnavailable,
    UnknownOperation,
)
from ledger.store import Submission
from ledger.writer import Writer

MOST_ATTEMPTS = 16
RETRY_AFTER_S = 1

Clock = Callable[[], datetime]

_FAILED = "The request could not be processed."
_UNRECORDED = "The call could not be recorded in time, so nothing of its result is returned."
_DRY_RUN = "The request would have succeeded, but the DryRun option is set."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAct:
    """Something that Keytrail does by itself, and how its service event describes it."""

    name: str
    account: str
    region: str
    outcome: Outcome
    resources: Sequence[Mapping[str, object]] = ()
    details: Mapping[str, object] | None = None


class Gate:
    """The only way from a request to a reply, for every dialect."""

    def __init__(  # noqa: PLR0913 (composition hands everything in here)
        self,
        *,
        verifier: Verifier,
        services: Services,
        writer: Writer,
        clock: Clock,
        identifiers: Identifiers,
        executor: Executor,
        metrics: Metrics,
        station: Station,
    ) -> None:
        self._verifier = verifier
        self._services = services
        self._writer = writer
        self._clock = clock
        self._identifiers = identifiers
        self._executor = executor
        self._metrics = metrics
        self._station = station
        self._in_flight = InFlight()
        self._gap = AuditGap()

    # --- a call ----------------------------------------------------------------------------------

    async def run(self, call: Call) -> Reply:
        """Answer one call, after its record is durable."""
        trace = Trace(call, self._identifiers.request_id(), self._clock())
        for _ in range(MOST_ATTEMPTS):
            trace.event_id = self._identifiers.event_id(trace.started)
            try:
                outcome = self._attempt(trace)
                trace.outcome = outcome or await self._perform_waiting(trace)
                trace.refusal = None
            except Refusal as refusal:
                trace.outcome, trace.refusal = None, refusal
            except LedgerUnavailable:
                break
            except Exception as error:  # noqa: BLE001 (a bug is recorded and answered, never lost)
                self._log_failure(trace, error)
                trace.outcome, trace.refusal = None, KMSInternal(_FAILED)
            try:
                position = await self._append(self._record(trace), trace.outcome)
            except Conflict:
                continue
            except LedgerUnavailable:
                break
            except Exception as error:  # noqa: BLE001 (what cannot be stored is recorded as that)
                self._log_failure(trace, error)
                return await self._refuse(trace)
            # Outside: what fails from here on must not be recorded a second time.
            return self._reply(trace, position)
        return self._unavailable(trace)

    async def _refuse(self, trace: Trace) -> Reply:
        """Record the bare refusal of a call whose own record or change could not be stored."""
        trace.outcome = trace.request = trace.found = None
        trace.refusal = KMSInternal(_FAILED)
        try:
            position = await self._append(self._record(trace), None)
        except Exception as error:  # noqa: BLE001 (then nothing at all may be said)
            self._log_failure(trace, error)
            return self._unavailable(trace)
        return self._reply(trace, position)

    def _attempt(self, trace: Trace) -> Outcome | None:
        """One way down. Raises a Refusal at the first step that refuses; None when it must wait."""
        self._admit(trace)
        action = trace.call.action
        if action is None:
            raise UnknownOperation
        if trace.request is None:
            trace.request = shapes.decode(action.shape, trace.call.request.body)
        shapes.check(trace.request)
        if action.is_slow:
            return None
        outcome = self._perform(trace)
        return None if self._in_flight.blocking(outcome) else outcome

    async def _perform_waiting(self, trace: Trace) -> Outcome:
        """Perform what takes long in a thread, and what depends on an append in its turn."""
        action = trace.call.action
        if action is not None and action.is_slow:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._perform, trace)
        outcome = self._perform(trace)
        stream = self._in_flight.blocking(outcome)
        return outcome if stream is None else await self._perform_in_turn(trace, stream)

    async def _perform_in_turn(self, trace: Trace, stream: str) -> Outcome:
        """Perform again each time that an append ends which the outcome depends on."""
        blocking: str | None = stream
        while blocking is not None:
            stream = blocking
            await self._in_flight.wait(stream)
            try:
                outcome = self._perform(trace)
            finally:
                # After this turn: by then the outcome has claimed the stream, or left it alone.
                asyncio.get_running_loop().call_soon(self._in_flight.pass_on, stream)
            blocking = self._in_flight.blocking(outcome)
        return outcome

    def _admit(self, trace: Trace) -> None:
        """Who calls; then what the wire itself found wrong, unless that hides who calls."""
        call = trace.call
        if call.is_unverifiable and call.refusal is not None:
            raise call.refusal
        if trace.caller is None:
            trace.caller = self._authenticate(call)
        if call.refusal is not None:
            raise call.refusal

    def _authenticate(self, call: Call) -> Caller:
        verified = self._verifier.verify(call.request, SERVICES.get(call.prefix, "kms"))
        credential = verified.credential
        return Caller(
            account=credential.account,
            region=verified.region,
            arn=credential.principal_arn,
            access_key_id=credential.access_key_id,
            session_began=credential.issued_at,
            now=self._clock(),
        )

    def _perform(self, trace: Trace) -> Outcome:
        """Find, authorise and perform on the state of this instant."""
        action, caller = trace.call.action, trace.caller
        if action is None or caller is None:
            raise InvariantBroken("a call is performed before it is authenticated")
        caller.now = self._clock()
        trace.found = found = action.find(self._services, caller, trace.request)
        for permission, resource in zip(action.permissions, found.resources, strict=False):
            trace.decision = decision = resource.decide(permission)
            if not decision.is_allowed:
                raise AccessDenied(
                    f"User: {caller.arn} is not authorized to perform: {permission} on resource: "
                    f"{resource.arn} {decision.reason}"
                )
        outcome = action.perform(self._services, caller, trace.request, found)
        if getattr(trace.request, "dry_run", None):
            raise DryRunOperation(_DRY_RUN)
        return outcome

    # --- its record ------------------------------------------------------------------------------

    def _record(self, trace: Trace) -> Mapping[str, object]:
        """The record of the call as it has come out, and the view that its decision was made on."""
        trace.ended = self._clock()
        exact = records.instant(trace.ended)
        trace.view = f"{self._writer.position}@{exact}"
        return trace.record(self._station, exact)

    def _append(self, record: Mapping[str, object], outcome: Outcome | None) -> Awaitable[int]:
        """One transaction: the changes, their material and their record."""
        if outcome is None or not outcome.events:
            return self._writer.append(Submission(record))
        submission = Submission(
            record=record,
            events=outcome.events,
            sealed=outcome.sealed,
            destroyed=outcome.destroyed,
        )
        return self._append_claimed(submission, outcome)

    async def _append_claimed(self, submission: Submission, outcome: Outcome) -> int:
        with self._in_flight.claim(outcome):
            return await self._writer.append(submission)

    def _reply(self, trace: Trace, position: int) -> Reply:
        """The reply to a call whose record is stored at `position`."""
        outcome, refusal = trace.outcome, trace.refusal
        headers: Headers = [
            (b"x-keytrail-event-id", trace.event_id.encode()),
            (b"x-keytrail-index", b"%d" % (position - 1)),
        ]
        if trace.decision is not None:
            headers.append((b"x-keytrail-authz-view", trace.view.encode()))
        if outcome is not None and outcome.events and (at := _pending_effect(outcome, trace.ended)):
            headers.append((b"x-keytrail-effective-at", records.instant(at).encode()))
        elapsed = self._clock() - trace.started
        self._metrics.answered(trace.operation, refusal.code if refusal else "", elapsed)
        body = outcome.body if outcome else None
        return Reply(trace.request_id, body=body, refusal=refusal, headers=headers)

    def _unavailable(self, trace: Trace) -> Reply:
        """Nothing could be recorded, so nothing happened and nothing is told."""
        self._gap.refused(self._clock())
        self._metrics.unavailable(trace.operation)
        headers: Headers = [(b"retry-after", b"%d" % RETRY_AFTER_S)]
        refusal = ServiceUnavailable(_UNRECORDED)
        return Reply(trace.request_id, refusal=refusal, headers=headers)

    def _log_failure(self, trace: Trace, error: Exception) -> None:
        _log.error(
            "handler failed",
            request_id=trace.request_id,
            operation=trace.operation,
            error=type(error).__name__,
        )

    # --- what Keytrail does by itself ------------------------------------------------------------

    async def act(self, decide: Callable[[datetime], ServiceAct | None]) -> bool:
        """Carry out what `decide` says on the state of this instant, with its service event.

        False when there is nothing to do any more. Raises LedgerUnavailable.
        """
        for _ in range(MOST_ATTEMPTS):
            now = self._clock()
            act = decide(now)
            if act is None:
                return False
            stream = self._in_flight.blocking(act.outcome)
            if stream is not None:
                await self._in_flight.wait(stream)
                asyncio.get_running_loop().call_soon(self._in_flight.pass_on, stream)
                continue
            try:
                await self._append(self._service_record(act, now), act.outcome)
            except Conflict:
                continue
            return True
        raise LedgerUnavailable("the streams of a service event never came to rest")

    @property
    def unrecorded(self) -> int:
        """How many calls were refused for want of a record and are in no AuditGap yet."""
        gap = self._gap.open
        return gap.count if gap else 0

    async def report_gap(self) -> bool:
        """State in one record how many calls were refused; False when there were none."""
        gap = self._gap.open
        if gap is None:
            return False
        await self.act(lambda _now: self._gap_act(gap))
        self._gap.reported(gap)
        return True

    def home_act(self, name: str, details: Mapping[str, object]) -> ServiceAct:
        """A service event of the whole server, recorded in the home account."""
        return ServiceAct(
            name=name,
            account=self._station.home_account,
            region=self._station.home_region,
            outcome=Outcome(),
            details=details,
        )

    def _gap_act(self, gap: Gap) -> ServiceAct:
        details = {
            "refusedCalls": gap.count,
            "from": records.instant(gap.since),
            "to": records.instant(gap.until),
        }
        return self.home_act("AuditGap", details)

    def _service_record(self, act: ServiceAct, now: datetime) -> dict[str, object]:
        event = records.ServiceEvent(
            name=act.name,
            account=act.account,
            region=act.region,
            event_id=self._identifiers.event_id(now),
            request_id=self._identifiers.request_id(),
            resources=act.resources,
            response_elements=act.outcome.response_elements,
            details=act.details,
        )
        return records.service_event(event, now, self._service_enrichment(act, now))

    def _service_enrichment(self, act: ServiceAct, now: datetime) -> dict[str, object]:
        keytrail: dict[str, object] = {"t": records.instant(now), "node": self._station.node}
        return {**keytrail, **(act.outcome.keytrail or {})}


def _pending_effect(outcome: Outcome, now: datetime) -> datetime | None:
    """From when authorization will use the change, if that is still to come."""
    instants = [
        at for one in outcome.events if (at := getattr(one.event, "effective_at", None)) is not None
    ]
    latest = max(instants, default=None)
    return latest if latest is not None and latest > now else None
