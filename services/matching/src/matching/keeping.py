"""Writing what is to be proposed: opening, reopening, revising and taking back matches, whoever else is at it.

A match's id comes from its pair and round, and every write asks for the state it was decided on: of two processes that
do the same at once, one does it and the other finds it done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import Refused
from qianqiao_chassis.store.repository import Repository

from matching.domain import REFUSED, Match, Proposal, Rules, State
from matching.together import together

type Decide = Callable[[Match], None]


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps matches of any kind."""

    matches: Repository[Match]
    clock: Clock
    rules: Rules

    async def make_open(
        self, held: Match | None, basis: str, proposal: Callable[[], Proposal], *, scored_by: str = ""
    ) -> bool:
        """Make the pair's match open and up to date; `held` is its last round. Return whether anything was written.

        `proposal` is asked only where it is needed: explaining takes its time. What rests on other content or another
        model is said anew.
        """
        now = self.clock.now()
        if held is None or held.state in REFUSED:
            round = 1 if held is None else held.round + 1
            return await self.matches.add_once(Match.propose(proposal(), round, now, self.rules))
        if held.state is State.WITHDRAWN:
            return await self._try(held, _reopening(proposal(), now, self.rules))
        if held.untouched and (held.proposal.basis, held.proposal.scored_by) != (basis, scored_by):
            return await self._try(held, _revising(proposal()))
        return False

    async def take_back(self, match: Match, reason: str) -> None:
        """Withdraw a match that nobody has answered; an answer given meanwhile keeps it."""
        await self._try(match, _withdrawing_untouched(reason, self.clock.now()))

    async def close(self, matches: Sequence[Match], reason: str, *, party: str | None = None) -> None:
        """Withdraw the open ones among `matches`, answered by one side or not."""
        withdraw = _withdrawing(reason, self.clock.now(), party)
        await together(self.matches.change(match.id, withdraw, held=match) for match in matches if match.is_open)

    async def _try(self, held: Match, decide: Decide) -> bool:
        try:
            await self.matches.change(held.id, decide, held=held)
        except Refused:
            return False  # another process, or the parties, were faster
        return True


def _withdrawing(reason: str, now: datetime, party: str | None) -> Decide:
    def decide(match: Match) -> None:
        match.withdraw(reason, now, party=party)

    return decide


def _withdrawing_untouched(reason: str, now: datetime) -> Decide:
    def decide(match: Match) -> None:
        if match.untouched:  # an answer given meanwhile keeps the match
            match.withdraw(reason, now)

    return decide


def _revising(proposal: Proposal) -> Decide:
    def decide(match: Match) -> None:
        match.revise(proposal)

    return decide


def _reopening(proposal: Proposal, now: datetime, rules: Rules) -> Decide:
    def decide(match: Match) -> None:
        match.reopen(proposal, now, rules)

    return decide
