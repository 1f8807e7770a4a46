"""What a service listens to: handlers by event type, by raw topic, by tombstone."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from qianqiao_contracts import Event, EventData

type Headers = tuple[tuple[str, bytes], ...]
type EventHandler = Callable[[Event[Any]], Coroutine[Any, Any, None]]
type RawHandler = Callable[["RawRecord"], Coroutine[Any, Any, None]]
type TombstoneHandler = Callable[[str], Coroutine[Any, Any, None]]


class RawRecord(NamedTuple):
    """A Kafka record as it came. Headers keep their bytes; a null header value arrives as empty bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0

    @property
    def key_text(self) -> str:
        """The key as text, undecodable bytes replaced; empty when there is none."""
        return self.key.decode("utf-8", errors="replace") if self.key else ""

    def header(self, name: str) -> str | None:
        """The last header of that name as text, undecodable bytes replaced; None when absent or empty."""
        for header_name, value in reversed(self.headers):
            if header_name == name and value:
                return value.decode("utf-8", errors="replace")
        return None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One typed handler; `reads` are the data fields it looks at, None for all of them."""

    type: type[EventData]
    handler: EventHandler
    reads: tuple[str, ...] | None


@dataclass(slots=True)
class Subscriptions:
    """Collects the handlers of one service. One handler per type, per raw topic and per tombstone topic.

    Every handler may be called again for the same record (after a crash, a rebalance, a retry), so it must be
    idempotent: `Projection.put` guards by sequence, and what it creates has an id derived from the event.
    An exception parks the record; StoreUnavailable does not: the consumer waits until the store is back.
    """

    typed: dict[type[EventData], Subscription] = field(default_factory=dict)
    raw: dict[str, RawHandler] = field(default_factory=dict)
    tombstones: dict[str, TombstoneHandler] = field(default_factory=dict)

    def on(self, *types: type[EventData], reads: Sequence[str] | None = None) -> Callable[[EventHandler], EventHandler]:
        """Register `async def handler(event: Event[X])` for these types. Raises ValueError when one is taken."""

        def register(handler: EventHandler) -> EventHandler:
            for type_ in types:
                if type_ in self.typed or type_.topic.name in self.raw:
                    raise ValueError(f"{type_.__name__} already has a handler")
                self.typed[type_] = Subscription(type_, handler, None if reads is None else tuple(reads))
            return handler

        return register

    def on_raw(self, topic: str) -> Callable[[RawHandler], RawHandler]:
        """Register `async def handler(record: RawRecord)` for every record of a topic, undecoded, nulls included."""

        def register(handler: RawHandler) -> RawHandler:
            if topic in self.raw or any(type_.topic.name == topic for type_ in self.typed):
                raise ValueError(f"{topic} already has a handler")
            self.raw[topic] = handler
            return handler

        return register

    def on_tombstone(self, topic: str) -> Callable[[TombstoneHandler], TombstoneHandler]:
        """Register `async def handler(key: str)` for null records of a topic: the subject is erased."""

        def register(handler: TombstoneHandler) -> TombstoneHandler:
            if topic in self.tombstones:
                raise ValueError(f"tombstones of {topic} already have a handler")
            self.tombstones[topic] = handler
            return handler

        return register

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic to subscribe to, sorted."""
        return tuple(sorted({*(type_.topic.name for type_ in self.typed), *self.raw, *self.tombstones}))
