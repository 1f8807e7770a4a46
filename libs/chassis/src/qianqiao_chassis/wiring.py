"""How the parts of the chassis are put together for one service; the only module that knows all of them."""

from collections.abc import Sequence
from typing import Any

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.documents import OutboxEntry
from qianqiao_chassis.store.outbox import Outbox, Waker
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.query import Index
from qianqiao_chassis.store.repository import Repository


class LateWaker:
    """Passes wake-ups to the relay once there is one; before that the relay's sweep finds what was written."""

    def __init__(self) -> None:
        self.relay: Waker | None = None

    def wake(self, outbox: Outbox, id: str, entries: Sequence[OutboxEntry]) -> None:
        """See Waker."""
        if self.relay is not None:
            self.relay.wake(outbox, id, entries)

    def known(self, outbox: Outbox, id: str) -> int:
        """See Waker."""
        return 0 if self.relay is None else self.relay.known(outbox, id)


class Wiring:
    """Makes repositories and projections over one store, and remembers them for the relay and for the start."""

    def __init__(self, service: str, store: Store, clock: Clock) -> None:
        self.source = f"/services/{service}"
        self.store = store
        self.clock = clock
        self.waker = LateWaker()
        self.repositories: list[Repository[Any]] = []
        self.projections: list[Projection] = []
        self._names: set[str] = set()

    def repository[A: Aggregate](self, name: str, kind: type[A], indexes: Sequence[Index]) -> Repository[A]:
        """Return a repository over the collection `name`; ValueError when the name is taken."""
        self._claim(name)
        made = Repository(
            self.store, name, kind, source=self.source, clock=self.clock, waker=self.waker, indexes=indexes
        )
        self.repositories.append(made)
        return made

    def projection(self, name: str, indexes: Sequence[Index]) -> Projection:
        """Return a projection over the collection `name`; ValueError when the name is taken."""
        self._claim(name)
        made = Projection(self.store, name, indexes=indexes)
        self.projections.append(made)
        return made

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"collection {name!r} is declared twice")
        self._names.add(name)

    @property
    def outboxes(self) -> list[Outbox]:
        """The outboxes of every repository that publishes."""
        return [repository.outbox for repository in self.repositories if repository.outbox is not None]

    async def ensure_indexes(self) -> None:
        """Make every index that is missing. Raises StoreUnavailable."""
        for repository in self.repositories:
            await repository.ensure_indexes()
        for projection in self.projections:
            await projection.ensure_indexes()
