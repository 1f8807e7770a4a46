"""The outermost middleware: request id, cause, span, metrics, security headers, and the last net for exceptions."""

import re
import time
from typing import Any

import structlog
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from qianqiao_contracts import new_id
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qianqiao_chassis.auth import Authenticator
from qianqiao_chassis.context import Cause, caused_by, current_traceparent
from qianqiao_chassis.errors import Problem
from qianqiao_chassis.http.problems import InternalError, problem_response
from qianqiao_chassis.http.state import KEY, RequestState, header

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._:\-]{1,128}$")
_TRACE_HEADERS = (b"traceparent", b"tracestate")
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
)
log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("qianqiao_chassis.http")
_propagator = TraceContextTextMapPropagator()
_meter = metrics.get_meter("qianqiao_chassis.http")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Bounds of the histogram: OpenTelemetry's convention for this metric; its default bounds are milliseconds."""
_duration = _meter.create_histogram(
    "http.server.request.duration",
    unit="s",
    description="time to serve an HTTP request",
    explicit_bucket_boundaries_advisory=_SECONDS,
)


class RequestContext:
    """ASGI middleware: everything inside runs under a Cause whose correlation id is the request's id."""

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator, access_log: bool = False) -> None:
        self._app = app
        self._authenticator = authenticator
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = self._state(scope)
        answer = _Answer(state, send)
        started = time.perf_counter()
        span = _tracer.start_span(scope["method"], _propagator.extract(_carrier(scope)), SpanKind.SERVER)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            traceparent = current_traceparent()
            state.trace_id = traceparent.split("-")[1] if traceparent else ""
            with caused_by(Cause(state.request_id, state.request_id, traceparent)):
                await self._serve(scope, receive, answer)
            self._account(scope, span, answer.status, time.perf_counter() - started)

    def _state(self, scope: Scope) -> RequestState:
        given = header(scope, b"x-request-id")
        state = RequestState(given if given and _REQUEST_ID.match(given) else new_id())
        authorization = header(scope, b"authorization")
        state.authenticate = lambda: self._authenticator.caller(authorization)
        scope[KEY] = state
        return state

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer.send)
        except Problem as problem:  # from a middleware; those of routes are answered inside
            await answer.refuse(problem, scope, receive)
        except Exception:
            log.exception("request failed", method=scope["method"], route=_route(scope))
            await answer.refuse(InternalError(), scope, receive)

    def _account(self, scope: Scope, span: trace.Span, status: int, took_s: float) -> None:
        route = _route(scope)
        attributes: dict[str, Any] = {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
        }
        _duration.record(took_s, attributes)
        if span.is_recording():
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes(attributes)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        if self._access_log:
            log.info("request", method=scope["method"], route=route, status=status, took_ms=round(took_s * 1000, 1))


def _carrier(scope: Scope) -> dict[str, str]:
    found = ((name, header(scope, name)) for name in _TRACE_HEADERS)
    return {name.decode(): value for name, value in found if value is not None}


def _route(scope: Scope) -> str:
    """The route's template: a path with ids in it would make a metric of every aggregate."""
    path = getattr(scope.get("route"), "path", None)
    return str(path) if path else "unknown"


class _Answer:
    """The sending side: adds the headers every answer carries, and remembers whether one was begun."""

    def __init__(self, state: RequestState, send: Send) -> None:
        self._state = state
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._headers(message)]}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in message.get("headers", ())}
        headers = [item for item in SECURITY_HEADERS if item[0] not in present]
        headers.append((b"x-request-id", self._state.request_id.encode("latin-1")))
        if self._state.trace_id:
            headers.append((b"x-trace-id", self._state.trace_id.encode("latin-1")))
        return headers

    async def refuse(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Answer with `problem`, unless an answer was already begun (then the broken answer must stay broken)."""
        if self.status == 0:
            await problem_response(problem, self._state)(scope, receive, self.send)
