"""Refusals told to their senders, so many of each sender and no more."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import NotFound, Unavailable
from qianqiao_chassis.store.repository import Repository

from registry.domain.refusals import Refusals, Sender
from registry.domain.source import IntakeRules, Receipt

_OUTBOX_FULL = "outbox-full"


class Rejections:
    """Use cases of refusals: tell one, sum up an hour."""

    def __init__(self, refusals: Repository[Refusals], rules: IntakeRules, clock: Clock) -> None:
        self._refusals = refusals
        self._rules = rules
        self._clock = clock
        # Many events of one sender are refused side by side: in this process they wait for each other, so that
        # only other processes can make a write lose its race.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def tell(self, sender: Sender, receipt: Receipt) -> None:
        """Tell a sender what was refused. Raises StoreUnavailable, VersionConflict."""
        now = self._clock.now()
        async with self._turns[sender.id]:
            try:
                await self._change(sender, lambda held: held.refuse(receipt, self._rules, now))
            except Unavailable as problem:
                if problem.code != _OUTBOX_FULL:
                    raise
                # Nothing was published for long: counting needs no room in the outbox.
                await self._change(sender, lambda held: held.count(receipt))

    async def _change(self, sender: Sender, decide: Callable[[Refusals], None]) -> None:
        try:
            await self._refusals.change(sender.id, decide)
        except NotFound:
            await self._refusals.add_once(Refusals.of(sender, self._clock.now()))
            await self._refusals.change(sender.id, decide)

    async def sum_up(self, due: Refusals) -> None:
        """Tell what was only counted in an hour that is over; for the due loop, which may call twice."""
        now = self._clock.now()
        await self._refusals.change(due.id, lambda held: held.sum_up(now))
