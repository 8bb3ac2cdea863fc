"""What stands before every answer of the server: who may ask, how much may be sent, what a browser may do with it.

It also counts: requests, their time and the size of answers, for Prometheus.
"""

import base64
import binascii
import hmac
import logging
import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ensemble.live import Live

log = logging.getLogger(__name__)
OPEN = "/health"
"""What a watchdog may ask without the token."""
SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10)
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
}  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """Who may ask, and how much may be sent."""

    token: str
    """What a request must bring; "" = nothing."""
    hosts: frozenset[str]
    """Names that a request may be addressed to; empty = any. Without this a page elsewhere whose name is made to lead
    to this machine could read the answers through the visitor's browser."""
    body: int
    """Most bytes of a request."""

    def knows(self, headers: Headers) -> bool:
        """Whether a request brings the token: as Bearer, as X-Api-Key, or as the password that a browser asks for."""
        if not self.token:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            given = _password(given)
        elif kind.lower() != "bearer":
            given = headers.get("x-api-key", "")
        return hmac.compare_digest(given.strip().encode(), self.token.encode())

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason, where a request is not let in."""
        headers = Headers(scope=scope)
        if self.hosts and _name(headers.get("host", "")) not in self.hosts:
            return 421, "this server is not known by that name; ask it as " + " or ".join(sorted(self.hosts))
        if scope["path"] != OPEN and not self.knows(headers):
            return 401, "send the token: Authorization: Bearer TOKEN, or X-Api-Key: TOKEN"
        length = headers.get("content-length", "")
        if length and (not length.isdigit() or int(length) > self.body):
            return 413, f"more than {self.body:,} bytes"
        return None


def _password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _name(host: str) -> str:
    """The name of a Host header, without the port."""
    return host.partition("]")[0].lstrip("[").lower() if host.startswith("[") else host.partition(":")[0].lower()


class Meter:
    """What Prometheus is told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        of = ["method", "route"]
        self.requests = Counter("stylecast_requests", "Requests", [*of, "status"], registry=self.registry)
        self.seconds = Histogram(
            "stylecast_request_seconds", "Time to the end of the answer", of, buckets=SECONDS, registry=self.registry
        )
        self.bytes = Counter("stylecast_response_bytes", "Bytes of answers", of, registry=self.registry)
        self.size = Gauge("stylecast_run_size", "What the run holds", ["what"], registry=self.registry)
        self.loads = Counter("stylecast_loads", "How often a run was opened", registry=self.registry)

    def count(self, scope: Scope, status: int, seconds: float, size: int) -> None:
        """Count a request, by its route and not by its path, of which there is no end."""
        labels = (scope["method"], getattr(scope.get("route"), "path", "none"))
        self.requests.labels(*labels, str(status)).inc()
        self.seconds.labels(*labels).observe(seconds)
        self.bytes.labels(*labels).inc(size)

    def tell(self, live: Live) -> None:
        """What a run that was opened holds."""
        self.loads.inc()
        self.size.labels("posts").set(len(live.posts.table))
        self.size.labels("pictures").set(len(live.posts.pictures))
        self.size.labels("styles").set(0 if live.scored is None else len(live.scored.styles))


class Guard:
    """Lets a request in or refuses it; adds headers to every answer, and counts it."""

    def __init__(self, app: ASGIApp, rules: Rules, meter: Meter) -> None:
        self.app, self.rules, self.meter = app, rules, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, size = time.perf_counter(), 0, 0

        async def answer(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            size += len(message.get("body", b""))
            await send(message)

        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.rules.body:
                raise HTTPException(413, f"more than {self.rules.body:,} bytes")
            return message

        refused = self.rules.refusal(scope)
        try:
            if refused is not None:
                await _refuse(*refused)(scope, receive, answer)
            else:
                await self.app(scope, bounded, answer)
        # A stack trace belongs into the log, never into an answer.
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if status:
                raise
            await _refuse(500, "the server failed; its log tells why")(scope, receive, answer)
        finally:
            self.meter.count(scope, status, time.perf_counter() - started, size)


def _refuse(status: int, reason: str) -> JSONResponse:
    headers = {"WWW-Authenticate": 'Bearer, Basic realm="stylecast"'} if status == 401 else {}
    return JSONResponse({"detail": reason}, status, headers)
