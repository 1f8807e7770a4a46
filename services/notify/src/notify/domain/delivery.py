"""A delivery: one message to one contact by one channel about one fact, from intention to receipt."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import Refused
from qianqiao_contracts import (
    NotificationDelivered,
    NotificationFailed,
    NotificationPlanned,
    NotificationSuppressed,
    derived_id,
)

from notify.domain.address import Channel
from notify.domain.rules import ClassPolicy, MessageClass
from notify.domain.states import NEXT, Outcome, Receipt, State, folded, is_waiting

_HISTORY_KEPT = 60
_RECEIPTS_KEPT = 16


class Content(BaseModel):
    """The words of a message, rendered once; every attempt sends these."""

    model_config = ConfigDict(frozen=True)

    subject: str | None = None
    text: str
    html: str | None = None


class Step(BaseModel):
    """One line of what happened to a delivery."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    state: State
    reason: str
    detail: str = ""


class Ticket(BaseModel):
    """Why there is a delivery: the fact, the rule, the party and contact, and the event that reported it."""

    model_config = ConfigDict(frozen=True)

    fact: str
    rule: str
    rules_version: str
    message_class: MessageClass
    purpose: str
    party: str
    contact: str | None
    channel: Channel
    locale: str
    event_id: str
    correlationid: str | None = None
    traceparent: str | None = None

    @property
    def delivery_id(self) -> str:
        """The id of the delivery: the same for the same fact, rule, person and channel, whichever event reports it."""
        return "delivery-" + derived_id("delivery", self.fact, self.rule, self.contact or self.party, self.channel)


