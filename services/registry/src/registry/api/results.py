"""Routes of results."""

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
from qianqiao_contracts import Maturity
from qianqiao_contracts.values import PartyIds, Title, bounded

from registry.api.common import PARTY_ROLES, MaybeWhy, Why, actor, merged
from registry.api.settling import Confirm, Take
from registry.domain.lifecycle import Actor
from registry.domain.remarks import RemarkRules, remarks
from registry.domain.result import Result, ResultText
from registry.usecases.introductions import Introductions
from registry.usecases.results import Results
from registry.views import ResultView, owns, result_view

Owner = Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)]
Revision = Annotated[int | None, if_match()]
Status = Literal["published", "expired", "taken", "withdrawn"]


class ListResult(ResultText):
    """A result to put on offer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parties: PartyIds = Field(
        description="完成单位主体标识，首位为主 · Parties that achieved it, the leading one first"
    )

    def content(self) -> ResultText:
        """What the result says."""
        return ResultText(**{name: getattr(self, name) for name in ResultText.model_fields})


class ResultPatch(ResultText):
    """The fields to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title = Field(default_factory=str, description="成果名称 · Title")
    summary: Annotated[str, bounded("summary")] = Field(default_factory=str, description="成果简介 · Summary")
    maturity: Maturity = Field(default_factory=lambda: Maturity(trl=1), description="成熟度 · Maturity")


class ResultRoutes:
    """Answers with results, as far as the caller may see them."""

    def __init__(self, results: Results, introductions: Introductions, rules: RemarkRules) -> None:
        self._results = results
        self._introductions = introductions
        self._rules = rules

    def routes(self) -> Routes:
        """Return the routes."""
        routes = Routes(prefix="/v1", tags=["results"])
        self._reading(routes)
        self._writing(routes)
        self._steps(routes)
        self._settling(routes)
        return routes

    def _remarks(self, result: Result, by: Actor) -> dict[str, Any]:
        content = result.content
        if not owns(result, by):
            return {}
        return {"remarks": remarks(content.title, content.summary, content.maturity, self._rules)}

    async def _changed(self, result: Result, by: Actor, response: Response, *, screened: bool = False) -> ResultView:
        response.headers["ETag"] = etag(result)
        more = self._remarks(result, by)
        if screened:
            more["possible_duplicates"] = await self._results.possible_duplicates(result, by)
        return result_view(result, result.sight_of(by.party, operator=by.operator), by, **more)

    def _reading(self, routes: Routes) -> None:
        @routes.get("/results")
        async def select(
            caller: Annotated[Caller | None, public()],
            asked: Annotated[PageRequest, page()],
            status: Status | None = None,
            party: Annotated[str | None, Query(max_length=200)] = None,
            sector: Annotated[str | None, Query(max_length=64)] = None,
        ) -> Page[ResultView]:
            """成果列表 / The results a caller may see, by id."""
            by = actor(caller)
            given = {"status": status, "parties": party, "content.sectors.code": sector}
            filters = {name: value for name, value in given.items() if value is not None}
            found = await self._results.select(filters, by, limit=asked.fetch, after=asked.after)
            return asked.of(found, lambda seen: result_view(*seen, by), key=lambda seen: seen[0].id)

        @routes.get("/results/{id}")
        async def show(id: str, caller: Annotated[Caller | None, public()], response: Response) -> ResultView:
            """一项成果 / One result."""
            by = actor(caller)
            result, sight = await self._results.get(id, by)
            response.headers["ETag"] = etag(result)
            more = self._remarks(result, by)
            if owns(result, by):
                more["possible_duplicates"] = await self._results.possible_duplicates(result, by)
            return result_view(result, sight, by, introductions=await self._introductions.of_result(id), **more)

    def _writing(self, routes: Routes) -> None:
        @routes.post("/results", status_code=201)
        async def list_(body: ListResult, caller: Owner, command: Command, response: Response) -> ResultView:
            """发布成果 / Put a result on offer. The answer remarks on it and names results that read much alike."""
            by = actor(caller)
            parties = tuple(dict.fromkeys(body.parties))
            result = await self._results.list_(command.new_id("result"), parties, body.content(), by)
            return await self._changed(result, by, response, screened=True)

        @routes.patch("/results/{id}")
        async def revise(
            id: str, body: ResultPatch, caller: Owner, revision: Revision, response: Response
        ) -> ResultView:
            """修改成果 / Change what a result says."""
            by = actor(caller)
            held, _ = await self._results.get(id, by)
            result = await self._results.revise(id, merged(held.content, body), by, revision or held.revision)
            return await self._changed(result, by, response, screened=True)

    def _steps(self, routes: Routes) -> None:
        @routes.post("/results/{id}/renew")
        async def renew(id: str, body: MaybeWhy, caller: Owner, revision: Revision, response: Response) -> ResultView:
            """确认续期 / Confirm that a result still holds."""
            by = actor(caller)
            return await self._changed(await self._results.renew(id, body.reason, by, revision), by, response)

        @routes.post("/results/{id}/withdraw")
        async def withdraw(id: str, body: Why, caller: Owner, revision: Revision, response: Response) -> ResultView:
            """撤回 / Take a result off the list for good."""
            by = actor(caller)
            return await self._changed(await self._results.withdraw(id, body.reason, by, revision), by, response)

    def _settling(self, routes: Routes) -> None:
        @routes.post("/results/{id}/take")
        async def take(id: str, body: Take, caller: Owner, response: Response) -> ResultView:
            """标记为已采用 / Say who took a result; it is taken once that party confirms."""
            by = actor(caller)
            result = await self._results.settle(
                id, by, partner=body.partner, statement=body.statement, exclusive=body.exclusive
            )
            return await self._changed(result, by, response)

        @routes.post("/results/{id}/confirm")
        async def confirm(id: str, body: Confirm, caller: Owner, response: Response) -> ResultView:
            """确认已采用 / Give one side's confirmation."""
            by = actor(caller)
            return await self._changed(await self._results.confirm(id, body.settlement, by), by, response)
