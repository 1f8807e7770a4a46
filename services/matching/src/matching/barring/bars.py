"""Who must not be matched with whom, and what follows when that changes."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.repository import Repository

from matching.barring.domain import DoNotMatch

_PAGE: Final = 200

type Follow = Callable[[str, Sequence[str]], Awaitable[None]]
"""Sees to a party and those it put on its list or took off; called again after a failure."""


class Bars:
    """Reads the lists for whoever proposes, and keeps them for their parties."""

    def __init__(
        self, lists: Repository[DoNotMatch], clock: Clock, delay: timedelta, followers: Sequence[Follow] = ()
    ) -> None:
        """After `delay` what follows from a change is seen to a second time."""
        self._lists = lists
        self._clock = clock
        self._delay = delay
        self._followers = followers

    async def around(self, party: str) -> frozenset[str]:
        """Return the parties that `party` must not be matched with, whichever of the two wants it so."""
        found: set[str] = set()
        after = ""
        while True:
            where = {"$or": [{"id": party}, {"others": party}], "id": {"$gt": after}}
            page = await self._lists.select(where, limit=_PAGE)
            for held in page:
                found |= set(held.others) if held.id == party else {held.id}
            if len(page) < _PAGE:
                return frozenset(found)
            after = page[-1].id

    async def read(self, party: str) -> DoNotMatch:
        """Return a party's own list, an empty one where it never said anything."""
        return await self._lists.find(party) or DoNotMatch.of(party)

    async def state(self, party: str, others: Sequence[str], revision: int | None) -> DoNotMatch:
        """Replace a party's own list. Whether the parties named exist is not told. Raises Invalid, VersionConflict."""
        if await self._lists.find(party) is None:
            await self._lists.add_once(DoNotMatch.of(party))
        now = self._clock.now()
        return await self._lists.change(party, lambda held: held.state(others, now), if_revision=revision)

    async def changed(self, seen: DoNotMatch) -> None:
        """See to what follows from a change: open proposals between the two, and those that are free again.

        Who read the lists before the change may write a proposal after this looked for them: it is taken back the
        second time. So no proposer has to read the lists again after writing.
        """
        for follow in self._followers:
            await follow(seen.id, seen.changed)
        again_at = self._clock.now() + self._delay
        await self._lists.change(seen.id, lambda held: held.seen_to(seen, again_at), held=seen)
