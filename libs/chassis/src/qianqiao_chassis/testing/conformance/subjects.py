"""The aggregates and events the suites play with."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import Field
from qianqiao_contracts import (
    ContactErased,
    Event,
    EventData,
    NeedPaused,
    NeedResumed,
    NeedWithdrawn,
    decode_strict,
    encode,
    kafka_headers,
    make_event,
)

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.consumer.subscriptions import RawRecord

START = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)
SOURCE = "/services/registry"


class Switch(Aggregate):
    """A thing that is paused and resumed; each change is an event."""

    topic: ClassVar[str | None] = "registry.needs"
    party: str = "party-1"
    paused: bool = False
    changes: int = 0
    number: str | None = None
    wake_at: datetime | None = None
    notes: list[str] = Field(default_factory=list)

    def flip(self) -> None:
        """Change it and record the event."""
        self.paused = not self.paused
        self.changes += 1
        self.record(NeedPaused(party=self.party) if self.paused else NeedResumed(party=self.party))

    def due_at(self) -> datetime | None:
        """See Aggregate."""
        return self.wake_at


class Person(Aggregate):
    """A thing whose erasure leaves a tombstone."""

    topic: ClassVar[str | None] = "registry.contacts"

    def erase(self) -> None:
        """Record the erasing event."""
        self.record(ContactErased(party="party-1", contact=self.id))


def switch(id: str, *, flips: int = 1) -> Switch:
    """A new switch with so many events."""
    made = Switch(id=id)
    for _ in range(flips):
        made.flip()
    return made


def event(subject: str, sequence: int, data: EventData | None = None) -> Event[EventData]:
    """An event of `subject`; the type alternates with the sequence."""
    chosen = data or (NeedPaused(party="party-1") if sequence % 2 else NeedResumed(party="party-1"))
    return make_event(
        chosen, source=SOURCE, subject=subject, sequence=sequence, time=START + timedelta(seconds=sequence)
    )


def record(made: Event[EventData], *, offset: int, partition: int = 0, topic: str = "registry.needs") -> RawRecord:
    """The event as a Kafka record."""
    return RawRecord(topic, partition, offset, made.subject.encode(), encode(made), tuple(kafka_headers(made)), 1)


def sequences(values: list[bytes]) -> dict[str, list[int]]:
    """The sequences of encoded events per subject, in order of appearance; every event must be strictly valid."""
    seen: dict[str, list[int]] = {}
    for value in values:
        read = decode_strict(value)
        seen.setdefault(read.subject, []).append(read.sequence)
    return seen


def firsts(numbers: list[int]) -> list[int]:
    """The numbers in the order of their first appearance."""
    return list(dict.fromkeys(numbers))


__all__ = [
    "SOURCE",
    "START",
    "NeedPaused",
    "NeedResumed",
    "NeedWithdrawn",
    "Person",
    "Switch",
    "event",
    "firsts",
    "record",
    "sequences",
    "switch",
]
