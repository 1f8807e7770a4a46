"""The cause of what is being done now: it is written into every event that a save records.

A cause is set by the edges (an HTTP request, a consumed record, the due loop) and read by the store.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


@dataclass(frozen=True, slots=True)
class Cause:
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


@contextmanager
def caused_by(cause: Cause) -> Iterator[Cause]:
    """Put `cause` in force for the block (and the tasks started inside it)."""
    token = _current.set(cause)
    try:
        yield cause
    finally:
        _current.reset(token)


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the current span, else of the cause, else None.

    The span comes first so that what a handler writes hangs below the handler's own span.
    """
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
    return _current.get().traceparent


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
    if traceparent is None or not traceparent.endswith("-01"):
        return nullcontext()
    parent = _propagator.extract({"traceparent": traceparent})
    return _tracer.start_as_current_span(name, context=parent, kind=kind, attributes=dict(attributes or {}))
