"""What a firm sees of its profile, of policies and of its policy matches."""

from datetime import date, datetime
from math import ceil

from pydantic import BaseModel, Field
from qianqiao_contracts import MatchReason, MoneyRange, Quantifier, Reason, Scope
from qianqiao_contracts.policies import Scalar, Test

from matching.engine.tables import table
from matching.policies.domain.conditions import Node
from matching.policies.domain.facts import UNKNOWN, Key
from matching.policies.domain.match import STATE_WORDS, PolicyMatch, PolicyState
from matching.policies.domain.outcomes import Failing, Outcome, Question, distance, value_of
from matching.policies.domain.profile import Entry, Fact, FactValue, Profile, Registered, Source
from matching.policies.domain.proposals import verdict_word
from matching.policies.domain.windows import Stage, day_of
from matching.policies.overview import Judged, Overview

OUTCOME_ZH = {
    Outcome.ELIGIBLE: "符合",
    Outcome.NEARLY: "只差一项",
    Outcome.NEED_DATA: "缺数据",
    Outcome.NOT_ELIGIBLE: "不符合",
}
_FIELDS = ("fields", "registry", "finance")
_MATCH_ZH = {Quantifier.ALL: "全部满足", Quantifier.ANY: "满足任一", Quantifier.NONE: "均不得有"}


class KeyView(BaseModel):
    """A fact by name: field, period, scope, and what people read for the field."""

    field: str
    period: str | None
    scope: str
    zh: str
    en: str

    @classmethod
    def of(cls, key: Key) -> "KeyView":
        """Show a key."""
        fields = table("profile_fields")
        spec: dict[str, str] = next((fields[part][key.field] for part in _FIELDS if key.field in fields[part]), {})
        zh, en = spec.get("zh", key.field), spec.get("en", key.field)
        return cls(field=key.field, period=key.period or None, scope=key.scope, zh=zh, en=en)


# ---- profile --------------------------------------------------------------------------------------------------------


class FactView(BaseModel):
    """A fact with its source."""

    field: str
    zh: str
    value: FactValue
    unit: str | None
    period: str | None
    scope: Scope
    as_of: date
    valid_until: date | None
    lapsed: bool = Field(description="是否已过有效期，过期视为缺数据 · Whether it lapsed: it then counts as missing")
    source: Source
    recorded_at: datetime

    @classmethod
    def of(cls, fact: Fact, today: date) -> "FactView":
        """Show a fact."""
        return cls(**dict(fact), zh=KeyView.of(fact.key).zh, lapsed=not fact.holds_on(today))


class ProfileView(BaseModel):
    """A profile. Only the party itself and operators see it."""

    id: str
    revision: int
    registered: Registered
    facts: list[FactView]
    log: tuple[Entry, ...]

    @classmethod
    def of(cls, profile: Profile, now: datetime) -> "ProfileView":
        """Show a profile."""
        today = day_of(now)
        facts = [FactView.of(fact, today) for fact in profile.facts]
        return cls(
            id=profile.id, revision=profile.revision, registered=profile.registered, facts=facts, log=profile.log[::-1]
        )


class ImportedView(BaseModel):
    """What came of setting facts. An importer does not see the profile: only which facts it set."""

    party: str
    revision: int
    set: list[KeyView]


# ---- policies -------------------------------------------------------------------------------------------------------


class DistanceView(BaseModel):
    """How far a figure is from what is asked for."""

    by: float
    unit: str
    share: float | None = Field(description="占要求值的比例 · As a share of what is asked for")


class FailingView(BaseModel):
    """A condition that fails, its clause quoted."""

    field: KeyView
    clause: str
    distance: DistanceView | None

    @classmethod
    def of(cls, failing: Failing) -> "FailingView":
        """Show a failing condition."""
        return cls(field=KeyView.of(failing.key), clause=failing.test.clause, distance=_distance(failing))


def _distance(failing: Failing) -> DistanceView | None:
    return None if failing.distance is None else DistanceView(**failing.distance._asdict())


