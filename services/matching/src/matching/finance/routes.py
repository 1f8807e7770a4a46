"""Routes of offers and requests for finance. A request is its firm's: operators do not read it, nor its consents."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import Query, Response
from pydantic import AwareDatetime, Field
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.http import Caller, Page, PageRequest, RequestBody, Routes, allow, etag, if_match, page
from qianqiao_contracts import Condition, MoneyRange, PartyKind, Period, Scope
from qianqiao_contracts.values import CodeText, Id, Title

from matching.callers import own_party
from matching.engine.tables import table
from matching.finance.domain.offer import OfferTerms
from matching.finance.domain.request import Grant, RequestTerms
from matching.finance.finance import Finance
from matching.finance.views import ComparedList, ComparedView, NoticeView, OfferView, PackView, RequestView
from matching.policies.domain.facts import Key

_PARTIES: Final = tuple(kind.value for kind in PartyKind)
_SEEKERS: Final = tuple(kind for kind in _PARTIES if kind != PartyKind.FINANCE)
_MOST_GRANTS: Final[int] = table("finance")["limits"]["most_grants"]
_MONTHS: Final = 600
AsReader = Annotated[Caller, allow(*_PARTIES, "operator")]
AsParty = Annotated[Caller, allow(*_PARTIES)]
AsFinance = Annotated[Caller, allow(PartyKind.FINANCE.value)]
AsFirm = Annotated[Caller, allow(*_SEEKERS)]
Revision = Annotated[int | None, if_match()]


class OfferBody(RequestBody):
    """What is offered."""

    title: Title = Field(description="产品名称 · Title", examples=["（示例）科技研发贷"])
    capital: CodeText = Field(description="融资方式代码 · Kind of capital", examples=["loan"])
    amount: MoneyRange | None = Field(default=None, description="金额区间（分）· Range in fen")
    term_min: int | None = Field(default=None, ge=0, le=_MONTHS, description="最短期限（月）· Shortest term, months")
    term_max: int | None = Field(default=None, ge=0, le=_MONTHS, description="最长期限（月）· Longest term, months")
    collateral: list[CodeText] = Field(
        default_factory=list, max_length=20, description="可接受的增信方式，任一即可 · Collateral, any one of these"
    )
    conditions: Condition | None = Field(default=None, description="准入条件，写法同政策 · Conditions, as of policies")
    valid_until: AwareDatetime = Field(description="有效期至 · Stands until")

    def terms(self) -> OfferTerms:
        """The terms as the domain knows them."""
        return OfferTerms(**{**dict(self), "collateral": tuple(self.collateral)})


class FinanceRequestBody(RequestBody):
    """What is sought."""

    amount: MoneyRange | None = Field(default=None, description="金额区间（分）；缺省为面议 · Absent: negotiable")
    term_months: int | None = Field(default=None, ge=0, le=_MONTHS, description="期限（月）· Term in months")
    purpose: CodeText = Field(description="资金用途代码 · Use of the money", examples=["research"])
    collateral: list[CodeText] = Field(
        default_factory=list, max_length=20, description="可提供的增信，没有则填 none · Collateral at hand, or none"
    )
    capital: list[CodeText] = Field(
        default_factory=list, max_length=20, description="希望的融资方式；缺省不限 · Kinds wished; absent: any"
    )
    exclusive: bool = Field(default=False, description="同时只与一家洽谈 · With one finance party at a time")
    expires_at: AwareDatetime = Field(description="有效期至 · Sought until")

    def terms(self) -> RequestTerms:
        """The terms as the domain knows them."""
        lists = {"collateral": tuple(self.collateral), "capital": tuple(self.capital)}
        return RequestTerms(**{**dict(self), **lists})


class GrantBody(RequestBody):
    """Consent to one item, for one finance party."""

    field: CodeText = Field(description="资料或融资需求的字段 · Field of profile or request", examples=["revenue"])
    period: Period | None = Field(default=None, description="所属期间 · Period", examples=["2025"])
    scope: Scope = Field(default=Scope.ENTITY, description="单体或集团 · Entity or group")
    to: Id = Field(description="金融机构的主体标识 · The finance party")
    offer: Id | None = Field(default=None, description="仅限此产品；缺省为其全部产品 · Only for this offer")
    until: AwareDatetime = Field(description="授权至 · Until")

    def grant(self) -> Grant:
        """The consent as the domain knows it."""
        key = Key(self.field, self.period or "", self.scope.value)
        return Grant(item=key, to=self.to, offer=self.offer, until=self.until)


class ConsentBody(RequestBody):
    """The whole consent as it shall be; what is not named is revoked."""

    matching: bool = Field(description="是否同意为这条需求做融资对接 · Whether finance matching is consented to at all")
    grants: list[GrantBody] = Field(max_length=_MOST_GRANTS, description="逐项授权 · Consent, item by item")


def routes(finance: Finance, clock: Clock) -> Routes:
    """All routes, bound to the use cases."""
    api = Routes(prefix="/v1", tags=["finance"])
    _offers(api, finance)
    _requests(api, finance, clock.now)
    _consent(api, finance, clock.now)
    return api


def _offers(api: Routes, finance: Finance) -> None:
    @api.post("/finance-offers", status_code=201)
    async def make(body: OfferBody, caller: AsFinance, response: Response) -> OfferView:
        """发布金融产品。 List an offer of finance."""
        offer = await finance.make_offer(own_party(caller), body.terms())
        response.headers["ETag"] = etag(offer)
        return OfferView.of(offer)

    @api.put("/finance-offers/{id}")
    async def revise(id: str, body: OfferBody, caller: AsFinance, response: Response, revision: Revision) -> OfferView:
        """修改产品；涉及的推荐随之更新。 Change an offer; proposals follow."""
        offer = await finance.revise_offer(id, own_party(caller), body.terms(), revision)
        response.headers["ETag"] = etag(offer)
        return OfferView.of(offer)

    @api.post("/finance-offers/{id}/withdraw")
    async def withdraw(id: str, caller: AsFinance) -> OfferView:
        """下架产品。 Withdraw an offer."""
        return OfferView.of(await finance.withdraw_offer(id, own_party(caller)))

    @api.get("/finance-offers")
    async def select(
        caller: AsReader,
        asked: Annotated[PageRequest, page()],
        party: Annotated[Id | None, Query(description="只看此机构 · Only of this finance party")] = None,
    ) -> Page[OfferView]:
        """在架产品，按发布先后，不作排名。 Open offers in the order of listing; no ranking."""
        return asked.of(await finance.list_offers(party, limit=asked.fetch, after=asked.after), OfferView.of)

    @api.get("/finance-offers/{id}")
    async def read(id: str, caller: AsReader, response: Response) -> OfferView:
        """一个金融产品。 One offer of finance."""
        offer = await finance.offer(id)
        response.headers["ETag"] = etag(offer)
        return OfferView.of(offer)


def _requests(api: Routes, finance: Finance, now: Callable[[], datetime]) -> None:
    @api.post("/finance-requests", status_code=201)
    async def make(body: FinanceRequestBody, caller: AsFirm, response: Response) -> RequestView:
        """提出融资需求；授权之前别人看不到。 State a request; nobody sees it before you consent."""
        request = await finance.make_request(own_party(caller), body.terms())
        response.headers["ETag"] = etag(request)
        return RequestView.of(request, now())

    @api.get("/finance-requests")
    async def select(caller: AsFirm, asked: Annotated[PageRequest, page()]) -> Page[RequestView]:
        """本单位的融资需求。 One's own requests."""
        found = await finance.list_requests(own_party(caller), limit=asked.fetch, after=asked.after)
        return asked.of(found, lambda request: RequestView.of(request, now()))

    @api.get("/finance-requests/{id}")
    async def read(id: str, caller: AsFirm, response: Response) -> RequestView:
        """一条融资需求，含授权、授权记录和查看记录。 One request, with consents and who looked."""
        request = await finance.request(id, caller)
        response.headers["ETag"] = etag(request)
        return RequestView.of(request, now())

    @api.put("/finance-requests/{id}")
    async def revise(
        id: str, body: FinanceRequestBody, caller: AsFirm, response: Response, revision: Revision
    ) -> RequestView:
        """修改融资需求。 Change a request."""
        request = await finance.revise_request(id, caller, body.terms(), revision)
        response.headers["ETag"] = etag(request)
        return RequestView.of(request, now())

    @api.post("/finance-requests/{id}/withdraw")
    async def withdraw(id: str, caller: AsFirm) -> RequestView:
        """撤回融资需求；未结束的推荐随之撤回。 Take a request back; open proposals go with it."""
        return RequestView.of(await finance.withdraw_request(id, caller), now())


def _consent(api: Routes, finance: Finance, now: Callable[[], datetime]) -> None:
    @api.put("/finance-requests/{id}/consent")
    async def consent(
        id: str, body: ConsentBody, caller: AsFirm, response: Response, revision: Revision
    ) -> RequestView:
        """逐项授权；整份替换，未列出的即刻撤回。 Consent item by item; what is not named is revoked at once."""
        grants = [grant.grant() for grant in body.grants]
        request = await finance.consent(id, caller, body.matching, grants, revision)
        response.headers["ETag"] = etag(request)
        return RequestView.of(request, now())

    @api.get("/finance-requests/{id}/offers")
    async def compare(id: str, caller: AsFirm) -> ComparedList:
        """各产品对这条需求的结论，仅本单位可见。 What all offers come to, for the firm's own eyes."""
        found = await finance.compare(id, caller)
        return ComparedList(items=[ComparedView.of(each) for each in found], notice=NoticeView.shown())

    @api.get("/matches/{id}/shown")
    async def shown(id: str, caller: AsParty) -> PackView:
        """企业授权给金融机构看的资料；机构每次查看都有记录。 What the firm consented to show; each view is recorded."""
        return PackView.of(await finance.pack(id, caller))
