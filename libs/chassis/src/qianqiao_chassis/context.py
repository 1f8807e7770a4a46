"""The cause of what is being done now: it is written into every event that a save records.

A cause is set by the edges (an HTTP request, a consumed record, the due loop) and read by the store.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


class Cause(NamedTuple):
    """Why something happens. `correlationid` names the whole story, `causationid` the event or request before this."""

    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None


_tracer = trace.get_tracer("qianqiao.chassis")
_propagator = TraceContextTextMapPropagator()
_NOTHING = Cause()
_current: ContextVar[Cause] = ContextVar("qianqiao_cause", default=_NOTHING)


def current_cause() -> Cause:
    """Return the cause in force; one with three empty fields when none was set."""
    return _current.get()


class caused_by:  # noqa: N801 - used like a function; a class because it is entered for every record consumed
    """Put `cause` in force for the block (and the tasks started inside it). Enter it once."""

    __slots__ = ("_cause", "_token")

    def __init__(self, cause: Cause) -> None:
        self._cause = cause

    def __enter__(self) -> Cause:
        self._token = _current.set(self._cause)
        return self._cause

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the current span, else of the cause, else None.

    The span comes first so that what a handler writes hangs below the handler's own span.
    """
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
    return _current.get().traceparent


def begin[T](work: Coroutine[Any, Any, T], cause: Cause) -> asyncio.Task[T]:
    """Start `work` under `cause`, at once: it may be done when this returns, without a turn of the event loop."""
    token = _current.set(cause)
    try:
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    finally:
        _current.reset(token)


def is_kept(traceparent: str | None) -> bool:
    """Whether the trace is recorded, so that spans of it are worth making."""
    return traceparent is not None and traceparent.endswith("-01")


def continued_span(
    name: str,
    traceparent: str | None,
    *,
    kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    attributes: Mapping[str, str | int] | None = None,
) -> AbstractContextManager[object]:
    """A span below a stored traceparent, made only when that trace is kept.

    A trace that is not kept still travels on through the cause; only its spans are saved.
    """
    if traceparent is None or not is_kept(traceparent):
        return nullcontext()
    parent = _propagator.extract({"traceparent": traceparent})
    return _tracer.start_as_current_span(name, context=parent, kind=kind, attributes=dict(attributes or {}))
