"""Keeping proposals of policies right: what is eligible is proposed, what no longer is is taken back. Idempotent.

Both sides are written before the other is read, and read again after a proposal was written: whichever of a policy
and a profile changes last, on whatever process, sees the other (docs/decisions/0006, point 5).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.repository import Repository

from matching.policies.domain.columns import Columns, Row
from matching.policies.domain.conditions import Bank, Verdicts
from matching.policies.domain.facts import YES, Key, Known
from matching.policies.domain.match import PolicyMatch, PolicyState, Subject
from matching.policies.domain.profile import Profile
from matching.policies.domain.proposals import Judged, stops, subject_of, terms_of
from matching.policies.domain.rework import EVERYTHING, Rework
from matching.policies.domain.windows import Stage
from matching.policies.shelf import Entry, Policies, Shelf
from matching.together import together

_ROUNDS: Final = 3
_FIRMS: Final = 500
"""Firms that are judged together, and held in memory at one time."""
_MATCHES: Final = 500
_SIDE_BY_SIDE: Final = 16


type Wanted = dict[Subject, Judged]
type Decide = Callable[[PolicyMatch], None]
type Follow = Callable[[str], Awaitable[None]]
"""Sees to what else depends on a party's profile, such as who may be its partner."""


@dataclass(frozen=True, slots=True)
class Refresher:
    """Judges firms by policies and makes the open matches say exactly that."""

    profiles: Repository[Profile]
    matches: Repository[PolicyMatch]
    reworks: Repository[Rework]
    policies: Policies
    clock: Clock
    followers: Sequence[Follow] = ()

    # ---- one firm ---------------------------------------------------------------------------------------------------

    async def party(self, id: str) -> None:
        """Judge one firm by every policy."""
        for _ in range(_ROUNDS):
            profile = await self.profiles.find(id)
            if profile is None:
                return
            shelf = await self.policies.shelf()
            wanted = _wanted(profile, list(shelf.entries.values()), shelf.bank, self.clock.now())
            held = await self._held({"party": id})
            proposed = await self._settle({id: wanted}, held, shelf)
            if not proposed or await self._unchanged([profile], proposed, shelf):
                return

    async def profile_due(self, profile: Profile) -> None:
        """See to a changed profile."""
        await self.party(profile.id)
        for follow in self.followers:
            await follow(profile.id)
        await self.profiles.change(profile.id, lambda held: held.seen_to(profile.version))

    # ---- one policy, or all -----------------------------------------------------------------------------------------

    async def mark(self, policy: str) -> None:
        """Have a policy looked at for every firm, as soon as may be; survives a crash."""
        now = self.clock.now()
        await self.reworks.add_once(Rework(id=policy))
        await self.reworks.change(policy, lambda held: held.mark(now))

    async def rework_due(self, rework: Rework) -> None:
        """Look again at what a reminder names."""
        if rework.id == EVERYTHING:
            await self.everything()
        else:
            await self.policy(rework.id)
        now = self.clock.now()
        await self.reworks.change(rework.id, lambda held: held.done(rework, now))

    async def policy(self, id: str) -> None:
        """Judge every firm by one policy."""
        shelf = await self.policies.shelf()
        entry = shelf.entries.get(id)
        async for firms in self._firms():
            await self._chunk(firms, [] if entry is None else [entry], shelf, {"policy": id})

    async def everything(self) -> None:
        """Judge every firm by every policy, all read anew."""
        shelf = await self.policies.shelf(anew=True)
        async for firms in self._firms():
            await self._chunk(firms, list(shelf.entries.values()), shelf, {})

    async def lapse(self, match: PolicyMatch) -> None:
        """Close a match whose time is over; a window that repeats may open the next one."""
        now = self.clock.now()
        await self.matches.change(match.id, _lapsing(now))
        await self.party(match.party)

    async def _firms(self) -> AsyncIterator[list[Profile]]:
        after = ""
        while page := await self.profiles.select({"id": {"$gt": after}}, limit=_FIRMS):
            yield page
            after = page[-1].id

    async def _chunk(
        self, firms: list[Profile], entries: Sequence[Entry], shelf: Shelf, of: Mapping[str, object]
    ) -> None:
        """Settle some firms with some policies; firms that changed meanwhile are judged anew, one by one."""
        now = self.clock.now()
        wanted = await asyncio.to_thread(_wanted_by_all, firms, entries, shelf.bank, now)
        held = await self._held({**of, "party": {"$in": [firm.id for firm in firms]}})
        proposed = await self._settle(wanted, held, shelf)
        if not proposed:
            return
        told = {subject.party for subject in proposed}
        if not await self._unchanged([firm for firm in firms if firm.id in told], proposed, shelf):
            for id in sorted(told):
                await self.party(id)

    # ---- writing ----------------------------------------------------------------------------------------------------

    async def _held(self, where: Mapping[str, object]) -> list[PolicyMatch]:
        """Every match of these firms (and this policy) that still matters: open ones and dismissed ones."""
        states = [PolicyState.PROPOSED.value, PolicyState.DISMISSED.value]
        found: list[PolicyMatch] = []
        after = ""
        while True:
            bounds = {**where, "state": {"$in": states}, "id": {"$gt": after}}
            page = await self.matches.select(bounds, limit=_MATCHES)
            found += page
            if len(page) < _MATCHES:
                return found
            after = page[-1].id

    async def _settle(self, wanted: Mapping[str, Wanted], held: Sequence[PolicyMatch], shelf: Shelf) -> list[Subject]:
        """Write what differs between what is wanted and what is held; return what was proposed."""
        stopped = stops(held)
        open_ = {match.subject: match for match in held if match.is_open}
        new = {
            subject: judged
            for of_party in wanted.values()
            for subject, judged in of_party.items()
            if subject not in open_ and (subject.policy, subject.version, subject.party) not in stopped
        }
        gone = [match for subject, match in open_.items() if subject not in wanted.get(subject.party, {})]
        slots = asyncio.Semaphore(_SIDE_BY_SIDE)
        await together(self._withdraw(match, shelf, slots) for match in gone)
        written = await together(self._propose(subject, judged, slots) for subject, judged in new.items())
        return [subject for subject, wrote in zip(new, written, strict=True) if wrote]

    async def _propose(self, subject: Subject, judged: Judged, slots: asyncio.Semaphore) -> bool:
        now = self.clock.now()
        terms = terms_of(judged, now)
        async with slots:
            if await self.matches.add_once(PolicyMatch.propose(subject, terms, now)):
                return True
            wrote: list[bool] = []
            await self.matches.change(subject.id, lambda match: wrote.append(match.reopen(terms, now)))
            return wrote[-1]

    async def _withdraw(self, match: PolicyMatch, shelf: Shelf, slots: asyncio.Semaphore) -> None:
        now = self.clock.now()
        async with slots:
            if now > match.terms.expires_at:
                await self.matches.change(match.id, _lapsing(now))
                return
            entry = shelf.entries.get(match.policy)
            if entry is None:
                code = "policy_gone"
            else:
                code = "not_eligible" if entry.version == match.version else "policy_revised"
            await self.matches.change(match.id, _withdrawing(code, now))

    async def _unchanged(self, firms: Iterable[Profile], proposed: Sequence[Subject], shelf: Shelf) -> bool:
        """Look again after writing: whether profiles and policies are still those that were judged."""
        then = {firm.id: firm.version for firm in firms}
        policies = sorted({subject.policy for subject in proposed})
        now_firms, now_policies = await asyncio.gather(
            self.profiles.select({"id": {"$in": list(then)}}, limit=len(then)), self.policies.sequences(policies)
        )
        same_firms = {firm.id: firm.version for firm in now_firms} == then
        known = {id: shelf.entries[id].sequence for id in policies if id in shelf.entries}
        return same_firms and dict(now_policies) == known


