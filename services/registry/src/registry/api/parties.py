"""Routes of parties."""

from typing import Annotated, Any

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
from qianqiao_contracts import PartyKind
from qianqiao_contracts.values import Name

from registry.api.common import PARTY_ROLES, Why, actor, merged
from registry.domain.party import PartyText
from registry.usecases.parties import Parties
from registry.views import PartyView


class RegisterParty(PartyText):
    """A party to register. A caller whose token already names a party registers itself under that id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verified: bool = Field(default=False, description="已核验，仅平台可设 · Identity checked; operators only")

    def content(self) -> PartyText:
        """What the party says of itself."""
        return PartyText(**{name: getattr(self, name) for name in PartyText.model_fields})


class PartyPatch(PartyText):
    """The fields to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(default_factory=str, description="名称 · Name")
    kind: PartyKind = Field(default_factory=lambda: PartyKind.USER, description="角色 · Part it plays")


def routes(parties: Parties) -> Routes:
    """Return the routes."""
    routes = Routes(prefix="/v1", tags=["parties"])
    _reading(routes, parties)
    _changing(routes, parties)
    return routes


def _reading(routes: Routes, parties: Parties) -> None:
    @routes.get("/parties")
    async def select(
        caller: Annotated[Caller | None, public()],
        asked: Annotated[PageRequest, page()],
        kind: PartyKind | None = None,
        park: Annotated[str | None, Query(max_length=200)] = None,
        uscc: Annotated[str | None, Query(max_length=18)] = None,
    ) -> Page[PartyView]:
        """主体列表 / Parties by id."""
        given: dict[str, Any] = {"content.kind": kind and kind.value, "content.park": park, "uscc_key": uscc}
        filters = {name: value for name, value in given.items() if value is not None}
        return asked.of(await parties.select(filters, limit=asked.fetch, after=asked.after), PartyView.of)

    @routes.get("/parties/{id}")
    async def show(id: str, caller: Annotated[Caller | None, public()], response: Response) -> PartyView:
        """一个主体 / One party."""
        party = await parties.get(id)
        response.headers["ETag"] = etag(party)
        return PartyView.of(party)


def _changing(routes: Routes, parties: Parties) -> None:
    @routes.post("/parties", status_code=201)
    async def register(
        body: RegisterParty,
        caller: Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)],
        command: Command,
        response: Response,
    ) -> PartyView:
        """登记主体 / Register a party: oneself, one of one's park, or any for an operator."""
        by = actor(caller)
        itself = not by.operator and by.party is not None and body.park != by.party
        id_ = by.party if itself and by.party is not None else command.new_id("party")
        party = await parties.register(id_, body.content(), verified=body.verified, by=by)
        response.headers["ETag"] = etag(party)
        return PartyView.of(party)

    @routes.patch("/parties/{id}")
    async def revise(
        id: str,
        body: PartyPatch,
        caller: Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)],
        revision: Annotated[int | None, if_match()],
        response: Response,
    ) -> PartyView:
        """修改主体信息 / Change what is known of a party; a change of name, kind or code has to be verified again."""
        held = await parties.get(id)
        party = await parties.revise(id, merged(held.content, body), actor(caller), revision or held.revision)
        response.headers["ETag"] = etag(party)
        return PartyView.of(party)

    @routes.post("/parties/{id}/verify")
    async def verify(id: str, caller: Annotated[Caller, allow(OPERATOR)], response: Response) -> PartyView:
        """标记为已核验 / Mark a party's identity as checked."""
        party = await parties.verify(id, actor(caller))
        response.headers["ETag"] = etag(party)
        return PartyView.of(party)

    @routes.post("/parties/{id}/close")
    async def close(
        id: str,
        body: Why,
        caller: Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)],
        revision: Annotated[int | None, if_match()],
        response: Response,
    ) -> PartyView:
        """注销主体 / Close a party; what it still had open is withdrawn."""
        party = await parties.close(id, body.reason, actor(caller), revision)
        response.headers["ETag"] = etag(party)
        return PartyView.of(party)
