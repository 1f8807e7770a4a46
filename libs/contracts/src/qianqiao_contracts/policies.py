"""registry.policies: business-support policies with conditions a machine can evaluate."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Discriminator, Field, Strict, Tag, model_validator
from pydantic_core import PydanticCustomError

from qianqiao_contracts._data import limit
from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    CodeText,
    Day,
    Flag,
    Label,
    Money,
    Number,
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


Scalar = Flag | Number | ShortText


class Test(Value):
    """一项条件: one condition: a field of the party's profile, compared with a value, and the clause it comes from."""

    __test__ = False  # not a test case, whatever a test runner makes of the name

    field: CodeText = Field(description="档案字段 · Field of the party's profile")
    op: Operator = Field(description="比较 · How it is compared")
    value: Scalar | Annotated[tuple[Scalar, ...], within("conditions")] | None = Field(
        default=None, description="比较值；in、not_in 为列表 · Value; a list for in and not_in; absent for present"
    )
    unit: Annotated[str, bounded("unit")] | None = Field(default=None, description="单位 · Unit")
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


Condition = Annotated[
    Annotated["Group", Tag("<group>")] | Annotated[Test, Tag("<test>")],
    Discriminator(_shape),
]
"""A group of conditions or one test."""


class Group(Value):
    """条件组: conditions of which all, any, none or at least k have to hold."""

    match: Quantifier = Field(description="满足几项 · How many have to hold")
    k: Annotated[int, Strict(), Field(ge=1, le=limit("list.conditions"))] | None = Field(
        default=None, description="至少几项，仅用于 at_least · How many, with at_least only"
    )
    of: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=limit("list.conditions"))] = Field(
        description="条件 · The conditions"
    )

    @model_validator(mode="after")
    def _k_fits(self) -> Self:
        if (self.match is Quantifier.AT_LEAST) != (self.k is not None) or (self.k or 0) > len(self.of):
            raise PydanticCustomError("condition_k", "k belongs to at_least and is at most the number of conditions")
        return self


class Window(Value):
    """申报时间: the days on which applications are taken, both included, in the issuer's calendar."""

    opens: Day | None = Field(default=None, description="开始日 · First day")
    closes: Day | None = Field(default=None, description="截止日 · Last day")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.opens is not None and self.closes is not None and self.opens > self.closes:
            raise PydanticCustomError("window_reversed", "the window closes before it opens")
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


class PolicyContent(EventData):
    """A policy; publishing and revising carry the whole of it."""

    title: Title = Field(description="政策名称 · Title")
    issuer: Label = Field(description="发布单位 · Issuing body")
    document_no: ShortText = Field(description="文号 · Document number")
    region: ShortText | None = Field(default=None, description="适用地区 · Region")
    conditions: Condition = Field(description="申报条件 · Conditions")
    support: Annotated[str, bounded("summary")] = Field(description="支持标准 · What is granted")
    support_max: Money | None = Field(default=None, description="支持上限（分） · Greatest amount")
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

    title: Title = Field(description="政策名称 · Title")
    reason: Reason | None = Field(default=None, description="原因 · Why")
