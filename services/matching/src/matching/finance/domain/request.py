"""A firm's request for finance, and item by item who may see what of it, until when."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, override

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Forbidden, Refused
from qianqiao_contracts import MoneyRange

from matching.engine.tables import table
from matching.finance.domain.offer import Offer, raise_all, unknown_codes
from matching.policies.domain.facts import Key

_LIMITS: Final = table("finance")["limits"]


class RequestState(StrEnum):
    """Where a request stands."""

    OPEN = "open"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class RequestTerms(BaseModel):
    """What is sought. No amount: to be negotiated. `exclusive`: with one finance party at a time."""

    model_config = ConfigDict(frozen=True)

    amount: MoneyRange | None = None
    term_months: int | None = None
    purpose: str
    collateral: tuple[str, ...] = ()
    capital: tuple[str, ...] = ()
    exclusive: bool = False
    expires_at: datetime


class Grant(BaseModel):
    """The firm's consent that one finance party sees one item, for all its offers or for one, until a moment."""

    model_config = ConfigDict(frozen=True)

    item: Key
    to: str
    offer: str | None = None
    until: datetime

    def covers(self, party: str, offer: str, now: datetime) -> bool:
        """Whether it lets this finance party see the item for this offer now."""
        return self.to == party and self.offer in (None, offer) and now < self.until


class Said(BaseModel):
    """One line of the log of consent: what was granted or revoked, by whom and when. Values are not repeated in it."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    subject: str
    act: str
    grant: Grant | None = None


class Viewed(BaseModel):
    """One view by a finance party: who saw which items, and when."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    party: str
    subject: str
    match: str
    items: tuple[Key, ...]


