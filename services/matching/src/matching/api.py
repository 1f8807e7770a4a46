"""The HTTP routes of matching. A party sees its own matches and answers for itself; operators see all, answer none."""

import asyncio
from typing import Annotated, Final

from fastapi import Query, Response
from pydantic import Field
from qianqiao_chassis.http import Caller, Page, PageRequest, RequestBody, Routes, allow, etag, if_match, page
from qianqiao_contracts import MatchKind, PartyKind

from matching.callers import own_party
from matching.domain import State
from matching.usecases import Matching
from matching.views import CandidatesView, MatchView, candidate_view, candidates_view, is_listed, match_view

_PARTIES: Final = tuple(kind.value for kind in PartyKind)
_BROWSED: Final = 20
_TEXT: Final = 500

AsReader = Annotated[Caller, allow(*_PARTIES, "operator")]
AsParty = Annotated[Caller, allow(*_PARTIES)]


class DeclineReason(RequestBody):
    """Why a side declines."""

    code: str = Field(min_length=1, max_length=64, description="decline_reason 表中的代码 · A code of decline_reason")
    text: str | None = Field(default=None, max_length=_TEXT, description="给对方看的说明 · Shown to the other side")


class Decline(RequestBody):
    """A refusal: a code is a must."""

    reason: DeclineReason
    private_text: str | None = Field(
        default=None, max_length=_TEXT, description="只给平台看的说明 · Shown to the platform only"
    )


def routes(matching: Matching) -> Routes:
    """All routes, bound to the use cases."""
    api = Routes(prefix="/v1", tags=["matches"])
    _reading(api, matching)
    _answering(api, matching)
    return api


def _reading(api: Routes, matching: Matching) -> None:
    @api.get("/matches")
    async def list_matches(
        caller: AsReader,
        asked: Annotated[PageRequest, page()],
        state: Annotated[State | None, Query(description="只看此状态 · Only in this state")] = None,
        kind: Annotated[MatchKind | None, Query(description="只看此类对接 · Only of this kind")] = None,
        need: Annotated[str | None, Query(max_length=200, description="只看此需求 · Only of this need")] = None,
        result: Annotated[str | None, Query(max_length=200, description="只看此成果 · Only of this result")] = None,
    ) -> Page[MatchView]:
        """本单位的对接建议，新的在前；平台运营人员可见全部。 Own matches, newest first; operators see all."""
        party = None if caller.is_operator else own_party(caller)
        where = {"state": state, "proposal.kind": kind, "proposal.need": need, "proposal.result": result}
        found = await matching.list(party, where, limit=asked.fetch, after=asked.after)
        return asked.of(found, lambda match: match_view(match, operator=caller.is_operator))

    @api.get("/matches/{id}")
    async def read(id: str, caller: AsReader, response: Response) -> MatchView:
        """一条对接建议：理由、差距、逐项指标和双方态度。 One match: reasons, gaps, constraints, answers."""
        match = await matching.find(id, caller.party, operator=caller.is_operator)
        response.headers["ETag"] = etag(match)
        return match_view(match, operator=caller.is_operator)

    @api.get("/needs/{id}/candidates")
    async def candidates(id: str, caller: AsReader) -> CandidatesView:
        """需求方浏览最接近的成果（不论是否达到推荐门槛）。 The closest results for a need, proposed or not."""
        need = await matching.need(id, caller.party, operator=caller.is_operator)
        pairs = [pair for pair in await matching.browse(need, _BROWSED) if caller.is_operator or is_listed(pair)]
        items = []
        for pair in pairs:
            items.append(candidate_view(pair))
            await asyncio.sleep(0)  # explaining takes about a millisecond each; others get their turn
        return candidates_view(id, need.content, items)


def _answering(api: Routes, matching: Matching) -> None:
    @api.post("/matches/{id}/interest")
    async def interest(
        id: str, caller: AsParty, response: Response, revision: Annotated[int | None, if_match()]
    ) -> MatchView:
        """本单位有意；双方都有意即告成功，可交换联系方式。 Interested; with both sides' interest it is accepted."""
        match = await matching.say_yes(id, own_party(caller), caller.subject, revision)
        response.headers["ETag"] = etag(match)
        return match_view(match, operator=False)

    @api.post("/matches/{id}/decline")
    async def decline(
        id: str, body: Decline, caller: AsParty, response: Response, revision: Annotated[int | None, if_match()]
    ) -> MatchView:
        """谢绝，须给出原因代码。 Decline; a reason code is a must."""
        match = await matching.say_no(
            id,
            own_party(caller),
            caller.subject,
            code=body.reason.code,
            text=body.reason.text,
            private=body.private_text,
            revision=revision,
        )
        response.headers["ETag"] = etag(match)
        return match_view(match, operator=False)
