"""Timers: aggregates whose time has come are claimed by lease and handed to a handler."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.repository import Repository


class DueLoop:
    """Calls `handler(id)` for every aggregate of `repository` whose `due_at()` has passed.

    Each is claimed for `lease`; the handler must change and save the aggregate (a save ends the lease and stores
    the next `due_at`). A handler that fails, or saves nothing, is called again after the lease; one that dies with
    its process is taken over by another process. Two calls for one aggregate can overlap when a handler outlives its
    lease: the revision check of the save decides.
    `async with` runs it; `run_once()` is for tests.
    """

    def __init__(
        self,
        repository: Repository[Any],
        handler: Callable[[str], Awaitable[None]],
        clock: Clock,
        *,
        lease: timedelta = timedelta(seconds=30),
        concurrency: int = 8,
    ) -> None:
        raise NotImplementedError

    async def run_once(self) -> int:
        """Call the handler for everything due now until nothing is; return how many calls were made."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Start looking."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop claiming, finish what is in hand."""
        raise NotImplementedError