class WindowView(BaseModel):
    """When applications are taken."""

    stage: Stage
    opens_at: datetime | None
    last_moment: datetime | None = Field(description="截止时刻（北京时间当日 23:59:59）· The last moment")
    days_left: int | None = Field(description="距截止还有几天，不足一天按一天 · Days left, a part counting as one")


class PolicyView(BaseModel):
    """What one policy comes to for the firm."""

    policy: str
    title: str
    issuer: str
    document_no: str
    route: str
    outcome: Outcome
    outcome_zh: str
    nearly: FailingView | None = Field(description="只差的一项及差距 · The one condition that fails, and its distance")
    failing: list[FailingView] = Field(description="不符合的条款 · The clauses that are not met")
    missing: list[KeyView] = Field(description="还缺的资料 · The facts that are missing")
    amount: MoneyRange | None = Field(description="估算金额（分），以受理单位核定为准 · Estimate in fen; no promise")
    support: str
    window: WindowView

    @classmethod
    def of(cls, judged: Judged, now: datetime) -> "PolicyView":
        """Show a policy for a firm."""
        return cls(**_summary(judged, now))


def _summary(judged: Judged, now: datetime) -> dict[str, object]:
    content, found, stands = judged.entry.content, judged.assessment, judged.entry.standing
    failing = judged.failures() if found.outcome is Outcome.NOT_ELIGIBLE else ()
    left = None if stands.last_moment is None else max(0, ceil((stands.last_moment - now).total_seconds() / 86_400))
    return {
        "policy": judged.entry.id,
        "title": content.title,
        "issuer": content.issuer,
        "document_no": content.document_no,
        "route": content.route.value,
        "outcome": found.outcome,
        "outcome_zh": OUTCOME_ZH[found.outcome],
        "nearly": None if found.failing is None else FailingView.of(found.failing),
        "failing": [FailingView.of(each) for each in failing],
        "missing": [KeyView.of(key) for key in found.missing],
        "amount": judged.amount,
        "support": content.support,
        "window": WindowView(
            stage=stands.stage, opens_at=stands.opens_at, last_moment=stands.last_moment, days_left=left
        ),
    }


class QuestionView(BaseModel):
    """The one fact worth asking for."""

    fact: KeyView
    decides: int = Field(description="补上这一项，可定论的政策数 · Policies that its answer decides, whatever it is")
    concerns: int = Field(description="涉及这一项的政策数 · Policies that lack it")
    zh: str
    en: str

    @classmethod
    def of(cls, question: Question) -> "QuestionView":
        """Show a question."""
        fact, decides = KeyView.of(question.key), question.decides
        period = f"（{fact.period}）" if fact.period else ""
        return cls(
            fact=fact,
            decides=decides,
            concerns=question.concerns,
            zh=f"补充“{fact.zh}{period}”后，{decides} 条政策可以定论（共 {question.concerns} 条涉及）。",
            en=f"With “{fact.en}” {fact.period or ''} {decides} policies are decided ({question.concerns} lack it).",
        )


class OverviewView(BaseModel):
    """All policies that can still be applied for, the nearest first."""

    counts: dict[Outcome, int]
    question: QuestionView | None
    items: list[PolicyView]
    next: str | None = None

    @classmethod
    def of(cls, overview: Overview, shown: list[Judged], next: str | None, now: datetime) -> "OverviewView":
        """Show a page of an overview."""
        return cls(
            counts={outcome: overview.counts.get(outcome, 0) for outcome in Outcome},
            question=None if overview.question is None else QuestionView.of(overview.question),
            items=[PolicyView.of(judged, now) for judged in shown],
            next=next,
        )


# ---- one policy, condition by condition -----------------------------------------------------------------------------


