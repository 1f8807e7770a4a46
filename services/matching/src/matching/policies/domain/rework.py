"""What has to be looked at again: one policy for every firm, or everything once a day."""

from datetime import datetime
from typing import Final, Self, override

from qianqiao_chassis.aggregate import Aggregate

from matching.policies.domain.windows import day_after

EVERYTHING: Final = "everything"


class Rework(Aggregate):
    """A reminder. Its id is a policy's, or EVERYTHING. `marks` counts how often it was asked for."""

    due: datetime | None = None
    marks: int = 0

    @classmethod
    def daily(cls, now: datetime) -> Self:
        """Return the reminder to look at everything when the issuer's next day begins: windows open and close, years
        turn, facts lapse."""
        return cls(id=EVERYTHING, due=day_after(now))

    @override
    def due_at(self) -> datetime | None:
        """When."""
        return self.due

    def mark(self, now: datetime) -> None:
        """Ask for it as soon as may be."""
        self.due, self.marks = now, self.marks + 1

    def done(self, seen: Self, now: datetime) -> None:
        """Clear it, unless it was asked for again since; the daily one moves to the next day."""
        if self.marks == seen.marks:
            self.due = day_after(now) if self.id == EVERYTHING else None