def _wanted(profile: Profile, entries: Sequence[Entry], bank: Bank, now: datetime) -> Wanted:
    """What is to be proposed to one firm."""
    if profile.registered.closed:
        return {}
    facts = profile.at(now)
    verdicts = bank.verdicts(facts)
    eligible = [entry for entry in entries if _open(entry) and entry.compiled.value(verdicts) == YES]
    return dict(_judged(profile.id, entry, verdicts, facts) for entry in eligible)


def _wanted_by_all(firms: Sequence[Profile], entries: Sequence[Entry], bank: Bank, now: datetime) -> dict[str, Wanted]:
    """What is to be proposed to some firms; runs in a thread."""
    facts = [firm.at(now) for firm in firms]
    columns = Columns(facts, bank)
    wanted: dict[str, Wanted] = {firm.id: {} for firm in firms}
    for entry in entries:
        if not _open(entry):
            continue
        for row in (columns.value(entry.compiled) == YES).nonzero()[0]:
            firm = firms[row]
            if not firm.registered.closed:
                subject, judged = _judged(firm.id, entry, Row(columns, int(row)), facts[row])
                wanted[firm.id][subject] = judged
    return wanted


def _open(entry: Entry) -> bool:
    return entry.standing.stage is not Stage.CLOSED


def _judged(party: str, entry: Entry, verdicts: Verdicts, facts: Mapping[Key, Known]) -> tuple[Subject, Judged]:
    judged = Judged(entry.id, entry.content, entry.compiled.root, entry.standing, entry.year, verdicts, facts)
    return subject_of(entry.id, entry.version, entry.standing, party), judged


def _lapsing(now: datetime) -> Decide:
    def decide(match: PolicyMatch) -> None:
        match.lapse(now)

    return decide


def _withdrawing(code: str, now: datetime) -> Decide:
    def decide(match: PolicyMatch) -> None:
        match.withdraw(code, now)

    return decide
