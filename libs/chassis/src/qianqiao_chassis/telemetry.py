"""OpenTelemetry: traces to a collector, metrics as Prometheus text."""

import os
import socket
from dataclasses import dataclass

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_client import REGISTRY, generate_latest

METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What was set up; `shutdown` sends what is still held."""

    traces: TracerProvider
    meters: MeterProvider

    def shutdown(self) -> None:
        """Send the last spans (waits a few seconds at most) and stop."""
        self.traces.shutdown()
        self.meters.shutdown()


def setup_telemetry(service: str, *, endpoint: str | None, ratio: float) -> Telemetry:
    """Install the providers of this process; call once, before the first span.

    The decision of whoever began a trace is followed; of traces begun here `ratio` are kept. Without `endpoint` spans
    get ids (so that the trace can be followed through logs and events) and go nowhere.
    """
    resource = Resource.create(
        {"service.name": service, "service.namespace": "qianqiao", "service.instance.id": instance_id()}
    )
    traces = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)))
    if endpoint is not None:
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
        traces.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
    trace.set_tracer_provider(traces)
    meters = MeterProvider(resource=resource, metric_readers=[PrometheusMetricReader()])
    metrics.set_meter_provider(meters)
    return Telemetry(traces, meters)


def instance_id() -> str:
    """Name this process among those of its service."""
    return f"{socket.gethostname()}-{os.getpid()}"


def metrics_text() -> bytes:
    """Return the metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
