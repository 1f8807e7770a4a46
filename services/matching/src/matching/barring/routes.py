"""A party's own do-not-match list. There is no way to read another's, for operators either."""

from typing import Annotated, Final

from fastapi import Response
from pydantic import BaseModel, Field
from qianqiao_chassis.http import Caller, RequestBody, Routes, allow, etag, if_match
from qianqiao_contracts import PartyKind
from qianqiao_contracts.values import Id

from matching.barring.bars import Bars
from matching.barring.domain import DoNotMatch
from matching.callers import own_party
from matching.engine.tables import table

_MOST: Final[int] = table("policy")["do_not_match"]["most"]
AsParty = Annotated[Caller, allow(*(kind.value for kind in PartyKind))]


class ListBody(RequestBody):
    """The whole list as it shall be."""

    parties: list[Id] = Field(
        max_length=_MOST,
        description="不愿与之对接的主体；整份替换 · Parties never to be matched with; replaces the list",
        examples=[["party-competitor"]],
    )


class ListView(BaseModel):
    """The list as it is."""

    revision: int
    parties: tuple[str, ...]

    @classmethod
    def of(cls, held: DoNotMatch) -> "ListView":
        """Show a list to its party."""
        return cls(revision=held.revision, parties=held.others)


def routes(bars: Bars) -> Routes:
    """All routes, bound to the lists."""
    api = Routes(prefix="/v1", tags=["do-not-match"])

    @api.get("/do-not-match")
    async def read(caller: AsParty, response: Response) -> ListView:
        """本单位的不推荐名单；只有本单位可见。 One's own do-not-match list; nobody else sees it."""
        held = await bars.read(own_party(caller))
        response.headers["ETag"] = etag(held)
        return ListView.of(held)

    @api.put("/do-not-match")
    async def state(
        body: ListBody, caller: AsParty, response: Response, revision: Annotated[int | None, if_match()]
    ) -> ListView:
        """替换名单；双方今后互不推荐，未答复的推荐随即撤回，对方不会得知原因。

        Replace the list: neither side is proposed to the other, unanswered proposals are taken back, and the other
        side does not learn why.
        """
        held = await bars.state(own_party(caller), body.parties, revision)
        response.headers["ETag"] = etag(held)
        return ListView.of(held)

    return api
