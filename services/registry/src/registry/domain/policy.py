"""A business-support policy: draft, published, revised, retired."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid
from qianqiao_contracts import (
    Condition,
    Desk,
    Money,
    PartyKind,
    PolicyPublished,
    PolicyRetired,
    PolicyRevised,
    Reason,
    Route,
    SupportShare,
    Window,
)
from qianqiao_contracts.policies import Group
from qianqiao_contracts.values import Label, ShortText, Title, bounded, within

from registry.domain.lifecycle import Actor, Machine, Name, Transition, appended
from registry.domain.listing import MAX_HEARD, Origin

POLICY_MACHINE = Machine(
    code="policy",
    thing=Name("政策", "policy"),
    statuses={
        "draft": Name("草稿", "a draft"),
        "published": Name("已发布", "published"),
        "retired": Name("已失效", "retired"),
        "discarded": Name("已作废", "discarded"),
    },
    steps={
        "revise": Name("修订", "revised"),
        "publish": Name("发布", "published"),
        "retire": Name("宣布失效", "retired"),
        "discard": Name("作废", "discarded"),
    },
    moves={
        ("draft", "revise"): "draft",
        ("draft", "publish"): "published",
        ("draft", "discard"): "discarded",
        ("published", "revise"): "published",
        ("published", "retire"): "retired",
    },
)
"""What was once published stays readable: it is retired, never discarded."""


class PolicyRules(BaseModel):
    """Bounds of conditions; see data/policies.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    most_tests: int = Field(ge=1)
    deepest: int = Field(ge=1)


class PolicyText(BaseModel):
    """What a policy says. Conditions quote the clause they come from, so that a machine's verdict can be checked."""

    model_config = ConfigDict(frozen=True)

    title: Title = Field(description="政策名称 · Title", examples=["（示例）研发投入奖励办法"])
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

    def check(self, rules: PolicyRules) -> None:
        """Raise Invalid: `conditions-too-many`, `conditions-too-deep`, `support-reversed`."""
        errors = [*_beyond(self.conditions, rules), *self._reversed()]
        if errors:
            raise Invalid(errors[0].code, errors[0].zh, errors[0].en, errors=errors)

    def _reversed(self) -> Iterator[FieldError]:
        if self.support_min and self.support_max and self.support_min.fen > self.support_max.fen:
            zh, en = "支持下限高于上限。", "The least amount is above the greatest."
            yield FieldError("support_min", "support-reversed", zh, en)


def _beyond(conditions: Condition, rules: PolicyRules) -> Iterator[FieldError]:
    tests, depth = _size(conditions)
    if tests > rules.most_tests:
        zh = f"条件最多 {rules.most_tests} 项，现有 {tests} 项。"
        en = f"There may be {rules.most_tests} conditions; there are {tests}."
        yield FieldError("conditions", "conditions-too-many", zh, en)
    if depth > rules.deepest:
        zh = f"条件组最多嵌套 {rules.deepest} 层，现有 {depth} 层。"
        en = f"Groups of conditions may be {rules.deepest} deep; these are {depth}."
        yield FieldError("conditions", "conditions-too-deep", zh, en)


def _size(condition: Condition) -> tuple[int, int]:
    """How many tests, and how many groups one within the other."""
    if not isinstance(condition, Group):
        return 1, 0
    sizes = [_size(each) for each in condition.of]
    return sum(tests for tests, _ in sizes), 1 + max(depth for _, depth in sizes)


class Policy(Aggregate):
    """A policy of a party: a government body or a park. Statuses and steps: POLICY_MACHINE."""

    topic: ClassVar[str | None] = PolicyPublished.topic.name

    party: str
    content: PolicyText
    status: str = "draft"
    origin: Origin | None = None
    heard: tuple[str, ...] = ()
    log: tuple[Transition, ...] = ()

    @classmethod
    def draft(
        cls,
        id_: str,
        content: PolicyText,
        *,
        party: str,
        rules: PolicyRules,
        by: Actor,
        now: datetime,
        origin: Origin | None = None,
    ) -> Self:
        """Write one down; nothing is told yet. Raises Invalid (see PolicyText.check)."""
        content.check(rules)
        entry = Transition(at=now, by=by, step="draft", before=None, after="draft")
        return cls(id=id_, party=party, content=content, origin=origin, log=(entry,))

    @property
    def owners(self) -> tuple[str, ...]:
        """The party it belongs to."""
        return (self.party,)

    @property
    def is_public(self) -> bool:
        """Whether it was ever published: everybody may read it then."""
        return self.status in ("published", "retired")

    def revise(self, content: PolicyText, rules: PolicyRules, by: Actor, now: datetime) -> None:
        """Replace what it says; what says the same changes nothing. Raises Refused, Invalid (see PolicyText.check)."""
        content.check(rules)
        published = self.status == "published"
        POLICY_MACHINE.target(self.status, "revise")
        if content == self.content:
            return
        self._take("revise", by, now)
        self.content = content
        if published:
            self.record(PolicyRevised(**self._told()))

    def publish(self, by: Actor, now: datetime) -> None:
        """Put it into effect. Raises Refused."""
        self._take("publish", by, now)
        self.record(PolicyPublished(**self._told()))

    def retire(self, reason: Reason, by: Actor, now: datetime) -> None:
        """End it: repealed, expired or replaced. Raises Refused."""
        self._take("retire", by, now, reason)
        self.record(PolicyRetired(party=self.party, title=self.content.title, reason=reason))

    def discard(self, by: Actor, now: datetime) -> None:
        """Give up a draft. Raises Refused."""
        self._take("discard", by, now)

    def has_heard(self, event_id: str) -> bool:
        """Tell whether this outside event was already taken in."""
        return event_id in self.heard

    def hear(self, event_id: str) -> None:
        """Remember an outside event as taken in."""
        self.heard = (*self.heard, event_id)[-MAX_HEARD:]

    def _take(self, step: str, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        after = POLICY_MACHINE.target(self.status, step)
        entry = Transition(at=now, by=by, step=step, before=self.status, after=after, reason=reason)
        self.log, self.status = appended(self.log, entry), after

    def _told(self) -> Mapping[str, Any]:
        return {**{name: getattr(self.content, name) for name in PolicyText.model_fields}, "party": self.party}
