"""A research result on offer, and its life from listing to taken, expired or withdrawn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_contracts import (
    IntellectualProperty,
    Maturity,
    Measured,
    MoneyRange,
    Reason,
    ResultExpired,
    ResultListed,
    ResultRenewed,
    ResultRevised,
    ResultTaken,
    ResultWithdrawn,
    Visibility,
)
from qianqiao_contracts.values import (
    Flag,
    Id,
    Keywords,
    KeywordsEn,
    Label,
    Modes,
    Sectors,
    Title,
    TitleEn,
    bounded,
    within,
)

from registry.domain.lifecycle import Actor, Machine, Name, Transition
from registry.domain.listing import Listing, ListingRules, Origin, Sight, check_audience, refuse_contact_data, validity
from registry.domain.settlement import Settlement
from registry.domain.visibility import told, told_title

RESULT_MACHINE = Machine(
    code="result",
    thing=Name("成果", "result"),
    statuses={
        "published": Name("已发布", "published"),
        "expired": Name("已过期", "expired"),
        "taken": Name("已被独占", "taken exclusively"),
        "withdrawn": Name("已撤回", "withdrawn"),
    },
    steps={
        "revise": Name("修改", "revised"),
        "renew": Name("确认续期", "renewed"),
        "expire": Name("过期", "expired"),
        "take": Name("标记为独占采用", "taken exclusively"),
        "license": Name("标记为非独占采用", "taken non-exclusively"),
        "withdraw": Name("撤回", "withdrawn"),
    },
    moves={
        ("published", "revise"): "published",
        ("published", "renew"): "published",
        ("published", "expire"): "expired",
        ("published", "take"): "taken",
        ("published", "license"): "published",
        ("published", "withdraw"): "withdrawn",
        ("expired", "renew"): "published",
        ("expired", "take"): "taken",
        ("expired", "license"): "expired",
        ("expired", "withdraw"): "withdrawn",
    },
)
"""Taken without exclusivity it stays on offer, its licences counted; taken exclusively it stays visible as taken."""

_SAFE = ("sectors", "modes", "maturity")


class ResultText(BaseModel):
    """What a result says. `public_summary` is what strangers read where the visibility is 摘要公开."""

    model_config = ConfigDict(frozen=True)

    people_roles: Annotated[tuple[Label, ...], within("people_roles")] = Field(
        default=(), description="完成人角色（不含姓名） · Roles of the people, without names"
    )
    title: Title = Field(description="成果名称 · Title", examples=["低温漂激光干涉测长模块"])
    summary: Annotated[str, bounded("summary")] = Field(description="成果简介 · Summary")
    problem: Annotated[str, bounded("problem")] | None = Field(
        default=None, description="解决的问题 · Problem it solves"
    )
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
    price: MoneyRange | None = Field(default=None, description="价格（分） · Price in fen")
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
    public_summary: Annotated[str, bounded("goal")] | None = Field(
        default=None, description="摘要公开时对外显示的说明 · What strangers read under 摘要公开"
    )
    audience: Annotated[tuple[Id, ...], within("parties")] = Field(
        default=(), description="定向发布的对象 · Parties a targeted result is addressed to"
    )

    def compared(self, sight: Sight) -> str:
        """Title and summary, what two listings of one result have in common, as far as `sight` goes."""
        return f"{self.title}\n{self.summary if sight is Sight.ALL else self.public_summary or ''}"

    def check(self) -> None:
        """Raise Invalid: `contact-data-in-public-text` where strangers would read it, `audience-without-targeting`."""
        check_audience(self.visibility, self.audience)
        open_texts: list[tuple[str, str | None]] = [("title", self.title), ("public_summary", self.public_summary)]
        open_texts += [(f"keywords[{position}]", word) for position, word in enumerate(self.keywords)]
        open_texts += [("title_en", self.title_en)]
        open_texts += [(f"keywords_en[{position}]", word) for position, word in enumerate(self.keywords_en)]
        if self.visibility is Visibility.PUBLIC:
            names = ("summary", "problem", "advantage", "application", "summary_en")
            open_texts += [(name, getattr(self, name)) for name in names]
            open_texts += [(f"people_roles[{position}]", role) for position, role in enumerate(self.people_roles)]
        refuse_contact_data(open_texts)


class Result(Listing):
    """A result of one or more parties, the leading one first. Statuses and steps: RESULT_MACHINE."""

    topic: ClassVar[str | None] = ResultListed.topic.name
    machine: ClassVar[Machine] = RESULT_MACHINE

    parties: tuple[str, ...]
    content: ResultText
    licences: int = 0
    """How often it was taken without exclusivity, each confirmed by both sides."""

    @classmethod
    def list_(
        cls,
        id_: str,
        content: ResultText,
        *,
        parties: tuple[str, ...],
        confirmed: datetime,
        rules: ListingRules,
        bands: list[str],
        by: Actor,
        now: datetime,
        origin: Origin | None = None,
    ) -> Self:
        """Put a new result on offer. Raises Invalid (see ResultText.check)."""
        content.check()
        ask, expires = validity(confirmed, rules)
        result = cls(
            id=id_,
            parties=parties,
            content=content,
            last_confirmed=confirmed,
            confirm_from=ask,
            expires_at=expires,
            origin=origin,
            bands=bands,
            log=(Transition(at=now, by=by, step="publish", before=None, after="published"),),
        )
        result.record(ResultListed(**result._told()))
        return result

    @property
    def owners(self) -> tuple[str, ...]:
        """The parties that achieved it."""
        return self.parties

    @property
    def visibility(self) -> Visibility:
        """Who may see it."""
        return self.content.visibility

    @property
    def audience(self) -> tuple[str, ...]:
        """The parties a targeted result is addressed to."""
        return self.content.audience

    @property
    def title(self) -> str:
        """Its title."""
        return self.content.title

    def compared_text(self, sight: Sight) -> str:
        """The text that is screened for near-duplicates, as far as `sight` goes."""
        return self.content.compared(sight)

    def revise(self, content: ResultText, bands: list[str], by: Actor, now: datetime) -> None:
        """Replace what it says. Raises Refused, Invalid (see ResultText.check)."""
        content.check()
        self._take("revise", by, now)
        self.content, self.bands = content, bands
        self.record(ResultRevised(**self._told()))

    def renew(self, rules: ListingRules, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        """Confirm that it still holds; an expired one is on offer again. Raises Refused."""
        self._take("renew", by, now, reason)
        self._confirmed(now, rules)
        self.record(ResultRenewed(**self._step(reason), last_confirmed=now))

    def withdraw(self, by: Actor, now: datetime, reason: Reason) -> None:
        """Take it off the list for good. Raises Refused."""
        self._take("withdraw", by, now, reason)
        self.record(ResultWithdrawn(**self._step(reason)))

    def _expired(self) -> None:
        self.record(ResultExpired(**self._step(Reason(code="not_confirmed"))))

    def _settling_step(self, settlement: Settlement) -> str:
        return "take" if settlement.exclusive else "license"

    def _settled(self, settlement: Settlement) -> None:
        if not settlement.exclusive:
            self.licences += 1
        self.record(ResultTaken(**self._step(), exclusive=settlement.exclusive, agreement=settlement.agreement))

    def _step(self, reason: Reason | None = None) -> dict[str, Any]:
        return {"parties": self.parties, "title": told_title(self.content.title, self.visibility), "reason": reason}

    def _told(self) -> Mapping[str, Any]:
        content = self.content
        fields = dict(told(content, self.visibility, body="summary", summary=content.public_summary, safe=_SAFE))
        fields.pop("public_summary", None)
        fields.pop("audience", None)
        fields["visibility"] = self.visibility
        return {**fields, "parties": self.parties, "last_confirmed": self.last_confirmed}
