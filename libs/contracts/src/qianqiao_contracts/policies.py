"""registry.policies: business-support policies with conditions a machine can evaluate."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Discriminator, Field, Strict, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from qianqiao_contracts._data import limit, pattern
from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    CodeText,
    Day,
    Flag,
    Id,
    Label,
    Money,
    Number,
    PartyKind,
    Reason,
    ShortText,
    Title,
    Value,
    bounded,
    within,
)

POLICIES = TOPICS["registry.policies"]


class Quantifier(StrEnum):
    """满足几项: how many conditions of a group have to hold."""

    ALL = "all"
    ANY = "any"
    AT_LEAST = "at_least"
    NONE = "none"


class Operator(StrEnum):
    """比较: how a field of the party's profile is compared."""

    LT = "<"
    LE = "≤"
    EQ = "="
    NE = "≠"
    GE = "≥"
    GT = ">"
    IN = "in"
    NOT_IN = "not_in"
    PRESENT = "present"


class Scope(StrEnum):
    """口径: whether a figure is that of the legal entity itself or of its whole group."""

    ENTITY = "entity"
    GROUP = "group"


class Repeats(StrEnum):
    """重复: how often a window comes again, on the same days."""

    YEARLY = "yearly"


Scalar = Flag | Number | ShortText

Period = Annotated[str, StringConstraints(pattern=pattern("period"))]
"""A span of time a figure belongs to: 2025, 2025-H1, 2025-Q3, 2025-09; FY2025 for a fiscal year that is not the
calendar year. In a condition also year-1 or fy-1: counted back from the year in which it is applied for."""


class Test(Value):
    """一项条件: one condition: a field of the party's profile, compared with a value, and the clause it comes from."""

    __test__ = False  # not a test case, whatever a test runner makes of the name

    field: CodeText = Field(description="档案字段 · Field of the party's profile")
    op: Operator = Field(description="比较 · How it is compared")
    value: Scalar | Annotated[tuple[Scalar, ...], within("conditions")] | None = Field(
        default=None, description="比较值；in、not_in 为列表 · Value; a list for in and not_in; absent for present"
    )
    unit: Annotated[str, bounded("unit")] | None = Field(default=None, description="单位 · Unit")
    period: Period | None = Field(
        default=None,
        description="所属期间，如 2025、year-1（申报上一年）；缺省为现状 · Its period; absent: as it is now",
    )
    scope: Scope | None = Field(default=None, description="口径；缺省为法人单体 · Entity or group; absent: the entity")
    clause: Annotated[str, bounded("clause")] = Field(description="条款原文 · Quotation of the clause")

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        wants_list = self.op in (Operator.IN, Operator.NOT_IN)
        if (self.op is Operator.PRESENT) != (self.value is None) or wants_list != isinstance(self.value, tuple):
            raise PydanticCustomError(
                "condition_value", "present takes no value, in and not_in take a list, the others take one value"
            )
        return self


def _shape(value: object) -> str:
    of = "of" in value if isinstance(value, dict) else hasattr(value, "of")
    return "<group>" if of else "<test>"


_Condition = Annotated[
    Annotated["Group", Tag("<group>")] | Annotated[Test, Tag("<test>")],
    Discriminator(_shape),
]


class Group(Value):
    """条件组: conditions of which all, any, none or at least k have to hold."""

    match: Quantifier = Field(description="满足几项 · How many have to hold")
    k: Annotated[int, Strict(), Field(ge=1, le=limit("list.conditions"))] | None = Field(
        default=None, description="至少几项，仅用于 at_least · How many, with at_least only"
    )
    of: Annotated[tuple[_Condition, ...], Field(min_length=1, max_length=limit("list.conditions"))] = Field(
        description="条件 · The conditions"
    )

    @model_validator(mode="after")
    def _k_fits(self) -> Self:
        if (self.match is Quantifier.AT_LEAST) != (self.k is not None) or (self.k or 0) > len(self.of):
            raise PydanticCustomError("condition_k", "k belongs to at_least and is at most the number of conditions")
        return self


