"""The ASGI application: the AWS endpoint at everything, health and metrics beside it.

FastAPI serves what people and monitors read; the wire is plain ASGI and does not pass through it.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from api.metrics import Metrics
from api.wire.aws import Aws
from api.wire.http import Receive, Scope, Send

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class App:
    """Routes by path. Health and metrics leave no record, everything else does."""

    def __init__(self, wire: Aws, operations: FastAPI) -> None:
        self.wire = wire
        self._operations = operations
        self._paths = frozenset(("/healthz", "/readyz", "/metrics"))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One HTTP exchange; the server is told to send nothing else."""
        if scope["path"] in self._paths:
            return self._operations(scope, receive, send)
        return self.wire(scope, receive, send)


def operations(metrics: Metrics, unready: Callable[[], str | None]) -> FastAPI:
    """Liveness, readiness and metrics. `unready` says why no call would be answered, or None."""
    app = FastAPI(title="Keytrail operations", openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The event loop runs."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Calls are answered."""
        reason = unready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    @app.get("/metrics")
    async def read_metrics() -> Response:
        """Prometheus's text form."""
        return Response(metrics.text(), media_type=_METRICS_TYPE)

    return app
