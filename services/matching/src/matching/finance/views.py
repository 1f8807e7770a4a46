"""What firms and finance parties see."""

from datetime import date, datetime

from pydantic import BaseModel, Field
from qianqiao_contracts import Condition, MoneyRange

from matching.engine.tables import table
from matching.finance.domain.judging import AMOUNT, ITEMS, values_of
from matching.finance.domain.offer import Offer, OfferState
from matching.finance.domain.request import Request, RequestState
from matching.finance.finance import Compared, Pack
from matching.policies.domain.facts import Key
from matching.policies.domain.outcomes import Outcome
from matching.policies.domain.profile import FactValue
from matching.policies.domain.windows import day_of
from matching.policies.views import FailingView, KeyView

OUTCOME_ZH = {
    Outcome.ELIGIBLE: "符合",
    Outcome.NEARLY: "只差一项",
    Outcome.NEED_DATA: "缺数据",
    Outcome.NOT_ELIGIBLE: "不符合",
}


class NoticeView(BaseModel):
    """What the platform does not do."""

    zh: str
    en: str

    @classmethod
    def shown(cls) -> "NoticeView":
        """The text that stands beside every list of offers and every referral."""
        return cls(zh=table("finance")["notice"]["zh"], en=table("finance")["notice"]["en"])


class OfferView(BaseModel):
    """An offer of finance; everybody may see it."""

    id: str
    revision: int
    party: str
    state: OfferState
    title: str
    capital: str
    capital_zh: str
    amount: MoneyRange | None
    term_min: int | None
    term_max: int | None
    collateral: tuple[str, ...]
    conditions: Condition | None
    valid_until: datetime

    @classmethod
    def of(cls, offer: Offer) -> "OfferView":
        """Show an offer."""
        terms = offer.terms
        return cls(
            id=offer.id,
            revision=offer.revision,
            party=offer.party,
            state=offer.state,
            title=terms.title,
            capital=terms.capital,
            capital_zh=table("finance")["capital"]["codes"][terms.capital]["zh"],
            amount=terms.amount,
            term_min=terms.term_min,
            term_max=terms.term_max,
            collateral=terms.collateral,
            conditions=terms.conditions,
            valid_until=terms.valid_until,
        )


class GrantView(BaseModel):
    """A consent: one item, for one finance party."""

    item: KeyView
    to: str
    offer: str | None
    until: datetime
    ended: bool


class SaidView(BaseModel):
    """One line of the log of consent."""

    at: datetime
    subject: str
    act: str
    item: KeyView | None
    to: str | None
    offer: str | None
    until: datetime | None


class ViewedView(BaseModel):
    """One view by a finance party."""

    at: datetime
    party: str
    subject: str
    match: str
    items: list[KeyView]


class RequestView(BaseModel):
    """A request, with who may see what, and who looked. Only its firm sees it."""

    id: str
    revision: int
    state: RequestState
    amount: MoneyRange | None = Field(description="缺省为面议 · Absent: to be negotiated")
    term_months: int | None
    purpose: str
    collateral: tuple[str, ...]
    capital: tuple[str, ...]
    exclusive: bool
    expires_at: datetime
    matching: bool
    grants: list[GrantView]
    consent_log: list[SaidView]
    view_log: list[ViewedView] = Field(description="金融机构每次查看的记录 · Every view by a finance party")
    notice: NoticeView

    @classmethod
    def of(cls, request: Request, now: datetime) -> "RequestView":
        """Show a request to its firm."""
        terms = request.terms
        grants = [
            GrantView(
                item=KeyView.of(each.item), to=each.to, offer=each.offer, until=each.until, ended=now >= each.until
            )
            for each in request.grants
        ]
        said = [
            SaidView(
                at=line.at,
                subject=line.subject,
                act=line.act,
                item=None if line.grant is None else KeyView.of(line.grant.item),
                to=None if line.grant is None else line.grant.to,
                offer=None if line.grant is None else line.grant.offer,
                until=None if line.grant is None else line.grant.until,
            )
            for line in request.said[::-1]
        ]
        viewed = [
            ViewedView(**{**dict(view), "items": [KeyView.of(item) for item in view.items]})
            for view in request.viewed[::-1]
        ]
        return cls(
            id=request.id,
            revision=request.revision,
            state=request.state,
            amount=terms.amount,
            term_months=terms.term_months,
            purpose=terms.purpose,
            collateral=terms.collateral,
            capital=terms.capital,
            exclusive=terms.exclusive,
            expires_at=terms.expires_at,
            matching=request.matching,
            grants=grants,
            consent_log=said,
            view_log=viewed,
            notice=NoticeView.shown(),
        )


class ComparedView(BaseModel):
    """One offer for a request, for the firm's own eyes."""

    offer: OfferView
    outcome: Outcome = Field(description="按本单位全部资料 · By all the firm knows of itself")
    outcome_zh: str
    outcome_told: Outcome = Field(description="按已授权资料，须为符合才会推荐 · By what was consented to")
    outcome_told_zh: str
    nearly: FailingView | None
    missing: list[KeyView] = Field(description="还缺的资料 · Facts that are missing")
    to_consent: list[KeyView] = Field(description="已有而未授权、因此未计入的资料 · Known and not consented to")
    amount: MoneyRange | None = Field(description="估算金额（分）· Estimate in fen; no promise")

    @classmethod
    def of(cls, compared: Compared) -> "ComparedView":
        """Show an offer for a request."""
        own, told = compared.own.assessment, compared.told.assessment
        unknown = set(own.missing)
        return cls(
            offer=OfferView.of(compared.offer),
            outcome=own.outcome,
            outcome_zh=OUTCOME_ZH[own.outcome],
            outcome_told=told.outcome,
            outcome_told_zh=OUTCOME_ZH[told.outcome],
            nearly=None if own.failing is None else FailingView.of(own.failing),
            missing=[KeyView.of(key) for key in own.missing],
            to_consent=[KeyView.of(key) for key in told.missing if key not in unknown],
            amount=compared.own.amount,
        )


class ComparedList(BaseModel):
    """All offers for a request."""

    items: list[ComparedView]
    notice: NoticeView


class ItemView(BaseModel):
    """One item that the firm consented to show. No value: the firm has none, or it lapsed."""

    item: KeyView
    value: FactValue | MoneyRange | None
    unit: str | None
    as_of: date | None


class PackView(BaseModel):
    """What a finance party may see of a firm for one match."""

    match: str
    firm: str
    offer: str
    items: list[ItemView]
    notice: NoticeView

    @classmethod
    def of(cls, pack: Pack) -> "PackView":
        """Show a pack."""
        return cls(
            match=pack.match.id,
            firm=pack.request.party,
            offer=pack.match.proposal.offer or "",
            items=[_item(pack, key) for key in sorted(pack.items)],
            notice=NoticeView.shown(),
        )


def _item(pack: Pack, key: Key) -> ItemView:
    if key in ITEMS:
        terms = pack.request.terms
        value = terms.amount if key == AMOUNT else values_of(terms).get(key)
        return ItemView(item=KeyView.of(key), value=value, unit=None, as_of=None)
    fact = pack.profile.fact(key)
    if fact is None or not fact.holds_on(day_of(pack.at)):
        return ItemView(item=KeyView.of(key), value=None, unit=None, as_of=None)
    return ItemView(item=KeyView.of(key), value=fact.value, unit=fact.unit, as_of=fact.as_of)
