"""The match: two sides that fit, and what they say about it. And which pairs of need and result to propose.

A match is of a need and a result, of two parties as partners, or of a request for finance and an offer; what happens
to it is the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, override
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Forbidden, Invalid, Refused
from qianqiao_contracts import (
    DECLINE_REASONS,
    Band,
    ConstraintCheck,
    MatchAccepted,
    MatchDeclined,
    MatchGap,
    MatchInterest,
    MatchKind,
    MatchLapsed,
    MatchProposed,
    MatchReason,
    MatchWithdrawn,
    MoneyRange,
    Reason,
    derived_id,
)


class State(StrEnum):
    """Where a match stands."""

    PROPOSED = "proposed"
    ONE_SIDE = "one_side"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


OPEN = frozenset({State.PROPOSED, State.ONE_SIDE})
"""An answer is awaited."""
REFUSED = frozenset({State.DECLINED, State.LAPSED})
"""Somebody said no, or nothing: the pair is not proposed again unless the need or the result changes materially."""
NO_LONGER_PROPOSED = "no_longer_proposed"
"""The reason of every withdrawal that names no other cause. One of the causes is a do-not-match list, and nobody may
learn of it: so whatever else can be left unsaid is given this reason, too."""


class Rules(BaseModel):
    """How many proposals, and how long they wait (data/policy.toml)."""

    model_config = ConfigDict(frozen=True)

    per_need: int = Field(gt=0)
    per_day: int = Field(gt=0)
    per_institution: int = Field(gt=0)
    answer_within: timedelta


class Proposal(BaseModel):
    """What is proposed: the pair, how well it fits and why. `basis` names the material content it rests on.

    A need and a result have `need` and `result`, finance has `request` and `offer`; partners are named by the parties.
    """

    model_config = ConfigDict(frozen=True)

    kind: MatchKind = MatchKind.NEED_RESULT
    need: str | None = None
    result: str | None = None
    request: str | None = None
    offer: str | None = None
    listings: tuple[str, ...] = ()
    """Partners: the needs and results of both that speak for it."""
    party_a: str
    parties_b: tuple[str, ...] = Field(min_length=1)
    need_title: str | None = None
    result_title: str | None = None
    offer_title: str | None = None
    amount: MoneyRange | None = None
    basis: str
    band: Band
    score: float
    reasons: tuple[MatchReason, ...] = ()
    gaps: tuple[MatchGap, ...] = ()
    constraints: tuple[ConstraintCheck, ...] = ()
    scored_by: str = ""
    """Of a need and a result: version of the model, and whether vectors of a language model had a part in it."""

    @property
    def pair(self) -> tuple[str, str]:
        """The two that are matched: need and result, request and offer, or the two parties."""
        return (
            self.need or self.request or self.party_a,
            self.result or self.offer or self.parties_b[0],
        )


class Answer(BaseModel):
    """What a side said, who said it for which party, and when."""

    party: str
    subject: str
    at: datetime


class Decline(Answer):
    """A refusal. The text of `reason` is shown to the other side, `private_text` only to the platform."""

    reason: Reason
    private_text: str | None = None


def match_id(one: str, other: str, round: int, kind: MatchKind = MatchKind.NEED_RESULT) -> str:
    """Return the id of the `round`th match of a pair (1, 2, …): whoever proposes it, it is the same match."""
    name = "match" if kind is MatchKind.NEED_RESULT else f"{kind}-match"
    return f"match-{derived_id(name, one, other, str(round))}"


class Match(Aggregate):
    """Two sides that fit. Proposed, then answered by both, or declined, lapsed or withdrawn."""

    topic: ClassVar[str | None] = "matching.matches"

    round: int = 1
    proposal: Proposal
    parties: tuple[str, ...]
    """Everyone who may see it: both sides."""
    state: State = State.PROPOSED
    proposed_at: datetime
    expires_at: datetime
    yes_a: Answer | None = None
    yes_b: Answer | None = None
    declined: Decline | None = None
    closed_at: datetime | None = None
    reason: Reason | None = None

    @classmethod
    def propose(cls, proposal: Proposal, round: int, now: datetime, rules: Rules) -> "Match":
        """Return a new match, waiting for both sides."""
        match = cls(
            id=match_id(*proposal.pair, round, proposal.kind),
            round=round,
            proposal=proposal,
            parties=(proposal.party_a, *proposal.parties_b),
            proposed_at=now,
            expires_at=now + rules.answer_within,
        )
        match._announce()
        return match

    @override
    def due_at(self) -> datetime | None:
        """An open match lapses when its time is over."""
        return self.expires_at if self.state in OPEN else None

    @property
    def is_open(self) -> bool:
        """Whether an answer is awaited."""
        return self.state in OPEN

    @property
    def untouched(self) -> bool:
        """Whether nobody has answered yet."""
        return self.state is State.PROPOSED

    def reopen(self, proposal: Proposal, now: datetime, rules: Rules) -> None:
        """Propose a withdrawn match again, its answers forgotten. Raises Refused for any other state."""
        self._only(State.WITHDRAWN)
        self._rest_on(proposal)
        self.state = State.PROPOSED
        self.yes_a = self.yes_b = None
        self.closed_at = self.reason = None
        self.proposed_at, self.expires_at = now, now + rules.answer_within
        self._announce()

    def revise(self, proposal: Proposal) -> bool:
        """Say anew how well an unanswered match fits, after a change of either side or of the model.

        Return whether anything visible changed. The time to answer stays. Raises Refused when somebody has answered.
        """
        self._only(State.PROPOSED)
        unseen = {"score", "basis", "scored_by"}
        changed = proposal.model_dump(exclude=unseen) != self.proposal.model_dump(exclude=unseen)
        self._rest_on(proposal)
        if changed:
            self._announce()
        return changed

    def say_yes(self, party: str, subject: str, now: datetime) -> None:
        """Record that `party` is interested; both sides' interest accepts the match. Saying so twice changes nothing.

        Raises Forbidden for a party of neither side, Refused once the match is closed or its time is over.
        """
        on_a = self._side_of(party)
        if (self.yes_a if on_a else self.yes_b) is not None and self.state in {State.ONE_SIDE, State.ACCEPTED}:
            return
        self._awaited(now)
        answer = Answer(party=party, subject=subject, at=now)
        if on_a:
            self.yes_a = answer
        else:
            self.yes_b = answer
        self.state = State.ONE_SIDE
        self.record(MatchInterest(**self._about(), party=party))
        if self.yes_a is not None and self.yes_b is not None:
            self.state, self.closed_at = State.ACCEPTED, now
            self.record(MatchAccepted(**self._about()))

    def say_no(self, party: str, subject: str, reason: Reason, private_text: str | None, now: datetime) -> None:
        """Decline for `party`. Raises Forbidden for a party of neither side, Refused once closed or over."""
        self._side_of(party)
        self._awaited(now)
        self.declined = Decline(party=party, subject=subject, at=now, reason=reason, private_text=private_text)
        self._close(State.DECLINED, now, reason)
        self.record(MatchDeclined(**self._about(), party=party, reason=reason))

    def lapse(self, now: datetime) -> bool:
        """Close the match if it is open and its time is over; True if it did."""
        if not self.is_open or now < self.expires_at:
            return False
        silent = None
        if self.state is State.ONE_SIDE:
            silent = self.proposal.parties_b[0] if self.yes_a is not None else self.proposal.party_a
        reason = Reason(code="no_reply")
        self._close(State.LAPSED, now, reason)
        self.record(MatchLapsed(**self._about(), party=silent, reason=reason))
        return True

    def withdraw(self, reason: str, now: datetime, *, party: str | None = None) -> bool:
        """Take the match back for a code of withdrawal_reason; False if it was closed already."""
        if not self.is_open:
            return False
        self._close(State.WITHDRAWN, now, Reason(code=reason))
        self.record(MatchWithdrawn(**self._about(), party=party, reason=Reason(code=reason)))
        return True

    def _close(self, state: State, now: datetime, reason: Reason) -> None:
        self.state, self.closed_at, self.reason = state, now, reason

    def _rest_on(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.parties = (proposal.party_a, *proposal.parties_b)

    def _side_of(self, party: str) -> bool:
        """True for side A (of the need, of the firm that seeks finance), False for side B."""
        if party == self.proposal.party_a:
            return True
        if party in self.proposal.parties_b:
            return False
        raise Forbidden(
            "not-your-match", "这条对接建议与您的单位无关。", "This match is not between your party and another."
        )

    def _awaited(self, now: datetime) -> None:
        if not self.is_open:
            raise self._refused()
        if now >= self.expires_at:
            raise Refused(
                "match-over",
                "答复期限已过。",
                "The time to answer is over.",
                extra={"expires_at": self.expires_at.isoformat()},
            )

    def _only(self, state: State) -> None:
        if self.state is not state:
            raise self._refused()

    def _refused(self) -> Refused:
        zh, en = STATE_WORDS[self.state]
        return Refused(
            "match-not-open",
            f"这条对接建议{zh}，不能再作此操作。",
            f"This match {en}; that is no longer possible.",
            extra={"state": self.state.value},
        )

    def _announce(self) -> None:
        proposal = self.proposal
        self.record(
            MatchProposed(
                **self._about(),
                band=proposal.band,
                score=proposal.score,
                reasons=proposal.reasons,
                gaps=proposal.gaps,
                constraints=proposal.constraints,
                amount=proposal.amount,
                expires_at=self.expires_at,
            )
        )

    def _about(self) -> dict[str, Any]:
        proposal = self.proposal
        return {
            "kind": proposal.kind,
            "need": proposal.need,
            "result": proposal.result,
            "request": proposal.request,
            "offer": proposal.offer,
            "party_a": proposal.party_a,
            "party_b": proposal.parties_b[0],
            "need_title": proposal.need_title,
            "result_title": proposal.result_title,
            "offer_title": proposal.offer_title,
        }


STATE_WORDS: Mapping[State, tuple[str, str]] = {
    State.PROPOSED: ("正等待答复", "is waiting for answers"),
    State.ONE_SIDE: ("已有一方表示有意", "has been answered by one side"),
    State.ACCEPTED: ("已由双方确认", "was accepted by both sides"),
    State.DECLINED: ("已被谢绝", "was declined"),
    State.LAPSED: ("已到期未答复", "lapsed without an answer"),
    State.WITHDRAWN: ("已撤回", "was withdrawn"),
}


def decline_reason(code: str, text: str | None) -> Reason:
    """Return a coded refusal. Raises Invalid for a code that is not in the table, or `other` without a text."""
    entry = DECLINE_REASONS.codes.get(code)
    if entry is None:
        known_zh = "、".join(f"{key}（{value.zh}）" for key, value in DECLINE_REASONS.codes.items())
        raise _invalid(
            "decline-reason-unknown",
            "body.reason.code",
            f"谢绝须选择原因代码，可用：{known_zh}。",
            f"A decline needs a reason code; known are: {', '.join(DECLINE_REASONS.codes)}.",
        )
    said = text.strip() if text else ""
    if entry.text_required and not said:
        raise _invalid(
            "decline-text-missing",
            "body.reason.text",
            "此原因须附文字说明。",
            "This reason needs a text beside it.",
        )
    return Reason(code=code, text=said or None)


def _invalid(code: str, path: str, zh: str, en: str) -> Invalid:
    return Invalid(code, zh, en, errors=[FieldError(path, code, zh, en)])


_LOOK_RING = 60


class Look(Aggregate):
    """A reminder to look again at needs a little later, for what two processes could not see of each other at once.

    One covers everything that changed in a second of the clock (sixty of them are used in turn), or names needs.
    """

    since: datetime | None = None
    until: datetime | None = None
    needs: tuple[str, ...] = ()
    due: datetime | None = None

    @staticmethod
    def id_at(now: datetime) -> str:
        """Return the id of the look that covers this second."""
        return f"look-{int(now.timestamp()) % _LOOK_RING:02d}"

    @override
    def due_at(self) -> datetime | None:
        """When to look again."""
        return self.due

    def cover(self, now: datetime, due: datetime) -> None:
        """Look again, at `due`, at what changed around `now`, beside what is covered already."""
        self.since = now if self.since is None else min(self.since, now)
        self.until = now if self.until is None else max(self.until, now)
        self.due = due

    def name(self, need: str, due: datetime) -> None:
        """Look again, at `due`, at this need."""
        self.needs = tuple(dict.fromkeys((*self.needs, need)))
        self.due = due if self.due is None else min(self.due, due)

    def done(self, seen: "Look") -> None:
        """Clear what was looked at, unless anything was covered or named since, be it the same."""
        if (self.revision, *self._covered()) == (seen.revision, *seen._covered()):
            self.since = self.until = self.due = None
            self.needs = ()

    def _covered(self) -> tuple[object, ...]:
        return self.since, self.until, self.needs, self.due


@dataclass(frozen=True, slots=True)
class Candidate:
    """A result that may be proposed for a need, in the order of the list it comes in."""

    result: str
    institution: str
    like: str = ""
    """Names those that say almost the same, of which one is enough; empty: like no other."""


def choose(candidates: Iterable[Candidate], rules: Rules) -> list[str]:
    """Return the results to be proposed: the first `per_need`, at most `per_institution` of one institution, and of
    those that say almost the same only the first.
    """
    chosen: list[str] = []
    said: set[str] = set()
    taken: dict[str, int] = {}
    for candidate in candidates:
        if len(chosen) == rules.per_need:
            break
        if candidate.like in said:
            continue
        if taken.get(candidate.institution, 0) < rules.per_institution:
            said.update(filter(None, [candidate.like]))
            taken[candidate.institution] = taken.get(candidate.institution, 0) + 1
            chosen.append(candidate.result)
    return chosen


BEIJING: Final = ZoneInfo("Asia/Shanghai")
"""Whose days count: those of the people who get the proposals."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which of the chosen are open from now on, which open ones are kept in place of what has to wait, and whether
    anything waits for another day."""

    open: tuple[str, ...]
    kept: frozenset[str]
    postponed: bool


def plan(
    chosen: Sequence[str], replaceable: Sequence[str], matches: Sequence[Match], now: datetime, rules: Rules
) -> Plan:
    """Open the chosen, as far as the day's number of new proposals for the need allows, the best first.

    `replaceable` are those that are open, unanswered and no longer chosen, best first. As many of them stay open as
    chosen ones have to wait: nobody is told ten times a day that something better came.
    """
    today = now.astimezone(BEIJING).date()
    told = sum(match.proposed_at.astimezone(BEIJING).date() == today for match in matches)
    open_now = {match.proposal.result for match in matches if match.is_open}
    new = [result for result in chosen if result not in open_now]
    waiting = new[max(0, rules.per_day - told) :]
    opened = tuple(result for result in chosen if result not in waiting)
    return Plan(opened, frozenset(replaceable[: len(waiting)]), postponed=bool(waiting))


def next_day(now: datetime) -> datetime:
    """Return when the next day begins for the people who get the proposals."""
    tomorrow = now.astimezone(BEIJING).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), BEIJING).astimezone(UTC)


def latest_rounds(matches: Sequence[Match]) -> dict[str, Match]:
    """Return the last round of each pair, by its second member: of a need's matches, by result."""
    return latest_by(matches, lambda match: match.proposal.pair[1])


def latest_by[K](matches: Iterable[Match], key: Callable[[Match], K]) -> dict[K, Match]:
    """Return the last round of each `key`."""
    latest: dict[K, Match] = {}
    for match in matches:
        held = latest.get(key(match))
        if held is None or match.round > held.round:
            latest[key(match)] = match
    return latest


def barred(match: Match | None, basis: str) -> bool:
    """Tell whether a pair must not be proposed (again): accepted, or refused and not changed materially since."""
    if match is None:
        return False
    return match.state is State.ACCEPTED or (match.state in REFUSED and match.proposal.basis == basis)
