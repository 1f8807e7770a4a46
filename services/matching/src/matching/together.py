"""Doing things side by side, and failing like one thing."""

import asyncio
from collections.abc import Awaitable, Iterable

from qianqiao_chassis.errors import StoreUnavailable


async def together[T](work: Iterable[Awaitable[T]]) -> list[T]:
    """Run all of it side by side, wait for all of it, and return the outcomes in order.

    If something fails, one of the failures is raised as it is, that of the store first: the consumer must see it to
    wait for the store and not take the event for a bad one (an ExceptionGroup would hide it).
    """
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for failure in sorted(failures, key=lambda failure: not isinstance(failure, StoreUnavailable)):
        raise failure
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
