"""A policy proposed to a firm whose known facts meet all its conditions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Self, override

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Forbidden, Invalid, Refused
from qianqiao_contracts import (
    DISMISSAL_REASONS,
    Band,
    MatchDeclined,
    MatchKind,
    MatchLapsed,
    MatchProposed,
    MatchReason,
    MatchWithdrawn,
    MoneyRange,
    Reason,
    derived_id,
)


class PolicyState(StrEnum):
    """Where a policy match stands."""

    PROPOSED = "proposed"
    DISMISSED = "dismissed"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


STATE_WORDS: Mapping[PolicyState, tuple[str, str]] = {
    PolicyState.PROPOSED: ("可申报", "can be applied for"),
    PolicyState.DISMISSED: ("已忽略", "was dismissed"),
    PolicyState.LAPSED: ("申报期已过", "is over"),
    PolicyState.WITHDRAWN: ("已撤回", "was withdrawn"),
}


class Subject(NamedTuple):
    """What a match is about: this version of a policy, this time of its window, this party."""

    policy: str
    version: str
    occurrence: str
    party: str

    @property
    def id(self) -> str:
        """The id of the match: whoever proposes it, it is the same."""
        return f"match-{derived_id('policy-match', *self)}"


class Terms(BaseModel):
    """What the firm is told of the policy."""

    model_config = ConfigDict(frozen=True)

    publisher: str
    title: str
    amount: MoneyRange | None = None
    opens_at: datetime | None = None
    expires_at: datetime
    reasons: tuple[MatchReason, ...] = ()


class PolicyMatch(Aggregate):
    """One version of a policy and one party that is eligible; only the party and operators see it."""

    topic: ClassVar[str | None] = "matching.matches"

    policy: str
    version: str
    occurrence: str
    party: str
    terms: Terms
    state: PolicyState = PolicyState.PROPOSED
    proposed_at: datetime
    closed_at: datetime | None = None
    reason: Reason | None = None
    dismissed_by: str | None = None

    @classmethod
    def propose(cls, subject: Subject, terms: Terms, now: datetime) -> Self:
        """Return a new match that tells the party."""
        match = cls(
            id=subject.id,
            policy=subject.policy,
            version=subject.version,
            occurrence=subject.occurrence,
            party=subject.party,
            terms=terms,
            proposed_at=now,
        )
        match._announce()
        return match

    @override
    def due_at(self) -> datetime | None:
        """An open one lapses once the last moment for applications, which is still in time, is over."""
        return self.terms.expires_at + timedelta(seconds=1) if self.is_open else None

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return self.state is PolicyState.PROPOSED

    @property
    def subject(self) -> Subject:
        """What it is about."""
        return Subject(self.policy, self.version, self.occurrence, self.party)

    def reopen(self, terms: Terms, now: datetime) -> bool:
        """Propose a withdrawn match again; False, changing nothing, in any other state."""
        if self.state is not PolicyState.WITHDRAWN:
            return False
        self.state, self.terms, self.proposed_at = PolicyState.PROPOSED, terms, now
        self.closed_at = self.reason = None
        self._announce()
        return True

    def withdraw(self, code: str, now: datetime) -> bool:
        """Take it back for a code of withdrawal_reason; False if it was closed already."""
        if not self.is_open:
            return False
        reason = self._close(PolicyState.WITHDRAWN, Reason(code=code), now)
        self.record(MatchWithdrawn(**self._about(), reason=reason))
        return True

    def lapse(self, now: datetime) -> bool:
        """Close it once the last moment for applications is over; that moment itself is still in time."""
        if not self.is_open or now <= self.terms.expires_at:
            return False
        reason = self._close(PolicyState.LAPSED, Reason(code="window_closed"), now)
        self.record(MatchLapsed(**self._about(), party=self.party, reason=reason))
        return True

    def dismiss(self, party: str, subject: str, reason: Reason, now: datetime) -> None:
        """The party wants no more of it. Again, it changes nothing. Raises Forbidden, Refused once it is closed."""
        if party != self.party:
            raise Forbidden("not-your-match", "这条政策匹配与您的单位无关。", "This policy match is not your party's.")
        if self.state is PolicyState.DISMISSED:
            return
        if not self.is_open or now > self.terms.expires_at:
            zh, en = STATE_WORDS[self.state if not self.is_open else PolicyState.LAPSED]
            raise Refused(
                "match-not-open",
                f"这条政策匹配{zh}，无需忽略。",
                f"This policy match {en}; there is nothing to dismiss.",
            )
        self.dismissed_by = subject
        self._close(PolicyState.DISMISSED, reason, now)
        self.record(MatchDeclined(**self._about(), party=party, reason=reason))

    def _close(self, state: PolicyState, reason: Reason, now: datetime) -> Reason:
        self.state, self.reason, self.closed_at = state, reason, now
        return reason

    def _announce(self) -> None:
        terms = self.terms
        self.record(
            MatchProposed(
                **self._about(),
                band=Band.HIGH,
                score=1.0,
                reasons=terms.reasons,
                amount=terms.amount,
                opens_at=terms.opens_at,
                expires_at=terms.expires_at,
            )
        )

    def _about(self) -> dict[str, Any]:
        return {
            "kind": MatchKind.POLICY,
            "policy": self.policy,
            "policy_title": self.terms.title,
            "party_a": self.party,
            "party_b": self.terms.publisher,
        }


def dismissal(code: str, text: str | None) -> Reason:
    """Return a coded dismissal. Raises Invalid for a code that is not in the table, or `other` without a text."""
    entry = DISMISSAL_REASONS.codes.get(code)
    if entry is None:
        known_zh = "、".join(f"{key}（{value.zh}）" for key, value in DISMISSAL_REASONS.codes.items())
        zh = f"忽略须选择原因代码，可用：{known_zh}。"
        en = f"A dismissal needs a reason code; known are: {', '.join(DISMISSAL_REASONS.codes)}."
        raise Invalid(
            "dismissal-reason-unknown", zh, en, errors=[_at("body.reason.code", "dismissal-reason-unknown", zh, en)]
        )
    said = text.strip() if text else ""
    if entry.text_required and not said:
        zh, en = "此原因须附文字说明。", "This reason needs a text beside it."
        raise Invalid(
            "dismissal-text-missing", zh, en, errors=[_at("body.reason.text", "dismissal-text-missing", zh, en)]
        )
    return Reason(code=code, text=said or None)


def _at(path: str, code: str, zh: str, en: str) -> FieldError:
    return FieldError(path, code, zh, en)
