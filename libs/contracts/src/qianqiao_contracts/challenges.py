"""challenges.challenges: open challenges (揭榜挂帅) from draft to disbursement. The subject is the challenge's id."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from qianqiao_contracts._data import limit
from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    CodeText,
    Constraint,
    EvidenceList,
    Id,
    Label,
    Money,
    Number,
    PartyIds,
    PositiveFen,
    Reason,
    Title,
    UtcDatetime,
    Value,
    bounded,
    within,
)

CHALLENGES = TOPICS["challenges.challenges"]
_WEIGHT_SUM = limit("challenge.criteria_weight_sum")
_ROUNDING = 1e-6


class Criterion(Value):
    """评分标准: what bids are judged by, and its weight."""

    name: Label = Field(description="标准 · Criterion")
    weight: Annotated[Number, Field(gt=0, le=_WEIGHT_SUM)] = Field(description="权重 · Weight; all sum to 100")


class FundingCap(Money):
    """财政支持上限: the greatest support of one challenge, itself capped by the programme."""

    fen: Annotated[PositiveFen, Field(le=limit("challenge.funding_cap_fen"))] = Field(
        description="金额（分），不超过 50 万元 · Fen, at most 500 000 CNY"
    )


class NoticePeriod(Value):
    """公示期: from when to when the award can be objected to."""

    from_: UtcDatetime = Field(alias="from", description="开始 · Begins")
    to: UtcDatetime = Field(description="结束 · Ends")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to <= self.from_:
            raise PydanticCustomError("period_reversed", "the period ends before it begins")
        return self


class ChallengeContent(EventData):
    """What a challenge asks for and by what rules; drafting, publishing and amending carry the whole of it."""

    owner_party: Id = Field(description="发榜方主体标识 · Party that owns the challenge")
    park: Id | None = Field(default=None, description="园区主体标识 · Party id of its park")
    need: Id | None = Field(default=None, description="来源需求 · Need it grew from")
    list: Label | None = Field(default=None, description="榜单，如 精密仪器产业十大难题 · List it belongs to")
    title: Title = Field(description="榜单题目 · Title")
    background: Annotated[str, bounded("background")] = Field(description="背景 · Background")
    constraints: Annotated[tuple[Constraint, ...], within("constraints")] = Field(
        default=(), description="技术指标 · Technical constraints"
    )
    criteria: Annotated[tuple[Criterion, ...], within("criteria")] = Field(
        default=(), description="评分标准，权重合计 100 · Criteria; weights sum to 100"
    )
    funding_cap: FundingCap | None = Field(default=None, description="财政支持上限 · Greatest support")
    own_funds: Money | None = Field(default=None, description="自筹资金 · Own funds of the owner")
    eligibility: Annotated[tuple[Label, ...], within("criteria")] = Field(
        default=(), description="申报资格 · Who may bid"
    )

    @model_validator(mode="after")
    def _weights(self) -> Self:
        total = sum(criterion.weight for criterion in self.criteria)
        if self.criteria and abs(total - _WEIGHT_SUM) > _ROUNDING:
            raise PydanticCustomError("criteria_weight_sum", "the weights of the criteria have to sum to 100")
        return self


class ChallengeDrafted(ChallengeContent):
    """A challenge is being worded; it may still lack its dates."""

    event_type: ClassVar[str] = "qianqiao.ChallengeDrafted.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "榜单已起草"

    opens_at: UtcDatetime | None = Field(default=None, description="开放时间 · Opens")
    deadline: UtcDatetime | None = Field(default=None, description="截止时间 · Bids are taken before")


class ChallengeTerms(ChallengeContent):
    """A challenge whose terms are fixed."""

    opens_at: UtcDatetime = Field(description="开放时间 · Opens")
    deadline: UtcDatetime = Field(description="截止时间 · Bids are taken before")
    terms_digest: CodeText = Field(description="冻结条款摘要 · Digest of the frozen terms")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.deadline <= self.opens_at:
            raise PydanticCustomError("period_reversed", "the period ends before it begins")
        return self


class ChallengePublished(ChallengeTerms):
    """A challenge is open for bids; its terms are frozen."""

    event_type: ClassVar[str] = "qianqiao.ChallengePublished.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "已发榜，条款冻结"


class ChallengeAmended(ChallengeTerms):
    """Terms of an open challenge changed by public notice; bidders confirm their bids again."""

    event_type: ClassVar[str] = "qianqiao.ChallengeAmended.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "榜单已公告变更，揭榜方须重新确认"

    reason: Reason = Field(description="原因 · Why")


class ChallengeStep(EventData):
    """A step in the life of a challenge that leaves its content as it is."""

    owner_party: Id = Field(description="发榜方主体标识 · Party that owns the challenge")
    title: Title | None = Field(default=None, description="榜单题目 · Title, so that a reader needs no memory")


class ChallengeClosed(ChallengeStep):
    """The challenge is finished and evaluated."""

    event_type: ClassVar[str] = "qianqiao.ChallengeClosed.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "榜单已结项"

    reason: Reason | None = Field(default=None, description="原因 · Why")


class ChallengeFailed(ChallengeStep):
    """No valid bid, or none worth an award (流标)."""

    event_type: ClassVar[str] = "qianqiao.ChallengeFailed.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "流标"

    reason: Reason = Field(description="原因 · Why")


class ChallengeCancelled(ChallengeStep):
    """The challenge was called off."""

    event_type: ClassVar[str] = "qianqiao.ChallengeCancelled.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "榜单已撤销"

    reason: Reason = Field(description="原因 · Why")


class ChallengeAwarded(ChallengeStep):
    """A bid was chosen; objections are possible during the notice period."""

    event_type: ClassVar[str] = "qianqiao.ChallengeAwarded.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "已定标，公示中"

    bid: Id = Field(description="中榜的揭榜 · Bid that was chosen")
    parties: PartyIds = Field(description="中榜方，牵头方在前 · Parties of the bid, the lead first")
    amount: Money | None = Field(default=None, description="支持金额 · Amount granted; absent if none")
    notice: NoticePeriod = Field(description="公示期 · Notice period")


class MilestoneStep(ChallengeStep):
    """A step of one milestone."""

    milestone: Id = Field(description="里程碑标识 · Milestone")
    amount: Money | None = Field(default=None, description="对应金额 · Amount that hangs on it")
    evidence: EvidenceList = Field(default=(), description="佐证 · Evidence")


class MilestoneSubmitted(MilestoneStep):
    """The awarded parties hand in a milestone."""

    event_type: ClassVar[str] = "qianqiao.MilestoneSubmitted.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "里程碑已提交"


class MilestoneAccepted(MilestoneStep):
    """A milestone was accepted."""

    event_type: ClassVar[str] = "qianqiao.MilestoneAccepted.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "里程碑已验收"


class MilestoneReturned(MilestoneStep):
    """A milestone went back for correction."""

    event_type: ClassVar[str] = "qianqiao.MilestoneReturned.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "里程碑已退回"

    reason: Reason = Field(description="原因 · Why")


class FundingDisbursed(MilestoneStep):
    """Support was paid out."""

    event_type: ClassVar[str] = "qianqiao.FundingDisbursed.v1"
    topic: ClassVar[Topic] = CHALLENGES
    zh: ClassVar[str] = "资金已拨付"

    amount: Money = Field(description="拨付金额 · Amount paid")
