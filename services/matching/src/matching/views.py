"""What callers see of a match and of a candidate."""

from datetime import datetime

from pydantic import BaseModel, Field
from qianqiao_contracts import (
    Band,
    ConstraintCheck,
    MatchGap,
    MatchKind,
    MatchReason,
    MoneyRange,
    NeedContent,
    Reason,
)

from matching.domain import STATE_WORDS, Match, State
from matching.engine.reasons import may_quote
from matching.figures.questions import Question, questions
from matching.nomatch import Route, is_shown, next_routes
from matching.pairs import Pair


class AnswerView(BaseModel):
    """Which party said yes, and when."""

    party: str
    at: datetime


class MatchView(BaseModel):
    """One match, with why it was proposed and what both sides said so far."""

    id: str
    revision: int = Field(description="版本，亦即 ETag · Revision, also the ETag")
    state: State
    state_zh: str
    kind: MatchKind
    need: str | None
    result: str | None
    request: str | None = Field(description="融资需求 · Request for finance")
    offer: str | None = Field(description="金融产品 · Offer of finance")
    listings: tuple[str, ...] = Field(description="据以推荐合作的供需条目 · Listings that speak for partners")
    need_title: str | None
    result_title: str | None
    offer_title: str | None
    amount: MoneyRange | None = Field(description="融资的估算金额（分）· Estimate of finance, in fen")
    party_a: str = Field(description="需求方；融资中为企业 · Party on the need's side; with finance the firm")
    parties_b: tuple[str, ...] = Field(
        description="成果方，首位为主；融资中为金融机构 · Parties on the result's side, the leading one first; the bank"
    )
    band: Band
    score: float = Field(description="匹配概率 · Probability that the pair is worth a conversation")
    reasons: tuple[MatchReason, ...]
    gaps: tuple[MatchGap, ...]
    constraints: tuple[ConstraintCheck, ...]
    questions: tuple[Question, ...] = Field(
        description="指标未知时，可问成果方的话 · What to ask the result's holder about unknown constraints"
    )
    proposed_at: datetime
    expires_at: datetime
    interested: tuple[AnswerView, ...]
    declined_by: str | None
    reason: Reason | None
    closed_at: datetime | None
    private_text: str | None = Field(description="谢绝时只给平台看的文字 · For operators only")


def match_view(match: Match, *, operator: bool) -> MatchView:
    """Return a match as its parties see it; the private text of a decline only to operators."""
    proposal = match.proposal
    answers = [answer for answer in (match.yes_a, match.yes_b) if answer is not None]
    return MatchView(
        id=match.id,
        revision=match.revision,
        state=match.state,
        state_zh=STATE_WORDS[match.state][0],
        kind=proposal.kind,
        need=proposal.need,
        result=proposal.result,
        request=proposal.request,
        offer=proposal.offer,
        listings=proposal.listings,
        need_title=proposal.need_title,
        result_title=proposal.result_title,
        offer_title=proposal.offer_title,
        amount=proposal.amount,
        party_a=proposal.party_a,
        parties_b=proposal.parties_b,
        band=proposal.band,
        score=proposal.score,
        reasons=proposal.reasons,
        gaps=proposal.gaps,
        constraints=proposal.constraints,
        questions=questions(proposal.constraints),
        proposed_at=match.proposed_at,
        expires_at=match.expires_at,
        interested=tuple(AnswerView(party=answer.party, at=answer.at) for answer in answers),
        declined_by=match.declined.party if match.declined else None,
        reason=match.reason,
        closed_at=match.closed_at,
        private_text=match.declined.private_text if match.declined and operator else None,
    )


class CandidateView(BaseModel):
    """A result that may be of use for a need, proposed or not."""

    result: str
    title: str
    parties: tuple[str, ...]
    probability: float
    band: Band | None = Field(description="达不到推荐门槛时为空 · None below the threshold for proposals")
    admissible: bool = Field(description="是否可推荐 · Whether it may be proposed: no must unmet, not within one party")
    reasons: tuple[MatchReason, ...]
    gaps: tuple[MatchGap, ...]
    constraints: tuple[ConstraintCheck, ...]
    questions: tuple[Question, ...] = Field(
        description="指标未知时，可问成果方的话 · What to ask the result's holder about unknown constraints"
    )


class NextRouteView(BaseModel):
    """A way on for a need without a match."""

    route: Route
    suits: bool = Field(description="需求现状是否适合走这条路 · Whether the need, as it stands, speaks for it")
    text_zh: str
    text_en: str


class CandidatesView(BaseModel):
    """The best results for a need; `no_match` says honestly that none is good enough to be proposed."""

    need: str
    no_match: bool
    next: list[NextRouteView] = Field(
        description="没有合适成果时的下一步，最适合的在前 · Without a match: ways on, the most suitable first"
    )
    items: list[CandidateView]


def candidates_view(need: str, content: NeedContent, items: list[CandidateView]) -> CandidatesView:
    """Return what was found, and where to go where none of it fits."""
    no_match = not any(item.admissible and item.band is not None for item in items)
    ways = next_routes(content) if no_match else ()
    return CandidatesView(
        need=need,
        no_match=no_match,
        next=[NextRouteView(route=way.route, suits=way.suits, text_zh=way.zh, text_en=way.en) for way in ways],
        items=items,
    )


def is_listed(pair: Pair) -> bool:
    """Tell whether the result may be shown to people it is not directed to."""
    return is_shown(pair.result.content)


def candidate_view(pair: Pair) -> CandidateView:
    """Return a candidate with its explanation."""
    reasons, gaps = pair.explanation
    band = pair.score.band
    checks = pair.checks if may_quote(pair.need.content, pair.result.content) else ()
    return CandidateView(
        result=pair.result.id,
        title=pair.result.content.title,
        parties=pair.result.content.parties,
        probability=pair.score.probability,
        band=Band(band) if band else None,
        admissible=pair.is_admissible,
        reasons=reasons,
        gaps=gaps,
        constraints=checks,
        questions=questions(checks),
    )
