"""An offer of finance: what a bank, fund or guarantor gives, to whom, on which conditions."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import override

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Forbidden, Invalid, Refused
from qianqiao_contracts import Condition, MoneyRange

from matching.engine.tables import table


class OfferState(StrEnum):
    """Where an offer stands."""

    OPEN = "open"
    WITHDRAWN = "withdrawn"


class OfferTerms(BaseModel):
    """What is offered. Terms are in months, money in fen; `collateral` names what suffices, any one of it."""

    model_config = ConfigDict(frozen=True)

    title: str
    capital: str
    amount: MoneyRange | None = None
    term_min: int | None = None
    term_max: int | None = None
    collateral: tuple[str, ...] = ()
    conditions: Condition | None = None
    valid_until: datetime


class Offer(Aggregate):
    """One offer of one finance party."""

    party: str
    terms: OfferTerms
    state: OfferState = OfferState.OPEN
    changed_at: datetime | None = None
    """When it changed, until the requests concerned have been looked at."""
    marks: int = 0

    @classmethod
    def make(cls, id: str, party: str, terms: OfferTerms, now: datetime) -> "Offer":
        """Return a new offer. Raises Invalid, naming every field that cannot be taken."""
        offer = cls(id=id, party=party, terms=terms)
        offer.revise(party, terms, now)
        return offer

    @override
    def due_at(self) -> datetime | None:
        """The requests concerned are looked at when it changed, and when it ends."""
        if self.changed_at is not None:
            return self.changed_at
        return self.terms.valid_until if self.state is OfferState.OPEN else None

    def stands(self, now: datetime) -> bool:
        """Whether it can be taken up."""
        return self.state is OfferState.OPEN and now < self.terms.valid_until

    @property
    def digest(self) -> str:
        """Name its material terms: all but the title and how long it stands."""
        return _digest(self.terms.model_dump_json(exclude={"title", "valid_until"}))

    def revise(self, party: str, terms: OfferTerms, now: datetime) -> None:
        """Say anew what is offered. Raises Forbidden, Refused once withdrawn, Invalid."""
        self._mine(party)
        if self.state is not OfferState.OPEN:
            raise Refused("offer-withdrawn", "该产品已下架。", "This offer was withdrawn.")
        check_offer(terms, now)
        self.terms = terms
        self._mark(now)

    def withdraw(self, party: str, now: datetime) -> None:
        """Take it off the list; again, it changes nothing. Raises Forbidden."""
        self._mine(party)
        if self.state is OfferState.OPEN:
            self.state = OfferState.WITHDRAWN
            self._mark(now)

    def seen_to(self, marks: int, now: datetime) -> None:
        """Note that the requests concerned were looked at since its `marks`th change, and whether its time is over."""
        if self.marks == marks:
            self.changed_at = None
            if now >= self.terms.valid_until:
                self.state = OfferState.WITHDRAWN

    def _mark(self, now: datetime) -> None:
        self.changed_at, self.marks = now, self.marks + 1

    def _mine(self, party: str) -> None:
        if party != self.party:
            raise Forbidden("not-your-offer", "这不是贵机构的产品。", "This is not your offer.")


def check_offer(terms: OfferTerms, now: datetime) -> None:
    """Raise Invalid, naming every field that cannot be taken and why."""
    errors = [*unknown_codes("capital", [terms.capital], "capital"), *unknown_codes("collateral", terms.collateral)]
    least, most = terms.term_min, terms.term_max
    if least is not None and most is not None and least > most:
        zh, en = "最短期限长于最长期限。", "The shortest term is longer than the longest."
        errors.append(FieldError("body.term_min", "term-reversed", zh, en))
    if terms.valid_until <= now:
        zh, en = "有效期须在将来。", "It must stand for a while yet."
        errors.append(FieldError("body.valid_until", "offer-over", zh, en))
    raise_all(errors)


def unknown_codes(name: str, codes: "list[str] | tuple[str, ...]", path: str | None = None) -> list[FieldError]:
    """Return an error for each code that the table `name` of data/finance.toml does not hold."""
    known = table("finance")[name]["codes"]
    listed = "、".join(f"{code}（{entry['zh']}）" for code, entry in known.items())
    zh, en = f"代码须为：{listed}。", f"Known codes are: {', '.join(known)}."
    return [
        FieldError(f"body.{path or f'{name}[{place}]'}", "finance-code-unknown", zh, en)
        for place, code in enumerate(codes)
        if code not in known
    ]


def raise_all(errors: list[FieldError]) -> None:
    """Raise Invalid for these errors, if there are any."""
    if errors:
        raise Invalid(errors[0].code, errors[0].zh, errors[0].en, errors=errors)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