class Request(Aggregate):
    """One request of one firm. It publishes nothing; nobody but the firm sees it whole."""

    party: str
    terms: RequestTerms
    state: RequestState = RequestState.OPEN
    matching: bool = False
    """Whether the firm consented to finance matching for this request at all."""
    grants: tuple[Grant, ...] = ()
    said: tuple[Said, ...] = ()
    viewed: tuple[Viewed, ...] = ()
    changed_at: datetime | None = None
    checked_at: datetime | None = None
    marks: int = 0

    @classmethod
    def make(cls, id: str, party: str, terms: RequestTerms, now: datetime) -> "Request":
        """Return a new request; nobody sees any of it yet. Raises Invalid."""
        request = cls(id=id, party=party, terms=terms)
        request.revise(party, terms, now)
        return request

    @override
    def due_at(self) -> datetime | None:
        """It is looked at when anything about it changed, when a consent runs out, and when it ends."""
        if self.state is not RequestState.OPEN:
            return self.changed_at
        moments = {self.terms.expires_at, *(grant.until for grant in self.grants)}
        coming = [at for at in moments if self.checked_at is None or at > self.checked_at]
        return min([*coming, *([] if self.changed_at is None else [self.changed_at])], default=None)

    @property
    def digest(self) -> str:
        """Name its material terms."""
        said = self.terms.model_dump_json(exclude={"expires_at"})
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def stands(self, now: datetime) -> bool:
        """Whether it is still sought."""
        return self.state is RequestState.OPEN and now < self.terms.expires_at

    def shown_to(self, party: str, offer: str, now: datetime) -> frozenset[Key]:
        """Return the items that a finance party may see for an offer now."""
        if not self.matching or not self.stands(now):
            return frozenset()
        return frozenset(grant.item for grant in self.grants if grant.covers(party, offer, now))

    def revise(self, party: str, terms: RequestTerms, now: datetime) -> None:
        """Say anew what is sought. Raises Forbidden, Refused once it is closed, Invalid."""
        self._mine(party)
        self._open()
        check_request(terms, now)
        self.terms = terms
        self.mark(now)

    def withdraw(self, party: str, now: datetime) -> None:
        """Seek no more; again, it changes nothing. Raises Forbidden."""
        self._mine(party)
        if self.state is RequestState.OPEN:
            self.state = RequestState.WITHDRAWN
            self.mark(now)

    def consent(self, party: str, subject: str, matching: bool, grants: Iterable[Grant], now: datetime) -> None:
        """Say who may see what from now on; what is not named is revoked. Raises Forbidden, Refused, Invalid."""
        self._mine(party)
        self._open()
        wanted = tuple(sorted(set(grants), key=lambda grant: grant.model_dump_json()))
        _check_grants(wanted, now)
        before, after = set(self.grants), set(wanted)
        lines = [Said(at=now, subject=subject, act="revoked", grant=each) for each in self.grants if each not in after]
        lines += [Said(at=now, subject=subject, act="granted", grant=each) for each in wanted if each not in before]
        if matching != self.matching:
            lines.append(Said(at=now, subject=subject, act="matching_on" if matching else "matching_off"))
        if lines:
            self.matching, self.grants = matching, wanted
            self.said = (*self.said, *lines)[-_LIMITS["log_entries"] :]
            self.mark(now)

    def view(self, offer: Offer, match: str, subject: str, now: datetime) -> frozenset[Key]:
        """Record that the finance party of `offer` looks, and return what it may see. Raises Refused if nothing."""
        items = self.shown_to(offer.party, offer.id, now)
        if not items:
            raise Refused(
                "consent-ended", "企业没有授权，或授权已撤回、到期。", "The firm gave no consent, or it has ended."
            )
        seen = Viewed(at=now, party=offer.party, subject=subject, match=match, items=tuple(sorted(items)))
        self.viewed = (*self.viewed, seen)[-_LIMITS["view_entries"] :]
        return items

    def mark(self, due: datetime) -> None:
        """Have it looked at, at `due` or before."""
        self.changed_at = due if self.changed_at is None else min(self.changed_at, due)
        self.marks += 1

    def seen_to(self, marks: int, now: datetime) -> None:
        """Note that it was looked at, at `now` and since its `marks`th mark."""
        if self.marks == marks:
            self.changed_at, self.checked_at = None, now
        if self.state is RequestState.OPEN and now >= self.terms.expires_at:
            self.state = RequestState.EXPIRED

    def _mine(self, party: str) -> None:
        if party != self.party:
            raise Forbidden("not-your-request", "这不是贵单位的融资需求。", "This is not your request.")

    def _open(self) -> None:
        if self.state is not RequestState.OPEN:
            raise Refused("request-closed", "该融资需求已撤回或到期。", "This request was withdrawn or has ended.")


def check_request(terms: RequestTerms, now: datetime) -> None:
    """Raise Invalid, naming every field that cannot be taken and why."""
    errors = [
        *unknown_codes("purpose", [terms.purpose], "purpose"),
        *unknown_codes("collateral", terms.collateral),
        *unknown_codes("capital", terms.capital),
    ]
    if terms.amount is not None and (terms.amount.min_fen is None or terms.amount.max_fen is None):
        zh, en = "请写明金额的下限和上限；未定则不填，视为面议。", "Give both ends, or leave it out: to be negotiated."
        errors.append(FieldError("body.amount", "amount-open", zh, en))
    if terms.expires_at <= now:
        zh, en = "截止时间须在将来。", "It must end in the future."
        errors.append(FieldError("body.expires_at", "request-over", zh, en))
    raise_all(errors)


def _check_grants(grants: Sequence[Grant], now: datetime) -> None:
    """A consent that is over already, or for an item given two ends, is a mistake: say so rather than guess."""
    errors: list[FieldError] = []
    seen: set[tuple[Key, str, str | None]] = set()
    for place, grant in enumerate(grants):
        path = f"body.grants[{place}]"
        if grant.until <= now:
            zh, en = "授权的截止时间须在将来。", "A consent must end in the future."
            errors.append(FieldError(f"{path}.until", "consent-over", zh, en))
        if (grant.item, grant.to, grant.offer) in seen:
            zh, en = "同一项对同一对象授权了两次。", "The same item is granted to the same party twice."
            errors.append(FieldError(path, "consent-twice", zh, en))
        seen.add((grant.item, grant.to, grant.offer))
    raise_all(errors)