# Once more, with the class itself: a name in quotes could be resolved in this module alone.
Condition = Annotated[
    Annotated[Group, Tag("<group>")] | Annotated[Test, Tag("<test>")],
    Discriminator(_shape),
]
"""A group of conditions or one test."""


class Window(Value):
    """申报时间: the days on which applications are taken, both included, in the issuer's calendar."""

    opens: Day | None = Field(default=None, description="开始日 · First day")
    closes: Day | None = Field(default=None, description="截止日 · Last day")
    repeats: Repeats | None = Field(default=None, description="是否每年重复 · Whether it comes again every year")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.opens is not None and self.closes is not None and self.opens > self.closes:
            raise PydanticCustomError("window_reversed", "the window closes before it opens")
        if self.repeats is not None and (self.opens is None or self.closes is None):
            raise PydanticCustomError("window_repeats_without_days", "a window that repeats has a first and a last day")
        return self


class Route(StrEnum):
    """兑现方式: how the benefit is obtained."""

    AUTOMATIC = "免申即享"
    FAST = "快申快享"
    APPLICATION = "申报"


class Desk(Value):
    """受理窗口: an office, not a person."""

    name: Label = Field(description="受理单位 · Office")
    address: Label | None = Field(default=None, description="地址 · Address")
    phone: ShortText | None = Field(default=None, description="办公电话 · Office telephone")


class SupportShare(Value):
    """按比例支持: support as a share of a figure of the party's, such as 20 % of last year's R&D spending."""

    field: CodeText = Field(description="档案字段 · Field of the party's profile")
    period: Period | None = Field(default=None, description="所属期间 · Period of the figure")
    scope: Scope | None = Field(default=None, description="口径 · Entity or group")
    share: Annotated[Number, Field(gt=0, le=1)] = Field(description="比例，0–1 · Share of it")


class PolicyContent(EventData):
    """A policy; publishing and revising carry the whole of it."""

    party: Id | None = Field(default=None, description="发布单位的主体标识 · Party of the issuing body")
    title: Title = Field(description="政策名称 · Title")
    issuer: Label = Field(description="发布单位 · Issuing body")
    document_no: ShortText = Field(description="文号 · Document number")
    region: ShortText | None = Field(default=None, description="适用地区 · Region")
    beneficiaries: Annotated[tuple[PartyKind, ...], within("parties")] = Field(
        default=(), description="惠及对象；缺省为企业 · Kinds of party it is for; absent: enterprises"
    )
    conditions: Condition = Field(description="申报条件 · Conditions")
    support: Annotated[str, bounded("summary")] = Field(description="支持标准 · What is granted")
    support_min: Money | None = Field(default=None, description="支持下限（分） · Least amount")
    support_max: Money | None = Field(default=None, description="支持上限（分） · Greatest amount")
    support_share: SupportShare | None = Field(default=None, description="按比例支持 · As a share of a figure")
    window: Window | None = Field(default=None, description="申报时间 · When to apply")
    route: Route = Field(description="兑现方式 · How it is obtained")
    desk: Desk = Field(description="受理窗口 · Where to apply")


class PolicyPublished(PolicyContent):
    """A policy takes effect."""

    event_type: ClassVar[str] = "qianqiao.PolicyPublished.v1"
    topic: ClassVar[Topic] = POLICIES
    zh: ClassVar[str] = "政策已发布"


class PolicyRevised(PolicyContent):
    """A policy changed; carries the whole of it."""

    event_type: ClassVar[str] = "qianqiao.PolicyRevised.v1"
    topic: ClassVar[Topic] = POLICIES
    zh: ClassVar[str] = "政策已修订（携带全部内容）"


class PolicyRetired(EventData):
    """A policy is no longer in force."""

    event_type: ClassVar[str] = "qianqiao.PolicyRetired.v1"
    topic: ClassVar[Topic] = POLICIES
    zh: ClassVar[str] = "政策已失效"

    party: Id | None = Field(default=None, description="发布单位的主体标识 · Party of the issuing body")
    title: Title = Field(description="政策名称 · Title")
    reason: Reason | None = Field(default=None, description="原因 · Why")
