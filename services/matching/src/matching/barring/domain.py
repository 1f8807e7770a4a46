"""The list of parties that one party never wants to be matched with."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self, override

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid


class DoNotMatch(Aggregate):
    """One party's list; its id is the party's. It publishes nothing: nobody learns that they are on it."""

    others: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Those put on or taken off since what follows from it was seen to."""
    changed_at: datetime | None = None
    again: bool = False
    """Whether it was seen to once and is waiting for the second time."""

    @classmethod
    def of(cls, party: str) -> Self:
        """Return an empty list."""
        return cls(id=party)

    @override
    def due_at(self) -> datetime | None:
        """What follows from a change is seen to as soon as may be, and once more."""
        return self.changed_at

    def state(self, others: Iterable[str], now: datetime) -> None:
        """Say whom it holds from now on. Raises Invalid (`not-match-self`) for the party itself."""
        wanted = set(others)
        if self.id in wanted:
            zh, en = "不能把本单位列入自己的名单。", "A party cannot be on its own list."
            raise Invalid("not-match-self", zh, en, errors=[FieldError("body.parties", "not-match-self", zh, en)])
        turned = wanted ^ set(self.others)
        if turned:
            self.others = tuple(sorted(wanted))
            self.changed = tuple(sorted({*self.changed, *turned}))
            self.changed_at, self.again = now, False

    def seen_to(self, seen: Self, again_at: datetime) -> None:
        """Note that what follows from the list as it was `seen` is done, unless it was changed since.

        It is seen to twice, the second time when what was being written the first time is there.
        """
        if self.revision != seen.revision:
            return
        if seen.again:
            self.changed, self.changed_at, self.again = (), None, False
        else:
            self.changed_at, self.again = again_at, True
