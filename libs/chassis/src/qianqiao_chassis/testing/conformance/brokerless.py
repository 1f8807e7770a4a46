"""A consumer without a broker: what the suites of dispatching and of parking have in common."""
# ruff: noqa: D102 - fixtures are named by what they are

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from qianqiao_contracts import Event, EventData, NeedPaused, NeedResumed

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.consumer.dispatcher import Dispatcher
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.operating import ParkedDesk
from qianqiao_chassis.consumer.parking import Parking
from qianqiao_chassis.consumer.retrying import RetryLoop, RetryPlan
from qianqiao_chassis.consumer.subscriptions import RawRecord, Subscriptions
from qianqiao_chassis.context import Cause, current_cause
from qianqiao_chassis.store import Store
from qianqiao_chassis.testing.conformance.store import StoreSuite
from qianqiao_chassis.testing.conformance.subjects import event, record

TOPIC = "registry.needs"


@dataclass(slots=True)
class Service:
    """A consumer without a broker: its handler notes (subject, sequence) and does what `act` says."""

    dispatcher: Dispatcher
    parking: Parking
    retry: RetryLoop
    desk: ParkedDesk
    handled: list[tuple[str, int]] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    broken: set[tuple[str, int]] = field(default_factory=set)
    act: Callable[[Event[EventData]], Awaitable[None]] | None = None
    tries: int = 0

    async def handle(self, made: Event[EventData]) -> None:
        """The handler."""
        self.tries += 1
        self.causes.append(current_cause())
        if (made.subject, made.sequence) in self.broken:
            raise RuntimeError("broken")
        if self.act is not None:
            await self.act(made)
        self.handled.append((made.subject, made.sequence))

    async def erased(self, key: str) -> None:
        """The tombstone handler."""
        self.tombstones.append(key)

    def of(self, subject: str) -> list[int]:
        """The sequences handled of one subject, in order."""
        return [sequence for handled, sequence in self.handled if handled == subject]


def service(store: Store, clock: FakeClock) -> Service:
    """A service over a store."""
    subscriptions = Subscriptions()
    parking = Parking(store, clock)
    handling = Handling(subscriptions, timeout=timedelta(seconds=5))
    plan = RetryPlan(delays=(timedelta(seconds=1), timedelta(seconds=10)), lease=timedelta(seconds=60))
    made = Service(
        Dispatcher(handling, parking, plan=plan),
        parking,
        RetryLoop(parking, handling, clock, plan=plan),
        ParkedDesk(store, clock),
    )
    subscriptions.on(NeedPaused, NeedResumed)(made.handle)
    subscriptions.on_tombstone(TOPIC)(made.erased)
    return made


def stream(subject: str, count: int, *, first_offset: int = 0, step: int = 1, partition: int = 0) -> list[RawRecord]:
    """`count` events of a subject, on one partition."""
    return [record(event(subject, n + 1), offset=first_offset + n * step, partition=partition) for n in range(count)]


class BrokerlessSuite(StoreSuite):
    """Base of the suites: a service over the store they are given."""

    @pytest.fixture
    async def it(self, store: Store, clock: FakeClock) -> Service:
        made = service(store, clock)
        await made.parking.ensure_indexes()
        return made
