"""Requests of the same kind that wait at the same time go to the store together.

A store spends far more on a request than on one more document in it. So a request that meets no other goes at once,
and those that come while earlier ones are under way share the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Final

from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.client import spanned

_AT_ONCE: Final = 2
"""Requests under way at the same time: with one, whoever comes just after it would wait twice as long."""
_MOST: Final = 200


class Gathered[Q, A]:
    """Answers `ask` with what `serve` gives for it; `serve` is given all that waits, and answers in the same order.

    An answer that is an exception is raised to the one who asked. When `serve` itself raises, every request of its
    group gets that, but for a group of several it is first served one by one: one request that cannot be served must
    not fail others that happened to come with it. StoreUnavailable is true for all of them.
    """

    def __init__(
        self, operation: str, collection: str, serve: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]]
    ) -> None:
        self._operation = operation
        self._collection = collection
        self._serve = serve
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        # Several callers share a request: it belongs to the trace of none of them. Each has a span of its own.
        self._context = copy_context()

    async def ask(self, request: Q) -> A:
        """Return the answer. Raises what was answered instead, or what the request to the store raised."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        self._go()
        with spanned(self._operation, self._collection):
            return await answer

    def _go(self) -> None:
        if self._waiting and len(self._under_way) < _AT_ONCE:
            task = asyncio.create_task(self._next(), context=self._context.copy())
            self._under_way.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._go()

    async def _next(self) -> None:
        # The first step runs a turn of the event loop after `ask`: all who ask in one turn are here by now.
        group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        group = [(request, answer) for request, answer in group if not answer.done()]
        if group:
            await self._answer(group)

    async def _answer(self, group: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._serve([request for request, _ in group])
        except BaseException as error:
            if not isinstance(error, Exception):
                for _, future in group:
                    future.cancel()
                raise
            if len(group) == 1 or isinstance(error, StoreUnavailable):
                answers = [error] * len(group)
            else:
                for one in group:
                    await self._answer([one])
                return
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue  # whoever asked was cancelled
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
