"""The HTTP routes of challenges: for now, what operators need to see that the service hears."""

from typing import Annotated

from pydantic import BaseModel, Field
from qianqiao_chassis.http import Caller, Page, PageRequest, Routes, allow, page
from qianqiao_contracts import PartyKind

from challenges.usecases import Parties


class KnownPartyView(BaseModel):
    """A party this service has heard of."""

    id: str
    name: str
    kind: PartyKind
    verified: bool = Field(description="身份是否已核验 · Whether its identity was checked")


def routes(parties: Parties) -> Routes:
    """All routes, bound to the use cases."""
    api = Routes(prefix="/v1", tags=["challenges"])

    @api.get("/known-parties")
    async def known_parties(
        caller: Annotated[Caller, allow("operator")], asked: Annotated[PageRequest, page()]
    ) -> Page[KnownPartyView]:
        """本服务已知的主体（仅限平台运营人员）。 The parties this service knows, for operators."""
        found = await parties.after(asked.after, asked.fetch)
        views = [KnownPartyView(id=id, **party.model_dump()) for id, party in found]
        return asked.of(views, lambda view: view)

    return api
