"""Routes of profiles, of policies for a firm, and of policy matches."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

from fastapi import Query, Response
from pydantic import Field
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import FieldError, Invalid
from qianqiao_chassis.http import Caller, Page, PageRequest, RequestBody, Routes, allow, etag, if_match, page
from qianqiao_contracts import PartyKind, Period, Scope
from qianqiao_contracts.values import CodeText

from matching.callers import own_party
from matching.policies.domain.facts import Key
from matching.policies.domain.match import PolicyState, dismissal
from matching.policies.domain.outcomes import Outcome
from matching.policies.domain.profile import FactValue, Stated
from matching.policies.overview import Judged, Overviews
from matching.policies.profiles import Profiles
from matching.policies.views import ImportedView, KeyView, OverviewView, PolicyDetail, PolicyMatchView, ProfileView

_PARTIES: Final = tuple(kind.value for kind in PartyKind)
_FACTS_AT_ONCE: Final = 200
AsReader = Annotated[Caller, allow(*_PARTIES, "operator")]
AsParty = Annotated[Caller, allow(*_PARTIES)]
Revision = Annotated[int | None, if_match()]


class FactBody(RequestBody):
    """One fact."""

    field: CodeText = Field(description="字段代码 · Code of the field", examples=["revenue"])
    value: FactValue = Field(description="数值、文字、列表或 true/false · Number, text, list, flag", examples=[5000])
    unit: str | None = Field(default=None, max_length=32, description="单位 · Unit", examples=["万元"])
    period: Period | None = Field(default=None, description="所属期间 · Period it belongs to", examples=["2025"])
    scope: Scope = Field(default=Scope.ENTITY, description="单体或集团 · Entity or group")
    as_of: date = Field(description="截至哪一天 · As of which day")
    valid_until: date | None = Field(default=None, description="有效期至，如证书 · Holds until, such as a certificate")

    def stated(self) -> Stated:
        """The fact as the domain knows it."""
        return Stated(**dict(self))


class FactsBody(RequestBody):
    """Facts to set. What is not named stays."""

    facts: list[FactBody] = Field(min_length=1, max_length=_FACTS_AT_ONCE, description="资料 · Facts")
    source: str | None = Field(
        default=None, max_length=200, description="资料出处；导入时必填 · What they are taken from; a must for imports"
    )


class Why(RequestBody):
    """Why a match is dismissed."""

    code: str = Field(
        min_length=1, max_length=64, description="dismissal_reason 表中的代码 · A code of dismissal_reason"
    )
    text: str | None = Field(default=None, max_length=500, description="说明 · Text beside it")


class Dismiss(RequestBody):
    """A dismissal: a code is a must."""

    reason: Why


def routes(profiles: Profiles, overviews: Overviews, clock: Clock) -> Routes:
    """All routes, bound to the use cases."""
    api = Routes(prefix="/v1", tags=["policies"])
    _profile(api, profiles, clock)
    _policies(api, overviews, clock)
    _matches(api, overviews)
    return api


def _profile(api: Routes, profiles: Profiles, clock: Clock) -> None:
    @api.get("/parties/{party}/profile")
    async def read(party: str, caller: AsReader, response: Response) -> ProfileView:
        """本单位的资料，仅本单位和平台可见。 One's own profile; nobody else but operators sees it."""
        found = await profiles.read(party, caller)
        response.headers["ETag"] = etag(found)
        return ProfileView.of(found, clock.now())

    @api.put("/parties/{party}/profile/facts")
    async def state(
        party: str, body: FactsBody, caller: AsReader, response: Response, revision: Revision
    ) -> ImportedView:
        """填报或更正本单位的资料；园区、平台可导入并注明出处。 State or correct facts; imports name their source."""
        facts = [fact.stated() for fact in body.facts]
        found = await profiles.state(party, facts, body.source, caller, revision)
        response.headers["ETag"] = etag(found)
        keys = [KeyView.of(fact.key) for fact in facts]
        return ImportedView(party=party, revision=found.revision, set=keys)

    @api.delete("/parties/{party}/profile/facts/{field}", status_code=204)
    async def remove(
        party: str,
        field: str,
        caller: AsReader,
        revision: Revision,
        period: Annotated[Period | None, Query(description="所属期间 · Its period")] = None,
        scope: Annotated[Scope, Query(description="单体或集团 · Entity or group")] = Scope.ENTITY,
    ) -> None:
        """删除一项资料。 Remove a fact."""
        await profiles.remove(party, Key(field, period or "", scope.value), caller, revision)


def _policies(api: Routes, overviews: Overviews, clock: Clock) -> None:
    @api.get("/parties/{party}/policies")
    async def overview(
        party: str,
        caller: AsReader,
        asked: Annotated[PageRequest, page()],
        outcome: Annotated[Outcome | None, Query(description="只看此结论 · Only of this outcome")] = None,
    ) -> OverviewView:
        """各政策对本单位的结论，及最该补充的一项资料。 What all policies come to, and the fact worth asking for."""
        found = await overviews.of(party, caller, outcome)
        window = asked.of(
            _after(found.judged, asked.after)[: asked.fetch], lambda one: one, key=lambda one: one.entry.id
        )
        return OverviewView.of(found, window.items, window.next, clock.now())

    @api.get("/parties/{party}/policies/{policy}")
    async def detail(party: str, policy: str, caller: AsReader) -> PolicyDetail:
        """一条政策逐项判定，附条款原文和所依据的资料。 One policy, condition by condition, each clause quoted."""
        return PolicyDetail.of(await overviews.one(party, policy, caller), clock.now())


def _after(judged: Sequence[Judged], after: str | None) -> list[Judged]:
    """What follows a policy in the list. Raises Invalid (`cursor-unknown`) where it is in the list no longer."""
    if after is None:
        return list(judged)
    for place, one in enumerate(judged):
        if one.entry.id == after:
            return list(judged[place + 1 :])
    zh, en = "列表已变化，请从头翻阅。", "The list has changed: begin anew."
    raise Invalid("cursor-unknown", zh, en, errors=[FieldError("query.cursor", "cursor-unknown", zh, en)])


def _matches(api: Routes, overviews: Overviews) -> None:
    @api.get("/policy-matches")
    async def select(
        caller: AsReader,
        asked: Annotated[PageRequest, page()],
        state: Annotated[PolicyState | None, Query(description="只看此状态 · Only in this state")] = None,
    ) -> Page[PolicyMatchView]:
        """推荐给本单位的政策，新的在前；平台可见全部。 Policies proposed to the party, newest first."""
        party = None if caller.is_operator else own_party(caller)
        found = await overviews.matches(party, state=state, limit=asked.fetch, after=asked.after)
        return asked.of(found, PolicyMatchView.of)

    @api.get("/policy-matches/{id}")
    async def read(id: str, caller: AsReader, response: Response) -> PolicyMatchView:
        """一条政策匹配。 One policy match."""
        match = await overviews.match(id, caller)
        response.headers["ETag"] = etag(match)
        return PolicyMatchView.of(match)

    @api.post("/policy-matches/{id}/dismiss")
    async def dismiss(
        id: str, body: Dismiss, caller: AsParty, response: Response, revision: Revision
    ) -> PolicyMatchView:
        """忽略这条政策，须给出原因代码；不再重复推荐。 Dismiss it, with a code; it is not proposed again."""
        reason = dismissal(body.reason.code, body.reason.text)
        match = await overviews.dismiss(id, own_party(caller), caller, reason, revision)
        response.headers["ETag"] = etag(match)
        return PolicyMatchView.of(match)
