"""The relay: publishes every stored event, in order per aggregate, and takes it out of the store afterwards.

What can still go wrong: an event is published and this process dies before it is cleared, or two processes publish
the same outbox. Then it is published again. First occurrences are in order in either case, because everybody
publishes the whole outbox in order and sends an event only after the one before it was acknowledged.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import structlog

from qianqiao_chassis import metrics
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.relay.publisher import Publisher
from qianqiao_chassis.relay.pump import Pump
from qianqiao_chassis.store.documents import OutboxEntry
from qianqiao_chassis.store.outbox import Outbox

_log = structlog.get_logger("qianqiao.relay")


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """How patient the relay is.

    `sweep_every` seconds it looks for events older than `sweep_age` seconds that nobody published: those of a process
    that died. A shorter age publishes events of a merely busy process twice.
    """

    sweep_every: float = 1.0
    sweep_age: float = 2.0
    sweep_limit: int = 200
    grace: float = 10.0


class Relay:
    """Publishes the outboxes it watches. `async with` runs it; leaving publishes what is in hand, within `grace`."""

    def __init__(self, publisher: Publisher, *, clock: Clock, options: RelayOptions | None = None) -> None:
        self._publisher = publisher
        self._clock = clock
        self._options = options or RelayOptions()
        self._pumps: dict[str, Pump] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._oldest: datetime | None = None

    def watch(self, outbox: Outbox) -> None:
        """Publish this outbox too. Call it before the relay runs."""
        self._pumps[outbox.collection] = Pump(outbox, self._publisher)

    def wake(self, outbox: Outbox, id: str, entries: Sequence[OutboxEntry]) -> None:
        """Take note of the whole outbox of a document as it was right after a write; returns at once."""
        self._pumps[outbox.collection].wake(id, entries)

    def known(self, outbox: Outbox, id: str) -> int:
        """Up to which sequence the events of a document are known here; 0 for none."""
        return self._pumps[outbox.collection].known(id)

    @property
    def pending(self) -> int:
        """Events known here and not yet cleared from the store."""
        return sum(pump.pending for pump in self._pumps.values())

    @property
    def oldest_age(self) -> timedelta:
        """Age of the oldest event the last sweep found waiting; zero when it found none."""
        return timedelta(0) if self._oldest is None else max(self._clock.now() - self._oldest, timedelta(0))

    async def __aenter__(self) -> Self:
        """Start publishing and sweeping."""
        for pump in self._pumps.values():
            pump.start()
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="relay-sweep")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop sweeping, publish what is in hand, let go of the publisher. What is left waits in the store."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.grace):
                await self.drained()
        for pump in self._pumps.values():
            await pump.stop()
        await self._publisher.close()

    async def drained(self) -> None:
        """Return once everything known here is published and cleared. Waits for ever while the broker is away."""
        for pump in self._pumps.values():
            await pump.drained()

    async def sweep(self, age: timedelta | None = None) -> int:
        """Find events that have waited longer than `age` and publish them; return how many were not known here."""
        now = self._clock.now()
        cutoff = now - (timedelta(seconds=self._options.sweep_age) if age is None else age)
        found, oldest = 0, None
        for pump in self._pumps.values():
            first, new = await pump.sweep(cutoff, self._options.sweep_limit)
            found += new
            if first is not None and (oldest is None or first < oldest):
                oldest = first
        self._oldest = oldest
        metrics.OUTBOX_OLDEST.set(self.oldest_age.total_seconds())
        metrics.OUTBOX_PENDING.set(self.pending)
        if found:
            metrics.SWEPT.add(found)
            _log.info("outbox swept", events=found)
        return found

    def _pause_after(self, found: int) -> float:
        """Seconds until the next sweep: few after a full one, or a long backlog would drain by one page a second."""
        return self._options.sweep_every * (1.0 if found < self._options.sweep_limit else 0.1)

    async def _sweep_for_ever(self) -> None:
        found = 0
        while True:
            # Jitter keeps the processes of one service from sweeping the same documents at the same moment.
            await asyncio.sleep(self._pause_after(found) * random.uniform(0.8, 1.2))  # noqa: S311
            found = 0
            try:
                found = await self.sweep()
            except StoreUnavailable as problem:
                _log.warning("outbox not swept: the store is unreachable", detail=problem.detail)
