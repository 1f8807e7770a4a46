"""A notice: a fact that a party is to be told of while something to tell it with is still missing.

Contacts, names and titles come on other topics than the fact, and between topics there is no order: after an outage
the fact may well be read first. A notice waits a short grace for them, then goes on with what there is.
"""

from datetime import datetime, timedelta
from typing import Self

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_contracts import derived_id

from notify.domain.planning import Occasion
from notify.domain.rules import Rulebook


class Notice(Aggregate):
    """Publishes nothing. `event` is the fact's event as JSON, dropped when the notice is done."""

    rule: str
    occasion: Occasion
    event: str | None
    missing: list[str]
    give_up_at: datetime
    tries: int = 0
    due: datetime | None = None

    @classmethod
    def waiting(
        cls, rule: str, occasion: Occasion, event: str, missing: list[str], book: Rulebook, now: datetime
    ) -> Self:
        """Return a notice that is looked at again soon, and for the last time when the grace ends."""
        notice = cls(
            id="notice-" + derived_id("notice", occasion.fact, rule, occasion.party),
            rule=rule,
            occasion=occasion,
            event=event,
            missing=missing,
            give_up_at=now + timedelta(seconds=book.grace_s),
        )
        notice.look_again(missing, book, now)
        return notice

    def is_last_try(self, now: datetime) -> bool:
        """Whether the grace is over, so that what is missing stays missing."""
        return now >= self.give_up_at

    def look_again(self, missing: list[str], book: Rulebook, now: datetime) -> None:
        """Note what is still missing and wait twice as long as before, to the end of the grace at most."""
        self.missing = missing
        self.due = min(now + timedelta(seconds=book.grace_step_s * 2**self.tries), self.give_up_at)
        self.tries += 1

    def done(self) -> None:
        """The deliveries exist; nothing more to do."""
        self.event, self.due, self.missing = None, None, []

    def due_at(self) -> datetime | None:
        """When to look again."""
        return self.due
