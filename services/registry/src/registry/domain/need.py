"""A technology need: what an enterprise asks for, and its life from posting to solved, expired or withdrawn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_contracts import (
    Constraint,
    MoneyRange,
    NeedChannel,
    NeedExpired,
    NeedPaused,
    NeedPosted,
    NeedRenewed,
    NeedResumed,
    NeedRevised,
    NeedSolved,
    NeedWithdrawn,
    Reason,
    Visibility,
)
from qianqiao_contracts.values import (
    Flag,
    Id,
    Keywords,
    KeywordsEn,
    Modes,
    Sectors,
    Title,
    TitleEn,
    Trl,
    UtcDatetime,
    bounded,
    within,
)

from registry.domain.lifecycle import Actor, Machine, Name, Transition
from registry.domain.listing import Listing, ListingRules, Origin, Sight, check_audience, refuse_contact_data, validity
from registry.domain.quality import Description
from registry.domain.settlement import Settlement
from registry.domain.visibility import told, told_title

NEED_MACHINE = Machine(
    code="need",
    thing=Name("需求", "need"),
    statuses={
        "published": Name("已发布", "published"),
        "paused": Name("已暂停", "paused"),
        "expired": Name("已过期", "expired"),
        "solved": Name("已解决", "solved"),
        "withdrawn": Name("已撤回", "withdrawn"),
    },
    steps={
        "revise": Name("修改", "revised"),
        "pause": Name("暂停", "paused"),
        "resume": Name("恢复", "resumed"),
        "renew": Name("确认续期", "renewed"),
        "expire": Name("过期", "expired"),
        "solve": Name("标记为已解决", "solved"),
        "withdraw": Name("撤回", "withdrawn"),
    },
    moves={
        ("published", "revise"): "published",
        ("published", "pause"): "paused",
        ("published", "renew"): "published",
        ("published", "expire"): "expired",
        ("published", "solve"): "solved",
        ("published", "withdraw"): "withdrawn",
        ("paused", "revise"): "paused",
        ("paused", "resume"): "published",
        ("paused", "solve"): "solved",
        ("paused", "withdraw"): "withdrawn",
        ("expired", "renew"): "published",
        ("expired", "solve"): "solved",
        ("expired", "withdraw"): "withdrawn",
    },
)
"""A need may also be solved while paused or expired: partners that met here often finish after the listing ended."""

_SAFE = ("sectors", "modes", "trl_wanted", "due")


class NeedText(BaseModel):
    """What a need says. `summary` is what strangers read where the visibility is 摘要公开."""

    model_config = ConfigDict(frozen=True)

    title: Title = Field(description="需求名称 · Title", examples=["高精度激光干涉仪长期稳定性提升"])
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
    budget: MoneyRange | None = Field(default=None, description="预算（分） · Budget in fen")
    negotiable: Flag = Field(default=False, description="面议 · To be negotiated")
    modes: Modes = Field(default=(), description="合作方式 · Modes of cooperation")
    trl_wanted: Trl | None = Field(default=None, description="期望的技术就绪度 · TRL wished at delivery")
    due: UtcDatetime | None = Field(default=None, description="期望完成时间 · Wanted by")
    title_en: TitleEn | None = Field(default=None, description="英文名称 · Title in English")
    difficulty_en: Annotated[str, bounded("difficulty_en")] | None = Field(
        default=None, description="主要技术难点（英文） · Main technical difficulty in English"
    )
    keywords_en: KeywordsEn = Field(default=(), description="英文关键词 · Keywords in English")
    visibility: Visibility = Field(default=Visibility.PUBLIC, description="公开范围 · Who may see it")
    summary: Annotated[str, bounded("goal")] | None = Field(
        default=None, description="摘要公开时对外显示的说明 · What strangers read under 摘要公开"
    )
    audience: Annotated[tuple[Id, ...], within("parties")] = Field(
        default=(), description="定向发布的对象 · Parties a targeted need is addressed to"
    )

    def compared(self, sight: Sight) -> str:
        """Title and difficulty, what two postings of one need have in common, as far as `sight` goes."""
        return f"{self.title}\n{self.difficulty if sight is Sight.ALL else self.summary or ''}"

    def check(self) -> None:
        """Raise Invalid: `contact-data-in-public-text` where strangers would read it, `audience-without-targeting`."""
        check_audience(self.visibility, self.audience)
        open_texts: list[tuple[str, str | None]] = [("title", self.title), ("summary", self.summary)]
        open_texts += [(f"keywords[{position}]", word) for position, word in enumerate(self.keywords)]
        open_texts += [("title_en", self.title_en)]
        open_texts += [(f"keywords_en[{position}]", word) for position, word in enumerate(self.keywords_en)]
        if self.visibility is Visibility.PUBLIC:
            open_texts += [("difficulty", self.difficulty), ("current_state", self.current_state), ("goal", self.goal)]
            open_texts += [("difficulty_en", self.difficulty_en)]
        refuse_contact_data(open_texts)

    def described(self) -> Description:
        """Return what the quality score looks at."""
        budget = self.budget
        return Description(
            title=self.title,
            difficulty=self.difficulty,
            current_state=self.current_state or "",
            goal=self.goal or "",
            indicators=len(self.constraints),
            budget_fen=(budget.max_fen or budget.min_fen or 0) if budget else 0,
            keywords=len(self.keywords),
            due=self.due is not None,
        )


class Need(Listing):
    """A need of one party. Statuses and steps: NEED_MACHINE."""

    topic: ClassVar[str | None] = NeedPosted.topic.name
    machine: ClassVar[Machine] = NEED_MACHINE

    party: str
    park: str | None = None
    channel: NeedChannel
    content: NeedText

    @classmethod
    def post(
        cls,
        id_: str,
        content: NeedText,
        *,
        party: str,
        park: str | None,
        channel: NeedChannel,
        confirmed: datetime,
        rules: ListingRules,
        bands: list[str],
        by: Actor,
        now: datetime,
        origin: Origin | None = None,
    ) -> Self:
        """Publish a new need. Raises Invalid (see NeedText.check)."""
        content.check()
        ask, expires = validity(confirmed, rules)
        need = cls(
            id=id_,
            party=party,
            park=park,
            channel=channel,
            content=content,
            last_confirmed=confirmed,
            confirm_from=ask,
            expires_at=expires,
            origin=origin,
            bands=bands,
            log=(Transition(at=now, by=by, step="publish", before=None, after="published"),),
        )
        need.record(NeedPosted(**need._told()))
        return need

    @property
    def owners(self) -> tuple[str, ...]:
        """The party that needs it."""
        return (self.party,)

    @property
    def visibility(self) -> Visibility:
        """Who may see it."""
        return self.content.visibility

    @property
    def audience(self) -> tuple[str, ...]:
        """The parties a targeted need is addressed to."""
        return self.content.audience

    @property
    def title(self) -> str:
        """Its title."""
        return self.content.title

    def compared_text(self, sight: Sight) -> str:
        """The text that is screened for near-duplicates, as far as `sight` goes."""
        return self.content.compared(sight)

    def revise(self, content: NeedText, bands: list[str], by: Actor, now: datetime) -> None:
        """Replace what it says. Raises Refused, Invalid (see NeedText.check)."""
        content.check()
        self._take("revise", by, now)
        self.content, self.bands = content, bands
        self.record(NeedRevised(**self._told()))

    def pause(self, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        """Take no new matches for now. Raises Refused."""
        self._take("pause", by, now, reason)
        self.record(NeedPaused(**self._step(reason)))

    def resume(self, rules: ListingRules, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        """Open it again; where its confirmation had grown old meanwhile, resuming confirms it. Raises Refused."""
        self._take("resume", by, now, reason)
        self.record(NeedResumed(**self._step(reason)))
        if now >= self.confirm_from:
            self._confirmed(now, rules)
            self.record(NeedRenewed(**self._step(), last_confirmed=now))

    def renew(self, rules: ListingRules, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        """Confirm that it still holds; an expired one is open again. Raises Refused."""
        self._take("renew", by, now, reason)
        self._confirmed(now, rules)
        self.record(NeedRenewed(**self._step(reason), last_confirmed=now))

    def withdraw(self, by: Actor, now: datetime, reason: Reason) -> None:
        """Take it back for good. Raises Refused."""
        self._take("withdraw", by, now, reason)
        self.record(NeedWithdrawn(**self._step(reason)))

    def _expired(self) -> None:
        self.record(NeedExpired(**self._step(Reason(code="not_confirmed"))))

    def _settling_step(self, settlement: Settlement) -> str:
        return "solve"

    def _settled(self, settlement: Settlement) -> None:
        self.record(NeedSolved(**self._step(), agreement=settlement.agreement))

    def _step(self, reason: Reason | None = None) -> dict[str, Any]:
        return {"party": self.party, "title": told_title(self.content.title, self.visibility), "reason": reason}

    def _told(self) -> Mapping[str, Any]:
        content = self.content
        fields = dict(told(content, self.visibility, body="difficulty", summary=content.summary, safe=_SAFE))
        fields.pop("summary", None)
        fields.pop("audience", None)
        fields["visibility"] = self.visibility
        return {
            **fields,
            "party": self.party,
            "park": self.park,
            "channel": self.channel,
            "last_confirmed": self.last_confirmed,
        }
