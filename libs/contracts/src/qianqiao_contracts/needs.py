"""registry.needs: technology needs and their life cycle. The subject is the need's id."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    Constraint,
    Flag,
    Id,
    Keywords,
    KeywordsEn,
    Modes,
    MoneyRange,
    Reason,
    Sectors,
    Title,
    TitleEn,
    Trl,
    UtcDatetime,
    Visibility,
    bounded,
    within,
)

NEEDS = TOPICS["registry.needs"]


class NeedChannel(StrEnum):
    """来源渠道: how a need came in."""

    PORTAL = "portal"
    INTAKE = "intake"
    SALON = "salon"
    BROKER = "broker"
    IMPORT = "import"


class NeedContent(EventData):
    """What a need asks for; posting and revising carry the whole of it, as far as its visibility allows."""

    party: Id = Field(description="需求方主体标识 · Party that needs it")
    park: Id | None = Field(default=None, description="园区主体标识 · Party id of its park")
    title: Title = Field(description="需求名称 · Title")
    difficulty: Annotated[str, bounded("difficulty")] = Field(description="主要技术难点 · Main technical difficulty")
    current_state: Annotated[str, bounded("current_state")] | None = Field(
        default=None, description="现状及已做尝试 · Present state and what was tried"
    )
    goal: Annotated[str, bounded("goal")] | None = Field(default=None, description="预期目标 · Goal")
    sectors: Sectors = Field(default=(), description="领域 · Sectors")
    keywords: Keywords = Field(default=(), description="关键词 · Keywords")
    constraints: Annotated[tuple[Constraint, ...], within("constraints")] = Field(
        default=(), description="技术指标 · Technical constraints"
    )
    budget: MoneyRange | None = Field(default=None, description="预算（分） · Budget, unless negotiable or not stated")
    negotiable: Flag = Field(default=False, description="面议 · To be negotiated")
    modes: Modes = Field(default=(), description="合作方式 · Modes of cooperation")
    trl_wanted: Trl | None = Field(default=None, description="交付时期望的技术就绪度 · TRL wished at delivery")
    due: UtcDatetime | None = Field(default=None, description="期望完成时间 · Wanted by")
    title_en: TitleEn | None = Field(default=None, description="英文名称 · Title in English")
    difficulty_en: Annotated[str, bounded("difficulty_en")] | None = Field(
        default=None, description="主要技术难点（英文） · Main technical difficulty in English"
    )
    keywords_en: KeywordsEn = Field(default=(), description="英文关键词 · Keywords in English")
    visibility: Visibility = Field(default=Visibility.PUBLIC, description="公开范围 · Who may see it")
    channel: NeedChannel = Field(description="来源渠道 · How it came in")
    last_confirmed: UtcDatetime = Field(description="最近确认时间 · When its owner last confirmed it")


class NeedPosted(NeedContent):
    """A need was published."""

    event_type: ClassVar[str] = "qianqiao.NeedPosted.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已发布"


class NeedRevised(NeedContent):
    """A published need changed; carries the whole of it."""

    event_type: ClassVar[str] = "qianqiao.NeedRevised.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已修改（携带全部内容）"


class NeedStep(EventData):
    """A step in the life of a need that leaves its content as it is."""

    party: Id = Field(description="需求方主体标识 · Party that needs it")
    title: Title | None = Field(default=None, description="需求名称 · Title, so that a reader needs no memory")
    reason: Reason | None = Field(default=None, description="原因 · Why")


class NeedPaused(NeedStep):
    """A need takes no new matches for now."""

    event_type: ClassVar[str] = "qianqiao.NeedPaused.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已暂停"


class NeedResumed(NeedStep):
    """A paused need is open again."""

    event_type: ClassVar[str] = "qianqiao.NeedResumed.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已恢复"


class NeedSolved(NeedStep):
    """A need is solved, and its partner confirmed it."""

    event_type: ClassVar[str] = "qianqiao.NeedSolved.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已解决（双方确认）"

    agreement: Id | None = Field(default=None, description="据以解决的协议 · Agreement that solved it")


class NeedExpired(NeedStep):
    """A need was not confirmed in time."""

    event_type: ClassVar[str] = "qianqiao.NeedExpired.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求到期未确认"


class NeedRenewed(NeedStep):
    """The owner confirmed a need; one that had expired is open again."""

    event_type: ClassVar[str] = "qianqiao.NeedRenewed.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已确认续期"

    last_confirmed: UtcDatetime = Field(description="确认时间 · When its owner confirmed it")


class NeedWithdrawn(NeedStep):
    """The owner took a need back."""

    event_type: ClassVar[str] = "qianqiao.NeedWithdrawn.v1"
    topic: ClassVar[Topic] = NEEDS
    zh: ClassVar[str] = "需求已撤回"
