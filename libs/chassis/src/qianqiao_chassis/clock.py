"""Time as a dependency: rules are given the time, and tests move it."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time as an aware UTC datetime."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's present instant in UTC."""
        return datetime.now(UTC)


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be aware: give it a time zone")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant set last."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move forward by `by` (never backwards: ValueError) and return the new instant."""
        if by < timedelta(0):
            raise ValueError("time does not run backwards")
        self._now += by
        return self._now
