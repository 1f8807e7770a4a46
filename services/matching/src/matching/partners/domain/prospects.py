"""Whom a party would have as partners, and the reminder to look anew."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Self, override

from qianqiao_chassis.aggregate import Aggregate

from matching.partners.domain.evidence import Prospect, wanted


class Prospects(Aggregate):
    """One party's best prospects; its id is the party's. Two that want each other are proposed to each other."""

    wanted: tuple[Prospect, ...] = ()
    due: datetime | None = None
    spread: bool = False
    """Whether its own listings changed, so that others may want it more, or less, than they do."""
    marks: int = 0
    looked: int = 0
    """The marks that were known when `wanted` was found."""
    looked_at: datetime | None = None
    """When the last look began."""
    looking: bool = False
    """Whether it is not over yet, or was never finished."""

    @classmethod
    def marked(cls, party: str, due: datetime, *, spread: bool) -> Self:
        """Return the record of a party that is to be looked at for the first time."""
        record = cls(id=party)
        record.mark(due, spread=spread)
        return record

    @override
    def due_at(self) -> datetime | None:
        """When to look anew."""
        return self.due

    def mark(self, due: datetime, *, spread: bool, rest: timedelta = timedelta()) -> None:
        """Have it looked at, at `due` or before; what can wait is left until it has had its `rest` after a look."""
        due = self._rested(due, rest)
        self.due = due if self.due is None else min(self.due, due)
        self.marks, self.spread = self.marks + 1, self.spread or spread

    def awaits(self, due: datetime, *, spread: bool, rest: timedelta) -> bool:
        """Tell whether the look that such a mark would ask for is going to come anyway: one that has begun may not see
        what changed, so whatever changes meanwhile marks it.
        """
        if self.looking or self.due is None or (spread and not self.spread):
            return False
        return self.due <= self._rested(due, rest)

    def _rested(self, due: datetime, rest: timedelta) -> datetime:
        return due if self.looked_at is None else max(due, self.looked_at + rest)

    def begin(self, now: datetime, lease: timedelta) -> None:
        """Begin a look; if it is not over by the end of its lease, another one has to do it."""
        self.looked_at, self.due, self.looking = now, now + lease, True

    def want(self, found: tuple[Prospect, ...], marks: int) -> None:
        """Take in what was found by a look that began when there were so many marks; a later look knows better."""
        if marks >= self.looked:
            self.wanted, self.looked = found, marks

    def done(self, begun: Self) -> None:
        """Clear the reminder, unless it was asked for again since the look began."""
        self.looking = False
        if self.marks == begun.marks:
            self.due, self.spread = None, False

    def for_other(self, party: str) -> Prospect | None:
        """Return the prospect of `party`, None where it is not among the best."""
        return next((each for each in self.wanted if each.other == party), None)

    def would_change(self, party: str, found: Prospect | None) -> bool:
        """Tell whether looking anew would come to something else, now that `found` is what speaks for `party`."""
        held = self.for_other(party)
        if held is not None or found is None:
            return held != found
        return any(each.other == party for each in wanted([*self.wanted, found]))


def mutual(records: Mapping[str, Prospects], one: str, other: str) -> Prospect | None:
    """Return what speaks for the two, told by the first by name, where each is among the best of the other."""
    first, second = (records.get(party) for party in sorted((one, other)))
    if first is None or second is None or second.for_other(first.id) is None:
        return None
    return first.for_other(second.id)
