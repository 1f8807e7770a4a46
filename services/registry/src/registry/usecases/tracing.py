"""The trace an outside event belongs to."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("qianqiao.registry")


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Continue the trace an event names, also where a request of another trace carried it here.

    Inside a span of that trace what follows hangs below that span. An event that names none, and came outside any
    trace, begins one here, so that a park which knows nothing of tracing has its story too.
    """
    here = trace.get_current_span().get_span_context()
    named = _propagator.extract({"traceparent": traceparent}) if traceparent else context.Context()
    told = trace.get_current_span(named).get_span_context()
    if told.trace_id == here.trace_id if told.is_valid else here.is_valid:
        yield
        return
    with _span(named):
        yield


def _span(parent: context.Context) -> AbstractContextManager[trace.Span]:
    return _tracer.start_as_current_span("adopt outside event", context=parent, kind=trace.SpanKind.CONSUMER)
