"""agreements.agreements: what two or more parties agree. The subject is the agreement's id."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from qianqiao_contracts._data import limit
from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import CodeText, Day, Id, Money, Reason, Title, UtcDatetime, Value

AGREEMENTS = TOPICS["agreements.agreements"]


class AgreementKind(StrEnum):
    """协议类别: intents and confidentiality, and the kinds of technology contract of the Civil Code."""

    INTENT = "意向"
    NDA = "NDA"
    DEVELOPMENT = "技术开发"
    TRANSFER = "技术转让"
    LICENCE = "技术许可"
    CONSULTING = "技术咨询"
    SERVICE = "技术服务"


class OriginKind(StrEnum):
    """来源类别: what an agreement grew from."""

    MATCH = "match"
    CHALLENGE = "challenge"
    SALON = "salon"
    DIRECT = "direct"


class Origin(Value):
    """来源: what an agreement grew from; only a direct one has nothing to point to."""

    kind: OriginKind = Field(description="来源类别 · Kind")
    id: Id | None = Field(default=None, description="来源标识 · Id of the match, challenge or salon")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.kind is not OriginKind.DIRECT and self.id is None:
            raise PydanticCustomError("origin_without_id", "an origin other than direct needs its id")
        return self


class Signatory(Value):
    """签约方: a party of an agreement, with its signature once it signed."""

    party: Id = Field(description="主体标识 · Party")
    role: CodeText = Field(description="角色，代码见 agreement_role · Role")
    signed_by: Id | None = Field(default=None, description="签署人（账号标识） · Account of the person who signed")
    signed_at: UtcDatetime | None = Field(default=None, description="签署时间 · When")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.signed_by is None) != (self.signed_at is None):
            raise PydanticCustomError("signature_incomplete", "signed_by and signed_at are given together")
        return self


class AgreementContent(EventData):
    """The terms of an agreement as far as others may know them; every event of it carries them."""

    origin: Origin = Field(description="来源 · What it grew from")
    need: Id | None = Field(default=None, description="所涉需求 · Need it is about")
    result: Id | None = Field(default=None, description="所涉成果 · Result it is about")
    kind: AgreementKind = Field(description="协议类别 · Kind")
    title: Title = Field(description="协议名称 · Title")
    parties: Annotated[tuple[Signatory, ...], Field(min_length=2, max_length=limit("list.parties"))] = Field(
        description="各方 · Parties"
    )
    amount: Money | None = Field(default=None, description="合同成交额，未披露时缺 · Contract value, if disclosed")
    tech_amount: Money | None = Field(default=None, description="其中技术交易额 · Of it, the value of the technology")
    starts: Day | None = Field(default=None, description="起始日 · First day")
    ends: Day | None = Field(default=None, description="终止日 · Last day")
    digest: CodeText = Field(description="协议文本与条款摘要 · Digest of the exact text and terms")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tech_amount is not None and (self.amount is None or self.tech_amount.fen > self.amount.fen):
            raise PydanticCustomError("tech_amount_above_amount", "the technology value is part of the contract value")
        if self.starts is not None and self.ends is not None and self.ends < self.starts:
            raise PydanticCustomError("period_reversed", "the period ends before it begins")
        if len({signatory.party for signatory in self.parties}) < len(self.parties):
            raise PydanticCustomError("party_twice", "a party stands in the list once")
        return self


class AgreementDrafted(AgreementContent):
    """There is a text to agree on."""

    event_type: ClassVar[str] = "qianqiao.AgreementDrafted.v1"
    topic: ClassVar[Topic] = AGREEMENTS
    zh: ClassVar[str] = "协议已起草"


class AgreementSigned(AgreementContent):
    """Every party signed the same text."""

    event_type: ClassVar[str] = "qianqiao.AgreementSigned.v1"
    topic: ClassVar[Topic] = AGREEMENTS
    zh: ClassVar[str] = "各方均已签署"

    @model_validator(mode="after")
    def _all_signed(self) -> Self:
        if any(signatory.signed_by is None for signatory in self.parties):
            raise PydanticCustomError("signature_missing", "an agreement is signed when every party signed it")
        return self


class AgreementAmended(AgreementContent):
    """The text or the terms changed; signatures given to the former text no longer count."""

    event_type: ClassVar[str] = "qianqiao.AgreementAmended.v1"
    topic: ClassVar[Topic] = AGREEMENTS
    zh: ClassVar[str] = "协议已修改，此前签署失效"

    voided: Annotated[tuple[Id, ...], Field(max_length=limit("list.parties"))] = Field(
        default=(), description="签署失效的主体 · Parties whose signature no longer counts"
    )


class AgreementTerminated(AgreementContent):
    """An agreement ended before it was performed, or was cancelled before it was signed."""

    event_type: ClassVar[str] = "qianqiao.AgreementTerminated.v1"
    topic: ClassVar[Topic] = AGREEMENTS
    zh: ClassVar[str] = "协议已终止"

    party: Id | None = Field(default=None, description="提出终止的主体 · Party that ended it")
    reason: Reason = Field(description="原因 · Why")


class AgreementPerformed(AgreementContent):
    """What was agreed is done."""

    event_type: ClassVar[str] = "qianqiao.AgreementPerformed.v1"
    topic: ClassVar[Topic] = AGREEMENTS
    zh: ClassVar[str] = "协议已履行完毕"
