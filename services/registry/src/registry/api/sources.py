"""Routes of outside systems, for operators."""

from typing import Annotated

from fastapi import Response
from pydantic import Field
from qianqiao_chassis.http import OPERATOR, Caller, Page, PageRequest, RequestBody, Routes, allow, etag, if_match, page
from qianqiao_contracts.values import Id, Name

from registry.api.common import actor
from registry.usecases.sources import Sources
from registry.views import SourceSecret, SourceView

Operator = Annotated[Caller, allow(OPERATOR)]
MAX_TYPES = 100


class RegisterSource(RequestBody):
    """An outside system that may send events for the parties of one park."""

    uri: Annotated[Id, Field(pattern=r"^/[A-Za-z0-9/_.~-]+$")] = Field(
        description="事件的 source，如 /parks/… · The `source` of its events", examples=["/parks/demo-park"]
    )
    park: Id = Field(description="园区主体标识 · Party id of its park")
    name: Name = Field(description="名称 · Name")
    types: Annotated[tuple[Id, ...], Field(max_length=MAX_TYPES)] = Field(
        default=(), description="可发送的事件类型，空为全部 · Event types it may send; empty: all"
    )
    may_verify: bool = Field(default=False, description="可核验主体 · Its word on a party's identity is taken")


class SourcePatch(RequestBody):
    """What to change of a source; what is left out stays."""

    name: Name | None = None
    types: Annotated[tuple[Id, ...], Field(max_length=MAX_TYPES)] | None = None
    enabled: bool | None = None
    may_verify: bool | None = None


def routes(sources: Sources) -> Routes:
    """Return the routes."""
    routes = Routes(prefix="/v1", tags=["sources"])
    _reading(routes, sources)
    _changing(routes, sources)
    return routes


def _reading(routes: Routes, sources: Sources) -> None:
    @routes.get("/sources")
    async def select(caller: Operator, asked: Annotated[PageRequest, page()]) -> Page[SourceView]:
        """外部系统列表 / Outside systems by id."""
        return asked.of(await sources.select(limit=asked.fetch, after=asked.after), SourceView.of)

    @routes.get("/sources/{id}")
    async def show(id: str, caller: Operator, response: Response) -> SourceView:
        """一个外部系统 / One outside system."""
        source = await sources.get(id)
        response.headers["ETag"] = etag(source)
        return SourceView.of(source)


def _changing(routes: Routes, sources: Sources) -> None:
    @routes.post("/sources", status_code=201)
    async def register(body: RegisterSource, caller: Operator, response: Response) -> SourceSecret:
        """登记外部系统 / Register an outside system. Its secret is shown in this answer only."""
        source = await sources.register(
            uri=body.uri,
            park=body.park,
            name=body.name,
            types=body.types,
            may_verify=body.may_verify,
            by=actor(caller),
        )
        response.headers["ETag"] = etag(source)
        return SourceSecret.of(source)

    @routes.patch("/sources/{id}")
    async def revise(
        id: str,
        body: SourcePatch,
        caller: Operator,
        revision: Annotated[int | None, if_match()],
        response: Response,
    ) -> SourceView:
        """修改外部系统 / Change what an outside system may do."""
        held = await sources.get(id)
        source = await sources.revise(
            id,
            name=held.name if body.name is None else body.name,
            types=held.types if body.types is None else body.types,
            enabled=held.enabled if body.enabled is None else body.enabled,
            may_verify=held.may_verify if body.may_verify is None else body.may_verify,
            by=actor(caller),
            if_revision=revision or held.revision,
        )
        response.headers["ETag"] = etag(source)
        return SourceView.of(source)

    @routes.post("/sources/{id}/rotate-secret")
    async def rotate(id: str, caller: Operator, response: Response) -> SourceSecret:
        """更换密钥 / Give it a new secret; the former one holds a while longer."""
        source = await sources.rotate(id, actor(caller))
        response.headers["ETag"] = etag(source)
        return SourceSecret.of(source)
