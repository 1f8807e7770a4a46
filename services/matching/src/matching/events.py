"""Which events this service listens to, and what it does on each."""

from typing import Any, Final

from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_contracts import (
    Event,
    NeedExpired,
    NeedPaused,
    NeedPosted,
    NeedRenewed,
    NeedResumed,
    NeedRevised,
    NeedSolved,
    NeedWithdrawn,
    ResultExpired,
    ResultListed,
    ResultRenewed,
    ResultRevised,
    ResultTaken,
    ResultWithdrawn,
)

from matching.copies import Status
from matching.usecases import Matching

NEED_FIELDS: Final = (
    "party",
    "title",
    "difficulty",
    "current_state",
    "goal",
    "sectors",
    "keywords",
    "constraints",
    "budget",
    "modes",
    "trl_wanted",
    "title_en",
    "difficulty_en",
    "keywords_en",
    "visibility",
)
RESULT_FIELDS: Final = (
    "parties",
    "title",
    "summary",
    "problem",
    "advantage",
    "application",
    "sectors",
    "keywords",
    "maturity",
    "modes",
    "price",
    "measured",
    "title_en",
    "summary_en",
    "keywords_en",
    "visibility",
)


def subscriptions(matching: Matching) -> Subscriptions:
    """Every subscription, bound to the use cases."""
    subscribed = Subscriptions()
    _needs(subscribed, matching)
    _results(subscribed, matching)
    return subscribed


def _needs(on: Subscriptions, matching: Matching) -> None:
    @on.on(NeedPosted, NeedRevised, reads=NEED_FIELDS)
    async def changed(event: Event[Any]) -> None:
        await matching.need_changed(event.subject, event.sequence, event.data)

    @on.on(NeedPaused, NeedSolved, NeedExpired, NeedWithdrawn, reads=())
    async def left(event: Event[Any]) -> None:
        await matching.need_stepped(event.subject, event.sequence, Status.CLOSED)

    @on.on(NeedResumed, NeedRenewed, reads=())
    async def back(event: Event[Any]) -> None:
        await matching.need_stepped(event.subject, event.sequence, Status.OPEN)


def _results(on: Subscriptions, matching: Matching) -> None:
    @on.on(ResultListed, ResultRevised, reads=RESULT_FIELDS)
    async def changed(event: Event[Any]) -> None:
        await matching.result_changed(event.subject, event.sequence, event.data)

    @on.on(ResultExpired, ResultWithdrawn, reads=())
    async def left(event: Event[Any]) -> None:
        await matching.result_stepped(event.subject, event.sequence, Status.CLOSED)

    @on.on(ResultTaken, reads=("exclusive",))
    async def taken(event: Event[Any]) -> None:
        if event.data.exclusive:  # taken by one of many, it stays on offer
            await matching.result_stepped(event.subject, event.sequence, Status.CLOSED)

    @on.on(ResultRenewed, reads=())
    async def back(event: Event[Any]) -> None:
        await matching.result_stepped(event.subject, event.sequence, Status.OPEN)
