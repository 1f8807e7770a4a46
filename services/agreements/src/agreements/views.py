"""What callers are shown of an agreement."""

from collections.abc import Mapping
from datetime import date, datetime

from pydantic import BaseModel, Field
from qianqiao_contracts import AGREEMENT_ROLES, AgreementKind, Money, Origin

from agreements.domain.agreement import STATE_LABELS, Agreement, LogEntry, State, Termination
from agreements.domain.tables import Label
from agreements.domain.terms import Signatory
from agreements.tables import Tables


class SideView(BaseModel):
    """One party of an agreement, with its signature once given."""

    party: str
    name: str | None = Field(description="单位名称；尚未知晓时为空 · Its name, null while not known here")
    role: str = Field(description="角色代码 · Role code")
    role_label: Label
    signed_by: str | None
    signed_at: datetime | None
    digest: str | None = Field(description="签署时的文本摘要 · Digest of what was signed")

    @classmethod
    def of(cls, side: Signatory, names: Mapping[str, str]) -> "SideView":
        """Show one side."""
        label = Label(zh=AGREEMENT_ROLES.label(side.role), en=AGREEMENT_ROLES.label(side.role, "en"))
        return cls(**side.model_dump(exclude={"side"}), name=names.get(side.party), role_label=label)


class ClauseView(BaseModel):
    """A clause that technical contracts usually have and this text seems to lack."""

    code: str
    zh: str
    en: str


class MissingClauses(BaseModel):
    """The missing-clause list: a reminder found by keywords, never a condition for signing."""

    source: str
    note: Label
    missing: list[ClauseView]


class AgreementSummary(BaseModel):
    """An agreement in a list: everything but the text."""

    id: str
    revision: int
    origin: Origin
    state: State
    state_label: Label
    kind: AgreementKind
    kind_label: Label
    title: str
    parties: list[SideView]
    waiting_for: list[str] = Field(description="尚待其签署或确认履行的单位 · Parties that have yet to sign or confirm")
    amount: Money | None = Field(description="金额；空表示未披露 · Amount; null: not disclosed")
    tech_amount: Money | None = Field(description="技术交易额；空表示未披露 · Its technology part")
    contract_value: Money | None = Field(
        description="计入合同成交额；意向和未签署的为空 · What it adds to contract value"
    )
    technology_value: Money | None = Field(description="计入技术交易额 · What it adds to technology transaction value")
    starts: date | None
    ends: date | None
    digest: str = Field(description="当前文本与条款的 SHA-256 摘要，签署时须原样提交 · To be sent when signing")
    drafted_at: datetime


class AgreementView(AgreementSummary):
    """An agreement whole."""

    text: str = Field(description="协议正文，以此为准 · The exact text; this is what is signed")
    text_en: str | None = Field(description="英文参考译文，仅限未改动的自动草稿 · Reading copy of an untouched draft")
    missing_clauses: MissingClauses | None = Field(description="缺项提示，仅限技术合同 · For technical contracts only")
    termination: Termination | None
    log: list[LogEntry]


class RevisedView(AgreementView):
    """A revised agreement, and whose signatures the revision voided."""

    voided_signatures: list[SideView]


def summary(agreement: Agreement, names: Mapping[str, str], tables: Tables) -> AgreementSummary:
    """Show an agreement in a list."""
    terms = agreement.terms
    value, technology_value = agreement.contract_value()
    return AgreementSummary(
        id=agreement.id,
        revision=agreement.revision,
        origin=agreement.origin,
        state=agreement.state,
        state_label=STATE_LABELS[agreement.state],
        kind=terms.kind,
        kind_label=Label(zh=terms.kind, en=tables.kinds.of(terms.kind).en),
        title=terms.title,
        parties=[SideView.of(side, names) for side in agreement.parties],
        waiting_for=list(agreement.waiting_for()),
        amount=terms.amount,
        tech_amount=terms.tech_amount,
        contract_value=value,
        technology_value=technology_value,
        starts=terms.starts,
        ends=terms.ends,
        digest=agreement.digest,
        drafted_at=agreement.drafted_at,
    )


def whole(agreement: Agreement, names: Mapping[str, str], tables: Tables) -> AgreementView:
    """Show an agreement whole."""
    source = agreement.from_template
    return AgreementView(
        **dict(summary(agreement, names, tables)),
        text=agreement.terms.text,
        text_en=source.text_en if source else None,
        missing_clauses=_missing(agreement, tables),
        termination=agreement.termination,
        log=list(agreement.log),
    )


def revised(
    agreement: Agreement, voided: tuple[Signatory, ...], names: Mapping[str, str], tables: Tables
) -> RevisedView:
    """Show a revised agreement with the signatures that fell."""
    return RevisedView(
        **dict(whole(agreement, names, tables)), voided_signatures=[SideView.of(side, names) for side in voided]
    )


def _missing(agreement: Agreement, tables: Tables) -> MissingClauses | None:
    if not tables.kinds.of(agreement.terms.kind).technical:
        return None
    clauses = tables.clauses
    return MissingClauses(
        source=clauses.source,
        note=Label(zh=clauses.note_zh, en=clauses.note_en),
        missing=[ClauseView(code=row.code, zh=row.zh, en=row.en) for row in clauses.missing_in(agreement.terms.text)],
    )
