"""How far the service's store has been followed: what an index remembers of it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Position:
    """Everything stored before `read_at` is in the index.

    With `scanned`, only of the keys up to that one: the index is still being built. The offsets of the consumer group
    are no such position: the processes of a group share the records, so the offsets of one say nothing about what
    another one's index holds.
    """

    read_at: datetime
    scanned: str | None = None

    def __str__(self) -> str:
        """Return the text that `of` reads."""
        scanned = "" if self.scanned is None else f"|{self.scanned}"
        return f"{self.read_at.isoformat()}{scanned}"

    @classmethod
    def of(cls, text: str | None) -> "Position | None":
        """Return the position that an index says, None where it says none."""
        if text is None:
            return None
        read_at, bar, scanned = text.partition("|")
        return cls(datetime.fromisoformat(read_at), scanned if bar else None)
