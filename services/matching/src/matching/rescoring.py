"""Another model counts: every open need is looked at again, page by page, written down, so that no crash ends it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self, override

import structlog
from opentelemetry import metrics
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import NeedContent

from matching.copies import Copies

_ID: Final = "model"
_PAGE: Final = 100
_COMPARED_EVERY_S: Final = 30.0
_OTHERS_TURN: Final = timedelta(seconds=5)
"""A process that scores with another model leaves the work to others for this long."""
_SHARE: Final = metrics.get_meter("qianqiao.matching").create_gauge(
    "qianqiao.matching.rescored", description="share of the needs looked at with the model in use; 1 = all of them"
)
log = structlog.get_logger(__name__)

type Look = Callable[[Sequence[str]], Awaitable[None]]
"""Brings the proposals of needs up to date."""


class Rescoring(Aggregate):
    """How far the needs were looked at with a model."""

    model: str
    """Version of the model."""
    mixed: bool = False
    """Whether some process scored with another one since, so that some proposals may rest on that."""
    marks: int = 0
    """How often everything was asked for."""
    after: str = ""
    done: int = 0
    """Documents gone through."""
    due: datetime | None = None

    @override
    def due_at(self) -> datetime | None:
        """When to go on."""
        return self.due

    def mark(self, model: str, now: datetime) -> None:
        """Have everything looked at with this model, from the beginning."""
        self.model, self.mixed, self.after, self.done = model, False, "", 0
        self.due, self.marks = now, self.marks + 1

    def went_on(self, seen: Self, last: str | None, read: int, now: datetime) -> None:
        """Note a page as done, None: that none is left. Of no account if everything was asked for meanwhile."""
        if (self.marks, self.after) != (seen.marks, seen.after):
            return
        self.after, self.done = last or "", seen.done + read
        self.due = None if last is None else now


@dataclass(frozen=True, slots=True)
class Rescorer:
    """Has every open need looked at anew where the model changed."""

    records: Repository[Rescoring]
    needs: Copies[NeedContent]
    look: Look
    around: Callable[[], Awaitable[None]]
    """Sees to what else depends on how pairs are scored, after the last need."""
    model: Callable[[], str]
    """Version of the model that this process scores with."""
    clock: Clock
    page: int = _PAGE

    async def taken_up(self, version: str, at_start: bool) -> None:
        """This process scores with a model. At a start nothing is to be done if everything rests on it already."""
        now = self.clock.now()
        if await self.records.add_once(Rescoring(id=_ID, model=version)):
            if at_start:
                return  # the first process of all: whatever there is was scored by it
        elif at_start and (held := await self.records.find(_ID)) and held.model == version and not held.mixed:
            return
        await self.records.change(_ID, lambda held: held.mark(version, now))
        log.info(
            "every need is looked at again",
            version=version,
            zh="模型已更换：逐条重新评估需求",
            en="the model changed: every need is looked at again",
        )

    async def due(self, seen: Rescoring) -> None:
        """Look at one page of needs."""
        now = self.clock.now()
        if seen.model != self.model():
            await self.records.change(_ID, lambda held: _leave(held, seen, now + _OTHERS_TURN))
            return
        page = await self.needs.changed(None, seen.after, self.page)
        copies = await self.needs.with_status(page)
        await self.look([need.id for need in copies if need.is_open])
        last = page[-1].key if len(page) == self.page else None
        if last is None:
            await self.around()
        await self.records.change(_ID, lambda held: held.went_on(seen, last, len(page), now))
        await self._tell(seen.done + len(page), ended=last is None)

    async def compare(self) -> None:
        """Write down that this process scores with another model than the one noted: what it does is done again."""
        held, mine = await self.records.find(_ID), self.model()
        if held is not None and held.model != mine and not held.mixed:
            await self.records.change(_ID, lambda record: _mix(record, mine))

    async def watch(self) -> None:
        """Compare again and again, for ever."""
        while True:
            await asyncio.sleep(_COMPARED_EVERY_S)
            with suppress(StoreUnavailable):
                await self.compare()

    async def _tell(self, done: int, *, ended: bool) -> None:
        total = done if ended else await self.needs.count()
        _SHARE.set(min(1.0, done / max(total, 1)))
        zh, en = f"重新评估需求：{done}/{total}", f"looking at every need again: {done} of {total}"
        log.info("needs looked at again", done=done, total=total, ended=ended, zh=zh, en=en)


def _mix(held: Rescoring, mine: str) -> None:
    held.mixed = held.mixed or held.model != mine


def _leave(held: Rescoring, seen: Rescoring, due: datetime) -> None:
    if (held.marks, held.after) == (seen.marks, seen.after):
        held.mixed, held.due = True, due
