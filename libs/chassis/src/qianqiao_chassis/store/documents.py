"""An aggregate as a document, and its events as entries of the document's outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from qianqiao_contracts import ContractError, Event, EventData, encode, kafka_headers, make_event

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.context import current_cause, current_traceparent
from qianqiao_chassis.errors import TooLarge
from qianqiao_chassis.store.client import Document

_BOOKKEEPING = frozenset({"id", "revision", "sequence"})


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event that is stored and not yet known to be published. `erases`: a tombstone follows it."""

    sequence: int
    at: datetime
    body: bytes
    headers: tuple[tuple[str, bytes], ...]
    erases: bool = False

    def document(self) -> Document:
        """As it is stored."""
        stored = {"s": self.sequence, "at": self.at, "body": self.body, "headers": dict(self.headers)}
        return {**stored, "erases": True} if self.erases else stored

    @staticmethod
    def of(document: Mapping[str, Any]) -> "OutboxEntry":
        """As it was stored."""
        headers = tuple(document["headers"].items())
        return OutboxEntry(document["s"], document["at"], document["body"], headers, document.get("erases", False))


def entries_of(aggregate: Aggregate, *, source: str, now: datetime) -> list[OutboxEntry]:
    """Put what the aggregate recorded into envelopes, numbered after its present sequence.

    The envelope is encoded once, here: whatever publishes it later publishes the same bytes.
    Raises TooLarge when an event is larger than the broker takes.
    """
    recorded = aggregate.recorded
    if not recorded:
        return []
    cause = current_cause()
    traceparent = current_traceparent()
    moment = now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000)
    entries = []
    for number, data in enumerate(recorded, start=aggregate.sequence + 1):
        event = make_event(
            data,
            source=source,
            subject=aggregate.id,
            sequence=number,
            correlationid=cause.correlationid,
            causationid=cause.causationid,
            traceparent=traceparent,
            time=moment,
        )
        entries.append(OutboxEntry(number, moment, _encoded(event), tuple(kafka_headers(event)), data.erases))
    return entries


def _encoded(event: Event[EventData]) -> bytes:
    try:
        return encode(event)
    except ContractError as error:
        raise TooLarge(error.code, error.zh, error.en) from error


def state_of(aggregate: Aggregate) -> Document:
    """The state fields as JSON values. Raises pydantic_core.PydanticSerializationError for a value of a wrong type."""
    return aggregate.model_dump(mode="json", exclude=set(_BOOKKEEPING), warnings="error")


def split_absent(kind: type[Aggregate], state: Document) -> tuple[Document, list[str]]:
    """The fields to store, and those to leave out: None where None is the default.

    What is absent does not take part in a unique index, so two parties without a number do not collide.
    """
    absent = [name for name in _optional_fields(kind) if state.get(name) is None]
    return {name: value for name, value in state.items() if name not in absent}, absent


def aggregate_of[A: Aggregate](kind: type[A], document: Mapping[str, Any]) -> A:
    """The aggregate as it was stored. Raises pydantic.ValidationError when the state no longer fits the class."""
    state = {name: value for name, value in document.items() if not name.startswith("_")}
    return kind.model_validate(
        {**state, "id": document["_id"], "revision": document["_rev"], "sequence": document["_seq"]}
    )


def outbox_of(document: Mapping[str, Any]) -> Sequence[OutboxEntry]:
    """The document's unpublished events, oldest first."""
    return [OutboxEntry.of(entry) for entry in document.get("_outbox") or ()]


@cache
def _optional_fields(kind: type[Aggregate]) -> frozenset[str]:
    return frozenset(
        name
        for name, field in kind.model_fields.items()
        if not field.is_required() and field.default is None and field.default_factory is None
    )
