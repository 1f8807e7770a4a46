"""Aggregates in the document store: state and events in one atomic write, under an optimistic lock."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qianqiao_chassis.aggregate import Aggregate


class Repository[A: Aggregate]:
    """Loads and saves aggregates of one kind.

    Every method raises StoreUnavailable when the store does not answer; nothing is retried silently except
    what the driver itself may retry without doing it twice.
    Filters name the aggregate's own fields ("id" included; nested ones with dots) and MongoDB operators.
    Times are stored as RFC 3339 text in UTC.
    """

    async def get(self, id: str) -> A:
        """Return the aggregate. Raises NotFound."""
        raise NotImplementedError

    async def find(self, id: str) -> A | None:
        """Return the aggregate or None."""
        raise NotImplementedError

    async def add(self, aggregate: A) -> A:
        """Store a new aggregate with what it recorded. Raises AlreadyExists (id or a unique index), TooLarge."""
        raise NotImplementedError

    async def add_once(self, aggregate: A) -> bool:
        """Store it unless its id is taken; True if this call stored it. For handlers, with a derived id."""
        raise NotImplementedError

    async def save(self, aggregate: A) -> A:
        """Store a changed aggregate and what it recorded. Raises VersionConflict, NotFound, TooLarge."""
        raise NotImplementedError

    async def change(self, id: str, decide: Callable[[A], None], *, if_revision: int | None = None) -> A:
        """Load, let `decide` change it, save; return it as saved.

        On a lost race it is loaded and decided again, so `decide` must do nothing but change the aggregate.
        With `if_revision` there is no second try: VersionConflict. Raises NotFound and whatever `decide` raises.
        """
        raise NotImplementedError

    async def select(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (("id", 1),),
        limit: int = 50,
        after: str | None = None,
    ) -> list[A]:
        """Return up to `limit` aggregates that match, in order; `after` is the id of the last one already seen."""
        raise NotImplementedError

    async def count(self, filter: Mapping[str, Any] | None = None) -> int:
        """Return how many aggregates match."""
        raise NotImplementedError
