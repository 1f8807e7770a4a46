"""The trace an outside event belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Continue the trace an event names, also where a request of another trace carried it here.

    Does nothing without a traceparent, or inside a span of that trace already: then what follows hangs below that span.
    """
    if traceparent is None:
        yield
        return
    named = _propagator.extract({"traceparent": traceparent})
    told = trace.get_current_span(named).get_span_context()
    if not told.is_valid or told.trace_id == trace.get_current_span().get_span_context().trace_id:
        yield
        return
    token = context.attach(named)
    try:
        yield
    finally:
        context.detach(token)