class Delivery(Aggregate):
    """The aggregate. Methods are given the time; those that a gateway's answer leads to are given the claim number.

    Publishes what became of it, without address and text.
    """

    topic: ClassVar[str | None] = "notify.deliveries"

    ticket: Ticket
    planned_at: datetime
    not_after: datetime
    state: State
    reason: str
    due: datetime | None = None
    address: str | None = None
    content: Content | None = None
    evidence: str | None = None
    """SHA-256 of the bytes handed over; stays when address and text are erased."""
    claim_no: int = 0
    """How often the mark before the bytes was made; an answer to an older one no longer decides."""
    attempts: int = 0
    """Definite temporary refusals so far."""
    outages: int = 0
    """Tries that never reached the gateway."""
    resends: int = 0
    receipts_expected: bool = False
    receipts: list[Receipt] = Field(default_factory=list)
    provider_ref: str | None = None
    reported: list[str] = Field(default_factory=list)
    erased: bool = False
    history: list[Step] = Field(default_factory=list)

    # ---- planning -------------------------------------------------------------------------------------------------

    @classmethod
    def planned(cls, ticket: Ticket, *, address: str, content: Content, now: datetime, not_after: datetime) -> Self:
        """Return a delivery ready to be handed over; expired at once where `not_after` has passed."""
        delivery = cls._new(ticket, State.READY, "planned", now, not_after)
        delivery.address, delivery.content, delivery.due = address, content, now
        delivery.record(NotificationPlanned.model_validate(delivery._said()))
        if now > not_after:
            delivery.expire(now)
        return delivery

    @classmethod
    def suppressed(cls, ticket: Ticket, reason: str, *, now: datetime, not_after: datetime) -> Self:
        """Return the record of a message that is not sent, and why."""
        delivery = cls._new(ticket, State.SUPPRESSED, reason, now, not_after)
        delivery._suppress(reason)
        return delivery

    @classmethod
    def _new(cls, ticket: Ticket, state: State, reason: str, now: datetime, not_after: datetime) -> Self:
        return cls(
            id=ticket.delivery_id,
            ticket=ticket,
            planned_at=now,
            not_after=not_after,
            state=state,
            reason=reason,
            history=[Step(at=now, state=state, reason=reason)],
        )

    # ---- before the bytes -----------------------------------------------------------------------------------------

    def suppress(self, reason: str, now: datetime) -> None:
        """Do not send it after all. Raises Refused once the bytes may have gone out."""
        self._move(State.SUPPRESSED, reason, now)
        self._suppress(reason)

    def expire(self, now: datetime) -> None:
        """Give up because telling would come too late."""
        self._move(State.EXPIRED, "expired", now)
        if self.claim_no:
            self._report_once("failed", "expired")
        else:
            self._suppress("expired")

    def hold(self, reason: str, now: datetime, until: datetime | None = None) -> None:
        """Keep it until something on our side changes: `until`, or its expiry when only `release` can end it."""
        self._move(State.HELD, reason, now, due=self._latest(until))

    def release(self, now: datetime) -> None:
        """Make a held delivery ready; anything else stays as it is."""
        if self.state is State.HELD:
            self._move(State.READY, "released", now, due=now)

    def readdress(self, address: str) -> None:
        """Follow the person to a new address, as long as nothing was ever handed over to the old one."""
        if self.claim_no == 0:
            self.address = address

    def hand_over(self, payload: bytes, now: datetime, *, answer_within: timedelta) -> int:
        """Set the mark before the bytes go out and return the claim number to answer with.

        `answer_within` is the longest the gateway may take; after it the fate is uncertain. Raises Refused where the
        delivery may not be handed over (any more).
        """
        if not is_waiting(self.state) or now > self.not_after:
            raise _refused(self.state, State.HANDING_OVER)
        digest = sha256(payload).hexdigest()
        drift = "" if self.evidence in (None, digest) else "content-drift"
        self.evidence = digest
        self.claim_no += 1
        self._move(State.HANDING_OVER, "handing-over", now, due=now + answer_within, detail=drift)
        return self.claim_no

    # ---- what came of it ------------------------------------------------------------------------------------------

    def settle(self, outcome: Outcome, claim_no: int, policy: ClassPolicy, now: datetime) -> None:
        """Take in what the channel learned; `claim_no` is the mark's, or the present one when none was made.

        An answer that comes after a receipt, or after a newer mark, changes nothing but the history.
        """
        current = claim_no == self.claim_no and (
            self.state in (State.HANDING_OVER, State.UNCERTAIN) or is_waiting(self.state)
        )
        if not current:
            self._note(self.state, f"late-{outcome.code}", now, outcome.detail)
            return
        match outcome.kind:
            case "accepted":
                self._accept(outcome, policy, now)
            case "refused_for_now":
                self._wait_or_fail(outcome, policy, now)
            case "refused":
                self._move(State.FAILED, outcome.code, now, detail=outcome.detail)
                self._report_once("failed", outcome.code)
            case "unreachable" | "misconfigured":
                self._wait_out(outcome, policy, now)
            case "unknown" if self.state is State.HANDING_OVER:
                self.lose_track(policy, now, outcome.code, outcome.detail)
            case "unknown" if is_waiting(self.state):
                # Without the mark no bytes went out, so there is nothing to be uncertain about.
                self._wait_out(outcome, policy, now)

    def lose_track(self, policy: ClassPolicy, now: datetime, reason: str = "no-answer", detail: str = "") -> None:
        """Note that no answer came; a late answer or a receipt is waited for first. No effect in other states."""
        if self.state is State.HANDING_OVER:
            until = now + timedelta(seconds=policy.uncertain.wait_s)
            self._move(State.UNCERTAIN, reason, now, due=until, detail=detail)

    def resolve(self, policy: ClassPolicy, now: datetime) -> None:
        """Decide about an uncertain delivery after the wait: once more under the same ids, or no more."""
        if self.state is not State.UNCERTAIN:
            return
        may = policy.may_resend(self.ticket.channel, self.resends) and not self.erased and now <= self.not_after
        if may:
            self.resends += 1
            self._move(State.READY, "resend", now, due=now)
        else:
            self._move(State.ABANDONED, "abandoned", now)
            self._report_once("failed", "uncertain")

    def report(self, receipt: Receipt, policy: ClassPolicy, now: datetime) -> bool:
        """Take in a receipt; False when it was known already or says nothing about anything we handed over."""
        known = any(one.key == receipt.key for one in self.receipts)
        if known or self.claim_no == 0 or len(self.receipts) >= _RECEIPTS_KEPT:
            return False
        self.receipts.append(receipt)
        state = folded(tuple(self.receipts))
        if state is not self.state and state in NEXT[self.state]:
            due = now + timedelta(hours=policy.receipt_wait_h) if state is State.ACCEPTED else None
            self._move(state, f"receipt-{receipt.says}", now, due=due, detail=receipt.detail)
        else:
            self._note(self.state, f"receipt-{receipt.says}", now, receipt.detail)
        if self.state is State.DELIVERED:
            self._report_once("delivered", "receipt")
        elif self.state is State.UNDELIVERED:
            self._report_once("failed", "undelivered")
        return True

    def lapse(self, now: datetime) -> None:
        """Stop waiting for the receipt of an accepted message. No effect in other states."""
        if self.state is State.ACCEPTED:
            self._move(State.LAPSED, "no-receipt", now)

    def erase(self, now: datetime) -> None:
        """Forget address and words; the digest stays. What was not sent yet never will be."""
        if self.erased:
            return
        self.address, self.content, self.erased = None, None, True
        if is_waiting(self.state) and self.claim_no == 0:
            self.suppress("erased", now)
        elif is_waiting(self.state):
            self._move(State.FAILED, "erased", now)
            self._report_once("failed", "erased")
        else:
            self._note(self.state, "erased", now)

    def due_at(self) -> datetime | None:
        """When a worker must look at it: to hand over, to give up waiting for an answer or a receipt."""
        return self.due

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _accept(self, outcome: Outcome, policy: ClassPolicy, now: datetime) -> None:
        self.provider_ref = outcome.provider_ref
        until = now + timedelta(hours=policy.receipt_wait_h) if self.receipts_expected else None
        self._move(State.ACCEPTED, "accepted", now, due=until, detail=outcome.detail)
        if not self.receipts_expected:
            # On this channel nothing better will ever be known.
            self._report_once("delivered", "accepted")

    def _wait_or_fail(self, outcome: Outcome, policy: ClassPolicy, now: datetime) -> None:
        self.attempts += 1
        if self.attempts > len(policy.retry_delays_s):
            self._move(State.FAILED, outcome.code, now, detail=outcome.detail)
            self._report_once("failed", outcome.code)
            return
        delay = self._spread(policy.retry_delays_s[self.attempts - 1])
        self._move(State.RETRY_WAIT, outcome.code, now, due=self._latest(now + delay), detail=outcome.detail)

    def _wait_out(self, outcome: Outcome, policy: ClassPolicy, now: datetime) -> None:
        delays = policy.outage_delays_s
        delay = self._spread(delays[min(self.outages, len(delays) - 1)])
        self.outages += 1
        state = State.HELD if outcome.kind == "misconfigured" else State.RETRY_WAIT
        self._move(state, outcome.code, now, due=self._latest(now + delay), detail=outcome.detail)

    def _spread(self, seconds: int) -> timedelta:
        # Up to a fifth more, by id: after an outage the waiting ones must not all come back in the same second.
        share = int(sha256(f"{self.id}/{self.attempts}/{self.outages}".encode()).hexdigest()[:4], 16) / 0xFFFF
        return timedelta(seconds=seconds * (1 + share / 5))

    def _latest(self, at: datetime | None) -> datetime:
        # One look just after the expiry, so that nothing waits for a time that no longer matters.
        after_expiry = self.not_after + timedelta(seconds=1)
        return min(at or after_expiry, after_expiry)

    def _move(self, state: State, reason: str, now: datetime, *, due: datetime | None = None, detail: str = "") -> None:
        if state not in NEXT[self.state]:
            raise _refused(self.state, state)
        self.state, self.reason, self.due = state, reason, due
        self._note(state, reason, now, detail)

    def _note(self, state: State, reason: str, now: datetime, detail: str = "") -> None:
        self.history.append(Step(at=now, state=state, reason=reason, detail=detail[:300]))
        if len(self.history) > _HISTORY_KEPT:
            # The beginning and the end explain a delivery; what falls out is the middle of a long outage.
            del self.history[_HISTORY_KEPT // 2]

    def _report_once(self, what: Literal["delivered", "failed"], reason: str) -> None:
        if what in self.reported:
            return
        self.reported.append(what)
        said = self._said()
        if what == "delivered":
            self.record(NotificationDelivered.model_validate(said))
        else:
            self.record(NotificationFailed.model_validate({**said, "reason": {"code": reason}}))

    def _suppress(self, reason: str) -> None:
        self.record(NotificationSuppressed.model_validate({**self._said(), "reason": {"code": reason}}))

    def _said(self) -> dict[str, object]:
        ticket = self.ticket
        return {
            "party": ticket.party,
            "channel": ticket.channel,
            "class": ticket.message_class,
            "template": f"{ticket.rule}@{ticket.rules_version}",
            "fact": ticket.fact,
        }


def _refused(present: State, wanted: State) -> Refused:
    return Refused(
        "delivery-transition",
        f"该通知现在是“{present}”，不能变为“{wanted}”。",
        f"This delivery is {present} now and cannot become {wanted}.",
    )
