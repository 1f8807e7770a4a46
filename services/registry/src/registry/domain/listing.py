"""What needs and results have in common: a life cycle with a clock, who may see them, and two-sided settlement."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid, Refused
from qianqiao_contracts import Reason, Visibility

from registry.domain import settlement as sides
from registry.domain.lifecycle import CLOCK, Actor, Machine, Transition, appended
from registry.domain.settlement import Settlement
from registry.domain.text import contact_data

MAX_HEARD = 200
"""Outside events remembered per record. A repeat older than that is still recognised by its receipt."""


class ListingRules(BaseModel):
    """How long a listing counts as current; see data/listings.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    expires_after_days: int = Field(ge=1)
    prompt_before_days: int = Field(ge=0)


class Origin(BaseModel):
    """The outside system a record came from, and what it is called there."""

    model_config = ConfigDict(frozen=True)

    source: str
    subject: str


class Sight(StrEnum):
    """How much of a listing someone may see."""

    ALL = "all"
    SUMMARY = "summary"
    NOTHING = "nothing"


class Listing(Aggregate):
    """Base of Need and Result. Its machine says which steps are possible; its subclasses record the events.

    `confirm_from` is when its owner should be asked whether it still holds, `expires_at` when it stops being shown.
    """

    machine: ClassVar[Machine]

    status: str = "published"
    last_confirmed: datetime
    confirm_from: datetime
    expires_at: datetime
    origin: Origin | None = None
    heard: tuple[str, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    log: tuple[Transition, ...] = ()
    bands: list[str] = Field(default_factory=list)
    """Fingerprint of its text; under 摘要公开 also that of what strangers read of it (see duplicates.shown_bands)."""

    @property
    @abstractmethod
    def owners(self) -> tuple[str, ...]:
        """The parties it belongs to, at least one."""

    @property
    @abstractmethod
    def visibility(self) -> Visibility:
        """Who may see it."""

    @property
    @abstractmethod
    def audience(self) -> tuple[str, ...]:
        """The parties a targeted listing is addressed to."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Its title."""

    @abstractmethod
    def compared_text(self, sight: Sight) -> str:
        """The text that is screened for near-duplicates, as far as somebody may read it who sees `sight` of it."""

    def due_at(self) -> datetime | None:
        """Return when it expires unless confirmed before; None while it is not shown."""
        return self.expires_at if self.machine.moves.get((self.status, "expire")) else None

    def sight_of(self, party: str | None, *, operator: bool = False) -> Sight:
        """Return how much of it a caller may see.

        Owners and operators see all. Others: public, all; summary, the public summary; targeted, all for the parties
        it is addressed to; else nothing. A partner in a settlement sees what it is asked to confirm.
        """
        partners = {partner for settlement in self.settlements for partner in settlement.partners}
        if operator or party in self.owners or (party is not None and party in partners):
            return Sight.ALL
        if self.visibility is Visibility.PUBLIC:
            return Sight.ALL
        if self.visibility is Visibility.SUMMARY:
            return Sight.SUMMARY
        addressed = self.visibility is Visibility.TARGETED and party in self.audience
        return Sight.ALL if addressed else Sight.NOTHING

    def has_heard(self, event_id: str) -> bool:
        """Tell whether this outside event was already taken in; a crash before its receipt makes it come again."""
        return event_id in self.heard

    def hear(self, event_id: str) -> None:
        """Remember an outside event as taken in."""
        self.heard = (*self.heard, event_id)[-MAX_HEARD:]

    def expire(self, now: datetime) -> None:
        """Take it off the lists because its time has passed. Raises Refused (code `not-due`) before that."""
        after = self.machine.target(self.status, "expire")
        if now < self.expires_at:
            raise Refused(
                "not-due",
                f"{self.machine.thing.zh}的有效期到 {self.expires_at:%Y-%m-%d}，尚未到期。",
                f"The {self.machine.thing.en} is valid until {self.expires_at:%Y-%m-%d}.",
            )
        self._enter(after, "expire", CLOCK, now)
        self._expired()

    def await_settlement(self, new: Settlement) -> bool:
        """Keep a settlement that both sides still have to confirm; False when there is nothing to wait for any more."""
        if self.machine.moves.get((self.status, self._settling_step(new))) is None:
            return False
        self.settlements = sides.opened(self.settlements, new)
        return True

    def propose_settlement(self, new: Settlement, by: Actor, now: datetime) -> None:
        """One side says it happened. Raises Refused, Forbidden (`not-a-side`), Conflict (`too-many-settlements`)."""
        self.machine.target(self.status, self._settling_step(new))
        self.settlements = sides.opened(self.settlements, new)
        self.confirm_settlement(new.id, by, now)

    def confirm_settlement(self, id_: str, by: Actor, now: datetime) -> None:
        """Give one side's yes; with the second side's yes the record is settled.

        A yes given again, or after it was settled, changes nothing. Raises NotFound (`settlement-not-found`),
        Forbidden (`not-a-side`), Refused.
        """
        settlement = sides.pick(self.settlements, id_)
        sides.require_side(settlement, self.owners, by.party or "")
        if settlement.settled_at is not None:
            return
        step = self._settling_step(settlement)
        after = self.machine.target(self.status, step)
        settlement = settlement.confirmed(by.party or "")
        complete = settlement.is_complete(self.owners)
        if complete:
            settlement = settlement.model_copy(update={"settled_at": now})
        self.settlements = sides.replaced(self.settlements, settlement)
        if complete:
            self._enter(after, step, by, now)
            self._settled(settlement)

    def drop_settlement(self, id_: str) -> None:
        """Stop waiting for a settlement; one that is complete stays."""
        self.settlements = tuple(kept for kept in self.settlements if kept.id != id_ or kept.settled_at is not None)

    @abstractmethod
    def _settling_step(self, settlement: Settlement) -> str:
        """Name the step that the settlement takes once it is complete."""

    @abstractmethod
    def _expired(self) -> None:
        """Record the event of expiry."""

    @abstractmethod
    def _settled(self, settlement: Settlement) -> None:
        """Record the event of a complete settlement."""

    def _take(self, step: str, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        """Take a step of the machine and log it. Raises Refused."""
        self._enter(self.machine.target(self.status, step), step, by, now, reason)

    def _enter(self, after: str, step: str, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        entry = Transition(at=now, by=by, step=step, before=self.status, after=after, reason=reason)
        self.log = appended(self.log, entry)
        self.status = after

    def _confirmed(self, now: datetime, rules: ListingRules) -> None:
        self.last_confirmed = now
        self.confirm_from, self.expires_at = validity(now, rules)


def validity(now: datetime, rules: ListingRules) -> tuple[datetime, datetime]:
    """Return (when to ask for confirmation, when it expires) for something confirmed `now`."""
    expires = now + timedelta(days=rules.expires_after_days)
    return expires - timedelta(days=rules.prompt_before_days), expires


def check_audience(visibility: Visibility, audience: Sequence[str]) -> None:
    """Raise Invalid (code `audience-without-targeting`) for an audience of what is not targeted."""
    if audience and visibility is not Visibility.TARGETED:
        zh, en = "只有“定向”发布可以指定对象。", "Only a targeted listing (定向) is addressed to an audience."
        error = FieldError("audience", "audience-without-targeting", zh, en)
        raise Invalid(error.code, zh, en, errors=[error])


def refuse_contact_data(fields: Sequence[tuple[str, str | None]]) -> None:
    """Raise Invalid (code `contact-data-in-public-text`) for an e-mail address or mobile number in (path, text).

    A listing is read by strangers; how to reach its owner is given only after both sides agreed.
    """
    zh = "公开文字中不能写邮箱或手机号，联系方式在双方同意后另行交换。"
    en = "Public text must not hold an e-mail address or mobile number; contacts are exchanged once both sides agree."
    errors = [
        FieldError(path, "contact-data-in-public-text", zh, en) for path, text in fields if text and contact_data(text)
    ]
    if errors:
        raise Invalid("contact-data-in-public-text", zh, en, errors=errors)
