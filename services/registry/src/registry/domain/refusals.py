"""What each sender was told of its refused events: one document of bounded size, however much it sends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Self

from pydantic import Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_contracts import EventRejected, RejectionError, derived_id

from registry.domain.source import IntakeRules, Receipt

SUMMED_UP: Final = "refusals-summed-up"
"""Code of the rejection that stands for those which were not told one by one."""
_HOUR: Final = timedelta(hours=1)
_MESSAGE: Final = 500
_MOST_ERRORS: Final = 50


@dataclass(frozen=True, slots=True)
class Sender:
    """Who is answered, as far as it is known.

    There must never be more senders than registered sources and parties with a token, and what is only claimed must
    not use up what a source is told: an authenticated source, a party over HTTP, whoever signs wrongly in the name of
    a registered source, and everybody else together.
    """

    name: str
    source: str | None = None

    @property
    def id(self) -> str:
        """The id of its Refusals."""
        return f"refusals-{derived_id('refusals', self.name)}"


class Refusals(Aggregate):
    """The refusals of one sender. What was refused is not kept, only by which id it was told.

    Up to `refusals_told_per_hour` are told one by one. Those beyond are counted by code and told in one summary when
    the hour is over. The same refusal again is told once, as long as it is among the last `refusals_remembered`.
    """

    topic: ClassVar[str | None] = EventRejected.topic.name

    sender: str
    source: str | None = None
    since: datetime
    told: int = 0
    """How many were told one by one since `since`."""
    remembered: tuple[str, ...] = ()
    untold: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(cls, sender: Sender, now: datetime) -> Self:
        """Begin with a sender that was refused nothing so far."""
        return cls(id=sender.id, sender=sender.name, source=sender.source, since=now)

    def due_at(self) -> datetime | None:
        """Return when the summary is to be told; None while there is nothing to sum up."""
        return self.since + _HOUR if self.untold else None

    def refuse(self, receipt: Receipt, rules: IntakeRules, now: datetime) -> None:
        """Tell a refusal, or count it where enough were told this hour."""
        if receipt.id in self.remembered:
            return
        self.sum_up(now)
        if self.told >= rules.refusals_told_per_hour:
            self.count(receipt)
            return
        self.told += 1
        self.remembered = (*self.remembered, receipt.id)[-rules.refusals_remembered :]
        self.record(_rejection(receipt))

    def count(self, receipt: Receipt) -> None:
        """Count a refusal for the summary."""
        code = receipt.code or ""
        self.untold = {**self.untold, code: self.untold.get(code, 0) + 1}

    def sum_up(self, now: datetime) -> None:
        """Begin a new hour if the present one is over, and tell what was only counted in it."""
        if now < self.since + _HOUR:
            return
        if self.untold:
            self.record(self._summary())
        self.since, self.told, self.untold = now, 0, {}

    def _summary(self) -> EventRejected:
        count = sum(self.untold.values())
        often = sorted(self.untold.items(), key=lambda entry: (-entry[1], entry[0]))
        return EventRejected(
            source=self.source,
            code=SUMMED_UP,
            message=f"自 {self.since:%Y-%m-%dT%H:%M:%SZ} 起一小时内另有 {count} 次拒收，因数量过多未逐条说明。",
            message_en=f"In the hour from {self.since:%Y-%m-%dT%H:%M:%SZ} there were {count} more refusals, "
            "too many to be told one by one.",
            errors=tuple(
                RejectionError(path="", code=code, message=f"{times} 次", message_en=f"{times} times")
                for code, times in often[:_MOST_ERRORS]
            ),
        )


def _rejection(receipt: Receipt) -> EventRejected:
    return EventRejected(
        source=receipt.source or None,
        id=receipt.event or None,
        type=receipt.event_type or None,
        code=receipt.code or "",
        message=(receipt.zh or "")[:_MESSAGE],
        message_en=(receipt.en or "")[:_MESSAGE],
        errors=tuple(
            RejectionError(path=e.path[:_MESSAGE], code=e.code, message=e.zh[:_MESSAGE], message_en=e.en[:_MESSAGE])
            for e in receipt.errors[:_MOST_ERRORS]
        ),
    )
