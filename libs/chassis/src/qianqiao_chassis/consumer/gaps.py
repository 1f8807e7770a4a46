"""Sequences as they arrive: duplicates are normal, a gap means that an event was lost before it came here."""

from collections import OrderedDict
from typing import Final, Literal

type Arrival = Literal["first", "next", "duplicate", "gap"]

_SUBJECTS: Final = 100_000


class GapDetector:
    """Remembers the highest sequence per subject, of the subjects seen last.

    It knows nothing of what other processes saw, so it must forget when partitions change hands.
    """

    def __init__(self, capacity: int = _SUBJECTS) -> None:
        self._highest: OrderedDict[str, int] = OrderedDict()
        self._capacity = capacity

    def observe(self, subject: str, sequence: int) -> Arrival:
        """Take note of an event and say how its sequence follows the last one of its subject."""
        seen = self._highest.get(subject)
        if seen is not None and sequence <= seen:
            return "duplicate"
        self._highest[subject] = sequence
        self._highest.move_to_end(subject)
        if seen is None:
            if len(self._highest) > self._capacity:
                self._highest.popitem(last=False)
            return "first"
        return "next" if sequence == seen + 1 else "gap"

    def forget(self) -> None:
        """Forget everything: what comes next may follow events that another process handled."""
        self._highest.clear()