class ConditionView(BaseModel):
    """A group of conditions or one condition, with its verdict."""

    verdict: int = Field(description="1 符合 met，0 缺数据 data missing，-1 不符合 not met")
    verdict_zh: str
    match: Quantifier | None = None
    match_zh: str | None = None
    k: int | None = None
    of: list["ConditionView"] = Field(default_factory=list)
    fact: KeyView | None = None
    op: str | None = None
    value: Scalar | tuple[Scalar, ...] | None = None
    unit: str | None = None
    clause: str | None = None
    have: FactView | None = Field(default=None, description="本单位资料中的这一项 · The fact it was judged by")
    unknown_because: Reason | None = None
    distance: DistanceView | None = None


class PolicyDetail(PolicyView):
    """One policy for the firm, condition by condition."""

    conditions: ConditionView

    @classmethod
    def of(cls, judged: Judged, now: datetime) -> "PolicyDetail":
        """Show a policy with every condition."""
        tree = _condition(judged.entry.compiled.root, judged, day_of(now))
        return cls(**_summary(judged, now), conditions=tree)


def _condition(node: Node, judged: Judged, today: date) -> ConditionView:
    verdict = value_of(node, judged.verdicts)
    zh, _ = verdict_word(verdict)
    if node.test is not None:
        return _test(node, node.test, verdict, zh, judged, today)
    return ConditionView(
        verdict=verdict,
        verdict_zh=zh,
        match=node.match,
        match_zh=_MATCH_ZH.get(node.match, f"至少满足 {node.k} 项"),
        k=node.k or None,
        of=[_condition(child, judged, today) for child in node.of],
    )


def _test(node: Node, test: Test, verdict: int, zh: str, judged: Judged, today: date) -> ConditionView:
    leaf = judged.bank.leaves[node.place]
    fact = judged.profile.fact(leaf.key)
    apart = distance(test, judged.facts.get(leaf.key), leaf.want) if verdict < UNKNOWN else None
    return ConditionView(
        verdict=verdict,
        verdict_zh=zh,
        fact=KeyView.of(leaf.key),
        op=test.op.value,
        value=test.value,
        unit=test.unit,
        clause=test.clause,
        have=None if fact is None else FactView.of(fact, today),
        unknown_because=_why(leaf.key, judged, today) if verdict == UNKNOWN else None,
        distance=None if apart is None else DistanceView(**apart._asdict()),
    )


def _why(key: Key, judged: Judged, today: date) -> Reason:
    """Why a fact does not decide its condition: not there, lapsed, of another period, or not comparable."""
    fact = judged.profile.fact(key)
    if fact is not None and not fact.holds_on(today):
        return Reason(code="fact-lapsed", text=f"资料已于 {fact.valid_until} 过期 · It lapsed.")
    if key in judged.facts:
        return Reason(
            code="fact-not-comparable", text="资料的单位或类型无法与条款比较 · Not comparable with the clause."
        )
    others = sorted(other.period or "现状" for other in judged.facts if other.field == key.field)
    if others:
        return Reason(code="fact-other-period", text=f"只有其他期间或口径：{'、'.join(others)} · Other periods only.")
    return Reason(code="fact-missing", text="没有这一项资料 · There is no such fact.")


# ---- matches --------------------------------------------------------------------------------------------------------


class PolicyMatchView(BaseModel):
    """A policy that was proposed to the firm."""

    id: str
    revision: int
    state: PolicyState
    state_zh: str
    policy: str
    title: str
    party: str
    publisher: str
    amount: MoneyRange | None
    opens_at: datetime | None
    expires_at: datetime
    reasons: tuple[MatchReason, ...]
    proposed_at: datetime
    closed_at: datetime | None
    reason: Reason | None

    @classmethod
    def of(cls, match: PolicyMatch) -> "PolicyMatchView":
        """Show a match."""
        terms = match.terms
        return cls(
            id=match.id,
            revision=match.revision,
            state=match.state,
            state_zh=STATE_WORDS[match.state][0],
            policy=match.policy,
            title=terms.title,
            party=match.party,
            publisher=terms.publisher,
            amount=terms.amount,
            opens_at=terms.opens_at,
            expires_at=terms.expires_at,
            reasons=terms.reasons,
            proposed_at=match.proposed_at,
            closed_at=match.closed_at,
            reason=match.reason,
        )
