"""registry.results: research results on offer and their life cycle. The subject is the result's id."""

from typing import Annotated, ClassVar

from pydantic import Field

from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    CodeText,
    Flag,
    Id,
    Keywords,
    KeywordsEn,
    Label,
    Maturity,
    Measured,
    Modes,
    MoneyRange,
    Name,
    PartyIds,
    Reason,
    Sectors,
    ShortText,
    Title,
    TitleEn,
    UtcDatetime,
    Value,
    Visibility,
    bounded,
    within,
)

RESULTS = TOPICS["registry.results"]


class IntellectualProperty(Value):
    """知识产权: one right the result rests on."""

    kind: CodeText = Field(description="类别 · Kind, a code of ip_kind")
    number: ShortText | None = Field(default=None, description="号 · Number")
    status: CodeText = Field(description="状态 · Status, a code of ip_status")
    owner: Name = Field(description="权利人 · Right holder")


class ResultContent(EventData):
    """What a result offers; listing and revising carry the whole of it, as far as its visibility allows."""

    parties: PartyIds = Field(description="完成单位主体标识，首位为主 · Parties that achieved it, lead first")
    people_roles: Annotated[tuple[Label, ...], within("people_roles")] = Field(
        default=(), description="完成人角色（不含姓名） · Roles of the people, without names"
    )
    title: Title = Field(description="成果名称 · Title")
    summary: Annotated[str, bounded("summary")] = Field(description="成果简介 · Summary")
    problem: Annotated[str, bounded("problem")] | None = Field(default=None, description="解决的问题 · Problem solved")
    advantage: Annotated[str, bounded("advantage")] | None = Field(
        default=None, description="相比现有的优势 · Advantage over what exists"
    )
    application: Annotated[str, bounded("application")] | None = Field(
        default=None, description="应用场景 · Where it can be used"
    )
    sectors: Sectors = Field(default=(), description="领域 · Sectors")
    keywords: Keywords = Field(default=(), description="关键词 · Keywords")
    maturity: Maturity = Field(description="成熟度 · Maturity")
    ip: Annotated[tuple[IntellectualProperty, ...], within("ip")] = Field(
        default=(), description="知识产权 · Intellectual property"
    )
    modes: Modes = Field(default=(), description="合作方式 · Modes of cooperation")
    price: MoneyRange | None = Field(default=None, description="价格（分） · Price; absent if negotiable or not stated")
    negotiable: Flag = Field(default=False, description="面议 · To be negotiated")
    measured: Annotated[tuple[Measured, ...], within("constraints")] = Field(
        default=(), description="实测指标 · Measured figures"
    )
    title_en: TitleEn | None = Field(default=None, description="英文名称 · Title in English")
    summary_en: Annotated[str, bounded("summary_en")] | None = Field(
        default=None, description="成果简介（英文） · Summary in English"
    )
    keywords_en: KeywordsEn = Field(default=(), description="英文关键词 · Keywords in English")
    visibility: Visibility = Field(default=Visibility.PUBLIC, description="公开范围 · Who may see it")
    last_confirmed: UtcDatetime = Field(description="最近确认时间 · When its owner last confirmed it")


class ResultListed(ResultContent):
    """A result was put on offer."""

    event_type: ClassVar[str] = "qianqiao.ResultListed.v1"
    topic: ClassVar[Topic] = RESULTS
    zh: ClassVar[str] = "成果已上架"


class ResultRevised(ResultContent):
    """A listed result changed; carries the whole of it."""

    event_type: ClassVar[str] = "qianqiao.ResultRevised.v1"
    topic: ClassVar[Topic] = RESULTS
    zh: ClassVar[str] = "成果已修改（携带全部内容）"


class ResultStep(EventData):
    """A step in the life of a result that leaves its content as it is."""

    parties: PartyIds = Field(description="完成单位主体标识 · Parties that achieved it")
    title: Title | None = Field(default=None, description="成果名称 · Title, so that a reader needs no memory")
    reason: Reason | None = Field(default=None, description="原因 · Why")


class ResultTaken(ResultStep):
    """A result was taken up; taken exclusively, it leaves matching and stays visible as taken."""

    event_type: ClassVar[str] = "qianqiao.ResultTaken.v1"
    topic: ClassVar[Topic] = RESULTS
    zh: ClassVar[str] = "成果已被采用；独占的不再参与匹配"

    exclusive: Flag = Field(default=False, description="是否独占 · Whether nobody else may take it")
    agreement: Id | None = Field(default=None, description="据以采用的协议 · Agreement by which it was taken")


class ResultExpired(ResultStep):
    """A result was not confirmed in time."""

    event_type: ClassVar[str] = "qianqiao.ResultExpired.v1"
    topic: ClassVar[Topic] = RESULTS
    zh: ClassVar[str] = "成果到期未确认"


class ResultRenewed(ResultStep):
    """The owner confirmed a result; one that had expired is on offer again."""

    event_type: ClassVar[str] = "qianqiao.ResultRenewed.v1"
    topic: ClassVar[Topic] = RESULTS
    zh: ClassVar[str] = "成果已确认续期"

    last_confirmed: UtcDatetime = Field(description="确认时间 · When its owner confirmed it")


class ResultWithdrawn(ResultStep):
    """The owner took a result off the list."""

    event_type: ClassVar[str] = "qianqiao.ResultWithdrawn.v1"
    topic: ClassVar[Topic] = RESULTS
    zh: ClassVar[str] = "成果已撤回"
