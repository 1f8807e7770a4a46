"""An OTLP/HTTP collector that keeps the newest traces, and arranges one as a tree."""

import gzip
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from starlette.requests import Request
from starlette.responses import Response

KEPT_TRACES = 5_000
SPANS_PER_TRACE = 2_000
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1e6


class Traces:
    """Spans by trace, newest traces last; the oldest trace goes when there are too many."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, dict[str, Span]] = OrderedDict()

    def add(self, span: Span) -> None:
        """Keep a span; the same one exported twice is kept once."""
        spans = self._traces.setdefault(span.trace_id, {})
        if len(spans) < SPANS_PER_TRACE:
            spans[span.span_id] = span
        while len(self._traces) > KEPT_TRACES:
            self._traces.popitem(last=False)

    def spans(self, trace_id: str) -> list[Span]:
        """The spans of a trace by start; empty when it is unknown."""
        return sorted(self._traces.get(trace_id, {}).values(), key=lambda span: span.start_ns)

    def newest(self, limit: int) -> list[str]:
        """Ids of the newest traces, newest first."""
        return list(reversed(self._traces))[:limit]


def tree(spans: list[Span]) -> Iterator[tuple[int, Span]]:
    """(depth, span) in the order of a tree; a span whose parent never came stands at the root."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    waiting = [(0, span) for span in reversed(children.get("", []))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting.extend((depth + 1, child) for child in reversed(children.get(span.span_id, [])))


def parse(body: bytes) -> list[Span]:
    """Spans of an OTLP export; raises ``DecodeError`` for what is not one."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    found: list[Span] = []
    for resource in request.resource_spans:
        names = {entry.key: text(entry.value) for entry in resource.resource.attributes}
        service = names.get("service.name", "?")
        for scope in resource.scope_spans:
            found.extend(_span(wire, service) for wire in scope.spans)
    return found


def _span(wire: WireSpan, service: str) -> Span:
    return Span(
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        parent_id=wire.parent_span_id.hex(),
        service=service,
        name=wire.name,
        start_ns=wire.start_time_unix_nano,
        end_ns=wire.end_time_unix_nano,
        failed=wire.status.code == wire.status.STATUS_CODE_ERROR,
        attributes={entry.key: text(entry.value) for entry in wire.attributes},
    )


def text(value: AnyValue) -> str:
    """An attribute's value as a person reads it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "array_value":
        return ", ".join(text(entry) for entry in value.array_value.values)
    return str(getattr(value, kind))


class Collector:
    """The ``/v1/traces`` endpoint."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    async def export(self, request: Request) -> Response:
        """Keep the spans of one export."""
        body = await request.body()
        if len(body) > MAX_BYTES:
            return Response(status_code=413)
        try:
            for span in parse(decompress(body, request.headers.get("content-encoding", ""))):
                self._traces.add(span)
        except (DecodeError, OSError, EOFError, zlib.error) as failure:
            return Response(f"not an OTLP export: {type(failure).__name__}", status_code=400)
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type="application/x-protobuf")


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo ``Content-Encoding``: gzip, deflate or none."""
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body
