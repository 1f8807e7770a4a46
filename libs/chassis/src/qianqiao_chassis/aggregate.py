"""An aggregate: one document, its rules, and the events its changes record. Pure."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, PrivateAttr
from qianqiao_contracts import EventData


class Aggregate(BaseModel):
    """Base of every aggregate root. Subclasses add state fields and methods that decide and `record` events.

    Fields unknown to this version are kept in the store and not read (a newer process may have written them).
    """

    # What an aggregate holds may be personal, and errors end up in logs.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    topic: ClassVar[str | None] = None
    """Kafka topic of its events; None publishes nothing, and `record` then refuses."""

    id: str
    revision: int = 0
    """How often it was saved; the optimistic lock and the ETag. Set by the repository."""
    sequence: int = 0
    """How many events it has recorded; the `sequence` of its last event. Set by the repository."""

    _recorded: list[EventData] = PrivateAttr(default_factory=list)

    def record(self, data: EventData) -> None:
        """Add an event of this change; it is stored and published with the next save, in the order of the calls.

        Raises ValueError when the event belongs on another topic than this aggregate's.
        """
        if self.topic is None or data.topic.name != self.topic:
            raise ValueError(f"{type(self).__name__} publishes on {self.topic}, not {type(data).__name__}")
        self._recorded.append(data)

    @property
    def recorded(self) -> tuple[EventData, ...]:
        """What was recorded since the aggregate was loaded or saved."""
        return tuple(self._recorded)

    def clear_recorded(self) -> None:
        """Forget what was recorded; the repository calls it once the events are stored."""
        self._recorded.clear()

    def due_at(self) -> datetime | None:
        """Return when the due loop must look at this aggregate next, None for never. Stored with every save."""
        return None
