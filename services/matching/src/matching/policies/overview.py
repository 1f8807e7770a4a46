"""What all policies come to for one firm, told to that firm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import NotFound
from qianqiao_chassis.http import Caller
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import MoneyRange, Reason

from matching.policies.domain.conditions import Bank
from matching.policies.domain.facts import Key, Known
from matching.policies.domain.match import PolicyMatch, PolicyState
from matching.policies.domain.outcomes import Assessment, Failing, Outcome, Question, assess, best_question, failures
from matching.policies.domain.profile import Profile
from matching.policies.domain.support import estimate
from matching.policies.domain.windows import Stage
from matching.policies.profiles import Profiles
from matching.policies.shelf import Entry, Policies

_ORDER: Final = {outcome: place for place, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True)
class Judged:
    """One policy for the firm."""

    entry: Entry
    assessment: Assessment
    facts: Mapping[Key, Known]
    verdicts: Sequence[int]
    bank: Bank
    profile: Profile

    @property
    def amount(self) -> MoneyRange | None:
        """The estimate."""
        return estimate(self.entry.content, self.facts, self.entry.year)

    def failures(self) -> tuple[Failing, ...]:
        """The conditions that fail."""
        return failures(self.entry.compiled, self.verdicts, self.bank, self.facts)


@dataclass(frozen=True, slots=True)
class Overview:
    """All policies that can still be applied for: how many of each outcome, the one question, and the list."""

    counts: Mapping[Outcome, int]
    question: Question | None
    judged: Sequence[Judged]


class Overviews:
    """Answers the firm itself, and operators."""

    def __init__(self, profiles: Profiles, policies: Policies, matches: Repository[PolicyMatch], clock: Clock) -> None:
        self._profiles = profiles
        self._policies = policies
        self._matches = matches
        self._clock = clock

    async def of(self, party: str, caller: Caller, outcome: Outcome | None = None) -> Overview:
        """Return what all policies come to; with `outcome` the list holds those alone. Raises NotFound.

        The list begins with what is nearest to being had: by outcome, then by the last moment, then by id.
        """
        everything = await self._judge(party, caller, None)
        open_ = [one for one in everything if one.entry.standing.stage is not Stage.CLOSED]
        listed = [one for one in open_ if outcome is None or one.assessment.outcome is outcome]
        return Overview(
            Counter(one.assessment.outcome for one in open_),
            best_question(one.assessment for one in open_),
            sorted(listed, key=_order),
        )

    async def one(self, party: str, policy: str, caller: Caller) -> Judged:
        """Return one policy for a firm. Raises NotFound."""
        found = await self._judge(party, caller, policy)
        if not found:
            raise NotFound(
                "policy-not-found", "没有这条政策，或已失效。", "There is no such policy, or it is not in force."
            )
        return found[0]

    async def matches(
        self, party: str | None, *, state: PolicyState | None, limit: int, after: str | None
    ) -> list[PolicyMatch]:
        """Return policy matches of a party, of all for operators (None), the latest first."""
        where = {"party": party, "state": state and state.value}
        given = {name: value for name, value in where.items() if value is not None}
        return await self._matches.select(given, sort=(("proposed_at", -1), ("id", 1)), limit=limit, after=after)

    async def match(self, id: str, caller: Caller) -> PolicyMatch:
        """Return a match to its party or an operator. Raises NotFound, also for anybody else's."""
        found = await self._matches.find(id)
        if found is None or not caller.acts_for(found.party):
            raise NotFound(
                "match-not-found",
                "没有这条政策匹配，或您无权查看。",
                "There is no such policy match, or it is not yours.",
            )
        return found

    async def dismiss(self, id: str, party: str, caller: Caller, reason: Reason, revision: int | None) -> PolicyMatch:
        """Dismiss a match for its party. Raises NotFound, Forbidden, Refused, VersionConflict."""
        await self.match(id, caller)
        now = self._clock.now()
        return await self._matches.change(
            id, lambda match: match.dismiss(party, caller.subject, reason, now), if_revision=revision
        )

    async def _judge(self, party: str, caller: Caller, policy: str | None) -> list[Judged]:
        profile = await self._profiles.read(party, caller)
        shelf = await self._policies.shelf()
        facts = profile.at(self._clock.now())
        verdicts = shelf.bank.verdicts(facts)
        entries = [entry for entry in shelf.entries.values() if policy in (None, entry.id)]
        return [
            Judged(entry, assess(entry.compiled, verdicts, shelf.bank, facts), facts, verdicts, shelf.bank, profile)
            for entry in entries
        ]


def _order(judged: Judged) -> tuple[int, bool, datetime | None, str]:
    last = judged.entry.standing.last_moment
    return _ORDER[judged.assessment.outcome], last is None, last, judged.entry.id
