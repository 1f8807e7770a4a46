"""Second looks: what was asked for, and what has had its own."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.repository import Repository

from matching.copies import Change
from matching.domain import Look

_REMEMBERED: Final = 20_000


class SecondLooks:
    """Writes down that what changes now is to be looked at again a little later."""

    def __init__(self, looks: Repository[Look], clock: Clock, delay: timedelta) -> None:
        """`delay`: how much later."""
        self._looks = looks
        self._clock = clock
        self.delay = delay
        self._second = -1
        self._written: asyncio.Future[None] | None = None

    async def mark(self) -> None:
        """Have what changed in this second looked at again. One write per second and process."""
        now = self._clock.now()
        second = int(now.timestamp())
        failed = self._written is not None and self._written.done() and self._written.exception() is not None
        if second != self._second or self._written is None or failed:
            self._second = second
            self._written = asyncio.ensure_future(self._write(now))
        await asyncio.shield(self._written)

    async def name(self, need: str, *, later: bool = False) -> None:
        """Have one need looked at as soon as may be, or `later`, when what is being written now is there."""
        await self.name_at(need, self._clock.now() + (self.delay if later else timedelta()))

    async def name_at(self, need: str, due: datetime) -> None:
        """Have one need looked at when `due`; what is due earlier stays, and names it again where it has to."""
        look = Look(id=f"look-{need}")
        look.name(need, due)
        if not await self._looks.add_once(look):
            await self._looks.change(look.id, lambda held: held.name(need, due))

    async def _write(self, now: datetime) -> None:
        look = Look(id=Look.id_at(now))
        look.cover(now, now + self.delay)
        if not await self._looks.add_once(look):
            await self._looks.change(look.id, lambda held: held.cover(now, now + self.delay))


class Looked:
    """Remembers which changes this process has looked at a second time.

    The spans of looks overlap, so that no change is missed for a clock or a slow write: without this one would be
    looked at by each of them.
    """

    def __init__(self) -> None:
        self._changes: OrderedDict[str, datetime] = OrderedDict()

    def without(self, changes: Sequence[Change]) -> list[Change]:
        """Return those that are still to be looked at."""
        return [change for change in changes if self._changes.get(change.key) != change.changed_at]

    def add(self, changes: Iterable[Change]) -> None:
        """Note that these were looked at, late enough after they were made."""
        for change in changes:
            self._changes[change.key] = change.changed_at
            self._changes.move_to_end(change.key)
        while len(self._changes) > _REMEMBERED:
            self._changes.popitem(last=False)
