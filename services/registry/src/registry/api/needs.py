"""Routes of needs."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import ConfigDict, Field
from qianqiao_chassis.http import (
    OPERATOR,
    Caller,
    Command,
    Page,
    PageRequest,
    Routes,
    allow,
    etag,
    if_match,
    page,
    public,
)
from qianqiao_contracts import NeedChannel
from qianqiao_contracts.values import Id, Title, bounded

from registry.api.common import PARTY_ROLES, MaybeWhy, Why, actor, merged
from registry.api.settling import Confirm, Settle
from registry.domain.lifecycle import Actor
from registry.domain.need import Need, NeedText
from registry.domain.quality import QualityRules, assess
from registry.usecases.introductions import Introductions
from registry.usecases.needs import Needs
from registry.views import NeedView, need_view, owns

Owner = Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)]
Revision = Annotated[int | None, if_match()]
Status = Literal["published", "paused", "expired", "solved", "withdrawn"]


class PostNeed(NeedText):
    """A need to publish."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    party: Id = Field(description="需求方主体标识 · Party that needs it")
    channel: NeedChannel = Field(default=NeedChannel.PORTAL, description="来源渠道 · How it came in")

    def content(self) -> NeedText:
        """What the need says."""
        return NeedText(**{name: getattr(self, name) for name in NeedText.model_fields})


class NeedPatch(NeedText):
    """The fields to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title = Field(default_factory=str, description="需求名称 · Title")
    difficulty: Annotated[str, bounded("difficulty")] = Field(
        default_factory=str, description="主要技术难点 · Main technical difficulty"
    )


class NeedRoutes:
    """Answers with needs, as far as the caller may see them."""

    def __init__(self, needs: Needs, introductions: Introductions, quality: QualityRules) -> None:
        self._needs = needs
        self._introductions = introductions
        self._quality = quality

    def routes(self) -> Routes:
        """Return the routes."""
        routes = Routes(prefix="/v1", tags=["needs"])
        self._reading(routes)
        self._writing(routes)
        self._steps(routes)
        self._settling(routes)
        return routes

    async def _answer(self, id_: str, by: Actor, response: Response, **more: Any) -> NeedView:
        need, sight = await self._needs.get(id_, by)
        response.headers["ETag"] = etag(need)
        if owns(need, by):
            more["quality"] = assess(need.content.described(), self._quality)
            more["possible_duplicates"] = await self._needs.possible_duplicates(need, by)
        return need_view(need, sight, by, **more)

    async def _changed(self, need: Need, by: Actor, response: Response, *, screened: bool = False) -> NeedView:
        response.headers["ETag"] = etag(need)
        more: dict[str, Any] = {"quality": assess(need.content.described(), self._quality)} if owns(need, by) else {}
        if screened:
            more["possible_duplicates"] = await self._needs.possible_duplicates(need, by)
        return need_view(need, need.sight_of(by.party, operator=by.operator), by, **more)

    def _reading(self, routes: Routes) -> None:
        @routes.get("/needs")
        async def select(
            caller: Annotated[Caller | None, public()],
            asked: Annotated[PageRequest, page()],
            status: Status | None = None,
            party: Annotated[str | None, Query(max_length=200)] = None,
            park: Annotated[str | None, Query(max_length=200)] = None,
            sector: Annotated[str | None, Query(max_length=64)] = None,
        ) -> Page[NeedView]:
            """需求列表 / The needs a caller may see, by id."""
            by = actor(caller)
            given = {"status": status, "party": party, "park": park, "content.sectors.code": sector}
            filters = {name: value for name, value in given.items() if value is not None}
            found = await self._needs.select(filters, by, limit=asked.fetch, after=asked.after)
            return asked.of(found, lambda seen: need_view(*seen, by), key=lambda seen: seen[0].id)

        @routes.get("/needs/{id}")
        async def show(id: str, caller: Annotated[Caller | None, public()], response: Response) -> NeedView:
            """一项需求 / One need."""
            introductions = await self._introductions.of_need(id)
            return await self._answer(id, actor(caller), response, introductions=introductions)

    def _writing(self, routes: Routes) -> None:
        @routes.post("/needs", status_code=201)
        async def post(body: PostNeed, caller: Owner, command: Command, response: Response) -> NeedView:
            """发布需求 / Publish a need. The answer scores its description and names needs that read much alike."""
            by = actor(caller)
            need = await self._needs.post(command.new_id("need"), body.party, body.content(), body.channel, by)
            return await self._changed(need, by, response, screened=True)

        @routes.patch("/needs/{id}")
        async def revise(id: str, body: NeedPatch, caller: Owner, revision: Revision, response: Response) -> NeedView:
            """修改需求 / Change what a need says."""
            by = actor(caller)
            held, _ = await self._needs.get(id, by)
            need = await self._needs.revise(id, merged(held.content, body), by, revision or held.revision)
            return await self._changed(need, by, response, screened=True)

    def _steps(self, routes: Routes) -> None:
        @routes.post("/needs/{id}/pause")
        async def pause(id: str, body: MaybeWhy, caller: Owner, revision: Revision, response: Response) -> NeedView:
            """暂停 / Take no new matches for now."""
            return await self._step(self._needs.pause, id, body, caller, revision, response)

        @routes.post("/needs/{id}/resume")
        async def resume(id: str, body: MaybeWhy, caller: Owner, revision: Revision, response: Response) -> NeedView:
            """恢复 / Open a paused need again."""
            return await self._step(self._needs.resume, id, body, caller, revision, response)

        @routes.post("/needs/{id}/renew")
        async def renew(id: str, body: MaybeWhy, caller: Owner, revision: Revision, response: Response) -> NeedView:
            """确认续期 / Confirm that a need still holds."""
            return await self._step(self._needs.renew, id, body, caller, revision, response)

        @routes.post("/needs/{id}/withdraw")
        async def withdraw(id: str, body: Why, caller: Owner, revision: Revision, response: Response) -> NeedView:
            """撤回 / Take a need back for good."""
            by = actor(caller)
            return await self._changed(await self._needs.withdraw(id, body.reason, by, revision), by, response)

    async def _step(
        self,
        step: Callable[..., Awaitable[Need]],
        id_: str,
        body: MaybeWhy,
        caller: Caller,
        revision: int | None,
        response: Response,
    ) -> NeedView:
        by = actor(caller)
        return await self._changed(await step(id_, body.reason, by, revision), by, response)

    def _settling(self, routes: Routes) -> None:
        @routes.post("/needs/{id}/solve")
        async def solve(id: str, body: Settle, caller: Owner, response: Response) -> NeedView:
            """标记为已解决 / Say with whom a need was solved; it is solved once the partner confirms."""
            by = actor(caller)
            need = await self._needs.settle(id, by, partner=body.partner, statement=body.statement)
            return await self._changed(need, by, response)

        @routes.post("/needs/{id}/confirm")
        async def confirm(id: str, body: Confirm, caller: Owner, response: Response) -> NeedView:
            """确认已解决 / Give one side's confirmation."""
            by = actor(caller)
            return await self._changed(await self._needs.confirm(id, body.settlement, by), by, response)
