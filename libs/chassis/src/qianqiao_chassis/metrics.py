"""Instruments of the chassis, made once. They cost next to nothing until a meter provider is set."""

from opentelemetry import metrics

_meter = metrics.get_meter("qianqiao.chassis")

HANDLED = _meter.create_counter("qianqiao.events.handled", description="records whose handler succeeded")
DUPLICATES = _meter.create_counter("qianqiao.events.duplicates", description="events at or below the sequence seen")
GAPS = _meter.create_counter("qianqiao.events.gaps", description="events above the next sequence: loss upstream")
UNKNOWN = _meter.create_counter("qianqiao.events.unknown_type", description="records of a type this version knows not")
IGNORED = _meter.create_counter("qianqiao.events.ignored", description="known events this service has no handler for")
RETRIES = _meter.create_counter("qianqiao.events.retries", description="brief second and third tries of a handler")
PARKED = _meter.create_counter("qianqiao.parked.records", description="records put aside, by reason")
PARKED_KEYS = _meter.create_gauge("qianqiao.parked.keys", description="keys whose records are put aside now")
COMMIT_FAILURES = _meter.create_counter("qianqiao.consumer.commit_failures", description="offset commits refused")
OUTAGES = _meter.create_counter("qianqiao.consumer.interruptions", description="batches cut short, mostly: store away")
LAG = _meter.create_gauge("qianqiao.consumer.lag", description="records behind the end of a partition")
PUBLISHED = _meter.create_counter("qianqiao.relay.published", description="events acknowledged by the broker")
PUBLISH_FAILURES = _meter.create_counter("qianqiao.relay.failures", description="sends the broker did not acknowledge")
CLEAR_ROUNDS = _meter.create_counter("qianqiao.relay.rounds", description="bulk writes that cleared published events")
SWEPT = _meter.create_counter("qianqiao.relay.swept", description="events found by the sweep, not by the write")
OUTBOX_PENDING = _meter.create_gauge("qianqiao.relay.pending", description="events woken and not yet cleared")
OUTBOX_OLDEST = _meter.create_gauge("qianqiao.relay.oldest_age", unit="s", description="age of the oldest stored event")
BODIES_REFUSED = _meter.create_counter("qianqiao.http.bodies_refused", description="bodies the budget had no room for")
DUE_CLAIMED = _meter.create_counter("qianqiao.due.claimed", description="due documents handed to a handler")
DUE_FAILED = _meter.create_counter("qianqiao.due.failed", description="due handlers that raised")
