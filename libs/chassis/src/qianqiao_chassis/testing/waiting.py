"""Waiting in tests: until something is so, never for a length of time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], object] | Callable[[], Awaitable[object]], *, within: float = 20.0, what: str = ""
) -> None:
    """Return as soon as `condition()` is true; AssertionError when it is not within so many seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if loop.time() > deadline:
            raise AssertionError(f"not so within {within} s: {what or inspect.getsource(condition).strip()}")
        await asyncio.sleep(0.005)
