"""The event envelope (CloudEvents 1.0, structured JSON) and what every event's data has in common."""

import os
import re
import time as _time
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints, TypeAdapter

from qianqiao_contracts._data import limit, pattern
from qianqiao_contracts.topics import Topic
from qianqiao_contracts.values import Id, UtcDatetime, Value

CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"

MAX_EVENT_BYTES: Final = limit("event.max_bytes")
"""Greatest size of an encoded event. Kafka refuses a batch above about 1 MiB by default, headers and framing included;
staying below it means that what was stored in an outbox can always be published."""

_TRACEPARENT: Final = re.compile(pattern("traceparent"))

_NAMESPACE: Final = UUID("6f2d3b0e-5c1a-5f67-9d43-1b7c4f0a8e21")


def known_traceparent[V](value: V) -> V | None:
    """The value, but None for a text that is no W3C trace context.

    A broken one begins a new trace instead of refusing the event (W3C Trace Context 4.3), and travels no further: it is
    written into headers of records, requests and mails.
    """
    return None if isinstance(value, str) and _TRACEPARENT.fullmatch(value) is None else value


class EventData(Value):
    """What an event says, beyond its envelope. One subclass per event type and version."""

    event_type: ClassVar[str]
    """Full type of the envelope, such as ``qianqiao.NeedPosted.v1``."""
    topic: ClassVar[Topic]
    """The topic its owner publishes it to."""
    erases: ClassVar[bool] = False
    """Whether a null record (tombstone) follows under the same key, so that compaction removes what was there."""
    zh: ClassVar[str]
    """What happened, in one Chinese sentence; the class docstring says it in English."""


class Event[D: EventData](BaseModel):
    """A CloudEvents 1.0 envelope around ``data``.

    Unknown attributes of the envelope are dropped when reading, because CloudEvents lets every system add its own
    extensions; unknown fields inside ``data`` are refused unless read by :func:`decode`.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True, serialize_by_alias=True
    )

    specversion: Literal["1.0"] = Field(description="CloudEvents 版本 · CloudEvents version")
    id: Id = Field(description="事件标识，与 source 一起唯一 · Unique together with source")
    source: Id = Field(description="来源，如 /services/registry、/parks/… · Who publishes it")
    type: Id = Field(description="事件类型及版本 · Event type with its version")
    subject: Id = Field(description="聚合标识，即 Kafka 键 · Id of the aggregate, and the Kafka key")
    time: UtcDatetime = Field(description="发生时间（UTC） · When it happened")
    datacontenttype: Literal["application/json"] = Field(
        default="application/json", description="数据格式 · Format of data"
    )
    dataschema: Annotated[str, StringConstraints(max_length=limit("text.url"))] | None = Field(
        default=None, description="数据模式 · Where the schema of data is"
    )
    sequence: Annotated[int, Strict(), Field(ge=1, le=limit("number.max_exact_integer"))] = Field(
        description="该 subject 的第几个事件，从 1 起，无缺号 · Counts the subject's events: 1, 2, 3 …"
    )
    correlationid: Id | None = Field(default=None, description="同一件事的事件共用 · Shared by the events of one story")
    causationid: Id | None = Field(default=None, description="由哪个事件或请求引起 · What led to this")
    traceparent: Annotated[
        Annotated[str, StringConstraints(max_length=limit("identifier.max"))] | None, BeforeValidator(known_traceparent)
    ] = Field(default=None, description="W3C 追踪上下文 · W3C trace context")
    data: D


@cache
def event_class[D: EventData](data_class: type[D]) -> type[Event[D]]:
    """The envelope class for one type of data (built once: pydantic compiles a validator for each)."""
    return Event[data_class]  # type: ignore[valid-type]


@cache
def adapter[D: EventData](data_class: type[D]) -> TypeAdapter[Event[D]]:
    """The compiled reader and writer of one event type."""
    return TypeAdapter(event_class(data_class))


def schema_path(event_type: str) -> str:
    """The ``dataschema`` of an event type."""
    return f"/schemas/{event_type}.json"


def new_id() -> str:
    """A fresh UUIDv7: unique, and sorting by the millisecond it was made in."""
    milliseconds = _time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def derived_id(*parts: str) -> str:
    """The same UUIDv5 for the same parts, so that doing a thing twice makes one thing.

    Parts are joined with their lengths: ("ab", "c") and ("a", "bc") differ.
    """
    return str(uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


def make_event[D: EventData](
    data: D,
    *,
    source: str,
    subject: str,
    sequence: int,
    correlationid: str | None = None,
    causationid: str | None = None,
    traceparent: str | None = None,
    id: str | None = None,
    time: datetime | None = None,
) -> Event[D]:
    """Puts ``data`` into its envelope.

    ``id`` is a new UUIDv7 and ``time`` the present (milliseconds) unless given; without ``correlationid`` the event
    begins a story of its own. Raises pydantic.ValidationError where an attribute breaks the envelope's rules, such as
    a time without an offset or a sequence below 1.
    """
    data_class = type(data)
    identity = id or new_id()
    return event_class(data_class)(
        specversion="1.0",
        id=identity,
        source=source,
        type=data_class.event_type,
        subject=subject,
        time=time or _now(),
        dataschema=schema_path(data_class.event_type),
        sequence=sequence,
        correlationid=correlationid or identity,
        causationid=causationid,
        traceparent=traceparent,
        data=data,
    )


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def kafka_headers(event: Event[EventData]) -> list[tuple[str, bytes]]:
    """Record headers that let a tool route without parsing. The body stays the truth where they differ."""
    headers = [
        ("content-type", CONTENT_TYPE.encode()),
        ("ce_id", event.id.encode()),
        ("ce_type", event.type.encode()),
        ("ce_source", event.source.encode()),
    ]
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers


def data_class_of[D: EventData](event: Event[D]) -> type[D]:
    """The data class an event carries."""
    return type(event.data)
