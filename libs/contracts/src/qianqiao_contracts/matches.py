"""matching.matches: what fits what, and what the two sides said. The subject is the match's id."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from qianqiao_contracts.base import EventData
from qianqiao_contracts.codes import DECLINE_REASONS, WITHDRAWAL_REASONS
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    Band,
    CodeText,
    Count,
    Flag,
    Id,
    Label,
    Level,
    Message,
    MoneyRange,
    Number,
    Reason,
    Title,
    UtcDatetime,
    Value,
    Verdict,
    bounded,
    coded_by,
    within,
)

MATCHES = TOPICS["matching.matches"]


class MatchKind(StrEnum):
    """对接类别: what is matched with what."""

    NEED_RESULT = "need_result"
    PARTNER = "partner"
    POLICY = "policy"
    FINANCE = "finance"


class MatchReason(Value):
    """理由: what speaks for a match, with the sentence on either side that shows it."""

    kind: CodeText = Field(description="类别 · Kind, a code of match_reason")
    text_zh: Message = Field(description="中文说明 · In Chinese")
    text_en: Message = Field(description="英文说明 · In English")
    evidence_need: Annotated[str, bounded("evidence")] | None = Field(
        default=None, description="需求方依据 · Sentence of the need"
    )
    evidence_result: Annotated[str, bounded("evidence")] | None = Field(
        default=None, description="成果方依据 · Sentence of the result"
    )


class MatchGap(Value):
    """差距: what the need asks for and the result does not show."""

    kind: CodeText = Field(description="类别 · Kind, a code of match_reason")
    text_zh: Message = Field(description="中文说明 · In Chinese")
    text_en: Message = Field(description="英文说明 · In English")


class ConstraintCheck(Value):
    """逐项判定: one technical constraint, checked. Unknown is neither met nor unmet.

    What is quoted comes from texts that both sides have opened; otherwise there are no checks in an event at all.
    """

    name: Label = Field(description="指标名称 · What is measured")
    verdict: Verdict = Field(description="判定 · What is known")
    need: Label = Field(description="需求要求，如 ≥ 5 MPa · What is asked for")
    result: Label | None = Field(default=None, description="成果所示；未知时缺 · What is shown; absent if unknown")
    level: Level | None = Field(default=None, description="必须或期望 · Has to be met, or wished")
    read_from_text: Flag = Field(
        default=False, description="此要求读自需求正文 · The constraint was read from the need's text"
    )
    evidence_need: Annotated[str, bounded("evidence")] | None = Field(
        default=None, description="需求方依据 · Sentence of the need"
    )
    evidence_result: Annotated[str, bounded("evidence")] | None = Field(
        default=None, description="成果方依据 · Sentence of the result"
    )
    conversion: Label | None = Field(default=None, description="换算，如 50 μm = 0.05 mm · Conversion, written out")
    note: CodeText | None = Field(
        default=None,
        description="未能判定或需注意的原因代码 · Code of why it is unknown, or of what to mind",
    )
    note_zh: Message | None = Field(default=None, description="说明（中文） · The note in Chinese")
    note_en: Message | None = Field(default=None, description="说明（英文） · The note in English")


class MatchParties(EventData):
    """Who and what a match is about, in every event of it, so that a reader needs no memory."""

    kind: MatchKind = Field(default=MatchKind.NEED_RESULT, description="对接类别 · Kind")
    need: Id | None = Field(default=None, description="需求标识 · Need")
    result: Id | None = Field(default=None, description="成果标识 · Result")
    policy: Id | None = Field(default=None, description="政策标识 · Policy, with kind policy")
    request: Id | None = Field(default=None, description="融资需求标识 · Request for finance, with kind finance")
    offer: Id | None = Field(default=None, description="金融产品标识 · Offer of finance, with kind finance")
    party_a: Id = Field(
        description="需求一侧的主体；政策、融资中为企业 · On the side of the need; policy, finance: the firm"
    )
    party_b: Id = Field(
        description="成果一侧的主体；政策的发布单位、金融机构 · On the side of the result; issuer, bank"
    )
    need_title: Title | None = Field(default=None, description="需求名称 · Title of the need")
    result_title: Title | None = Field(default=None, description="成果名称 · Title of the result")
    policy_title: Title | None = Field(default=None, description="政策名称 · Title of the policy")
    offer_title: Title | None = Field(default=None, description="金融产品名称 · Title of the offer of finance")


class MatchProposed(MatchParties):
    """Two sides fit: both are asked."""

    event_type: ClassVar[str] = "qianqiao.MatchProposed.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "已提出对接建议"

    band: Band = Field(description="匹配程度 · How well it fits")
    score: Annotated[Number, Field(ge=0, le=1)] = Field(description="得分 0–1 · Score")
    reasons: Annotated[tuple[MatchReason, ...], within("reasons")] = Field(default=(), description="理由 · Reasons")
    gaps: Annotated[tuple[MatchGap, ...], within("reasons")] = Field(default=(), description="差距 · Gaps")
    constraints: Annotated[tuple[ConstraintCheck, ...], within("constraints")] = Field(
        default=(), description="逐项指标 · Constraint by constraint"
    )
    amount: MoneyRange | None = Field(default=None, description="政策、融资的估算金额 · Estimate, policy and finance")
    opens_at: UtcDatetime | None = Field(default=None, description="尚未开始受理时，开始的时间 · When it opens")
    expires_at: UtcDatetime = Field(
        description="答复截止时间；政策为申报截止 · Answer wanted before; with a policy, applications taken until"
    )


class MatchInterest(MatchParties):
    """One side said yes."""

    event_type: ClassVar[str] = "qianqiao.MatchInterest.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "一方有意"

    party: Id = Field(description="表态的主体 · Party that said yes")


class MatchAccepted(MatchParties):
    """Both sides said yes: contact may be exchanged."""

    event_type: ClassVar[str] = "qianqiao.MatchAccepted.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "双方有意，可交换联系方式"


class MatchDeclined(MatchParties):
    """One side said no, and why."""

    event_type: ClassVar[str] = "qianqiao.MatchDeclined.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "一方谢绝（须给出原因代码）"

    party: Id = Field(description="谢绝的主体 · Party that said no")
    reason: Annotated[Reason, AfterValidator(coded_by(DECLINE_REASONS))] = Field(
        description="原因，代码见 decline_reason；文字对方可见 · Why; the other side may read the text"
    )


class MatchLapsed(MatchParties):
    """Nobody, or only one side, answered in time."""

    event_type: ClassVar[str] = "qianqiao.MatchLapsed.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "到期未答复"

    party: Id | None = Field(default=None, description="未答复的主体；双方均未答复时缺 · Silent party; absent if both")
    reason: Reason = Field(description="原因 · Why")


class MatchWithdrawn(MatchParties):
    """The match fell away without anybody declining, such as with its need."""

    event_type: ClassVar[str] = "qianqiao.MatchWithdrawn.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "对接建议已撤回"

    party: Id | None = Field(default=None, description="引起撤回的主体 · Party on whose side it fell away")
    reason: Annotated[Reason, AfterValidator(coded_by(WITHDRAWAL_REASONS))] = Field(
        description="原因，代码见 withdrawal_reason · Why"
    )


class MatchRoute(Value):
    """下一步: where a need can go that nothing on offer fits."""

    route: CodeText = Field(description="途径 · Way on, a code of match_route")
    suits: Flag = Field(default=False, description="需求现状是否适合 · Whether the need, as it stands, speaks for it")
    text_zh: Message = Field(description="中文说明 · In Chinese")
    text_en: Message = Field(description="英文说明 · In English")


class NoMatchFound(EventData):
    """All results on offer were searched for a need and none fits. The search goes on; a match may still follow.

    The subject is the answer's own id: one for each need, with one event for each material content of it.
    """

    event_type: ClassVar[str] = "qianqiao.NoMatchFound.v1"
    topic: ClassVar[Topic] = MATCHES
    zh: ClassVar[str] = "暂无合适成果（说明下一步；仍继续寻找）"

    need: Id = Field(description="需求标识 · Need")
    party: Id = Field(description="需求方主体标识 · Party that needs it")
    need_title: Title | None = Field(
        default=None, description="需求名称；非公开需求缺 · Title of the need; absent if it is not open"
    )
    looked_at: Count = Field(description="逐一比对过的最接近的成果数 · How many of the closest results were compared")
    gaps: Annotated[tuple[MatchGap, ...], within("reasons")] = Field(
        default=(), description="内容接近的成果差在哪里 · What is missing in those that come close"
    )
    routes: Annotated[tuple[MatchRoute, ...], Field(min_length=1), within("routes")] = Field(
        description="下一步，最适合的在前 · Ways on, the most suitable first"
    )
