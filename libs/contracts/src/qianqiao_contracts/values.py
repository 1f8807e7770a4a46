"""Value types shared by the events. All are immutable; money is integer fen, times are aware and in UTC."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from qianqiao_contracts import uscc
from qianqiao_contracts._data import limit, pattern
from qianqiao_contracts.codes import SECTORS, CodeTable


class Value(BaseModel):
    """Base of everything an event is made of: frozen, unknown fields refused, inputs kept out of error texts."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


# ---- plain values -------------------------------------------------------------------------------------------------


class _Rfc3339:
    """Reads RFC 3339 text and aware datetimes; refuses numbers, which would be a guess at seconds or milliseconds.

    Text in UTC, what nearly every event holds, is read without calling back into Python: four times as fast.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        in_utc = core_schema.chain_schema(
            [core_schema.str_schema(pattern=_BEGINS_WITH_YEAR), core_schema.datetime_schema(tz_constraint=0)]
        )
        elsewhere = core_schema.no_info_before_validator_function(
            _not_a_number,
            core_schema.no_info_after_validator_function(_to_utc, core_schema.datetime_schema(tz_constraint="aware")),
        )
        return core_schema.union_schema(
            [in_utc, elsewhere],
            mode="left_to_right",
            custom_error_type="time_not_rfc3339",
            custom_error_message="a time is written as RFC 3339 with an offset, such as 2026-09-15T01:12:00Z",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


_BEGINS_WITH_YEAR = r"^[0-9]{4}-"


def _not_a_number(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise ValueError("not a time")


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


UtcDatetime = Annotated[datetime, _Rfc3339]
"""An instant. Read with any offset (RFC 3339), kept and written in UTC; a time without an offset is refused."""


def _calendar_day(value: object) -> object:
    # pydantic would also read a number as days or seconds since 1970, and cut a time of day off where it is zero.
    if type(value) is date or (isinstance(value, str) and len(value) == len("2026-09-15")):
        return value
    raise PydanticCustomError("date_type", "a date is written as 2026-09-15")


Day = Annotated[date, BeforeValidator(_calendar_day)]
"""A day of the calendar, where it matters to the people concerned; no time of day, no time zone."""


def _valid_uscc(value: str) -> str:
    if not uscc.is_valid(value):
        raise PydanticCustomError("uscc_check_character", "the check character of the credit code is wrong")
    return value


def _unbroken(greatest: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=greatest, pattern=pattern("unbroken"))


Id = Annotated[str, _unbroken(limit("identifier.max"))]
"""An opaque identifier: no blanks, no control characters."""

CodeText = Annotated[str, _unbroken(limit("text.short"))]
"""A code of a table that may grow: read even where it is not known."""

Count = Annotated[int, Strict(), Field(ge=0, le=limit("number.max_exact_integer"))]
PositiveFen = Annotated[int, Strict(), Field(gt=0, le=limit("number.max_exact_integer"))]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Trl = Annotated[int, Strict(), Field(ge=1, le=9)]
"""Technology readiness level 1–9 (GB/T 22900)."""

UsccText = Annotated[str, StringConstraints(pattern=pattern("uscc")), AfterValidator(_valid_uscc)]
"""统一社会信用代码 with a check character that fits (GB 32100-2015)."""

Email = Annotated[str, StringConstraints(max_length=254, pattern=pattern("email"))]
"""An e-mail address, checked only so far that nothing but one address can hide in it."""

Mobile = Annotated[str, StringConstraints(pattern=pattern("mobile"))]
"""A mainland mobile number of 11 digits, or an international one with + (E.164)."""


def bounded(name: str) -> StringConstraints:
    """Constraints of a text that must say something, as long as ``text.<name>`` of data/limits.toml allows."""
    return StringConstraints(min_length=1, max_length=limit(f"text.{name}"), pattern=pattern("not_blank"))


Name = Annotated[str, bounded("name")]
Title = Annotated[str, bounded("title")]
TitleEn = Annotated[str, bounded("title_en")]
Label = Annotated[str, bounded("label")]
ShortText = Annotated[str, bounded("short")]
Keyword = Annotated[str, bounded("keyword")]
Message = Annotated[str, bounded("message")]


# ---- closed sets --------------------------------------------------------------------------------------------------


class PartyKind(StrEnum):
    """政产学研金服用: the part a party plays."""

    GOVERNMENT = "government"
    ENTERPRISE = "enterprise"
    UNIVERSITY = "university"
    INSTITUTE = "institute"
    FINANCE = "finance"
    SERVICE = "service"
    PARK = "park"
    ASSOCIATION = "association"
    USER = "user"


class Stage(StrEnum):
    """成熟度的阶段词: the stage word beside a TRL."""

    CONCEPT = "概念"
    PROTOTYPE = "样机"
    LAB_TRIAL = "小试"
    PILOT = "中试"
    MASS_PRODUCTION = "量产"


class Comparator(StrEnum):
    """比较符: how a figure compares. ≤, ≥ and between include their ends (不小于, 不低于, 以上 mean ≥)."""

    LT = "<"
    LE = "≤"
    EQ = "="
    GE = "≥"
    GT = ">"
    BETWEEN = "between"


class Level(StrEnum):
    """必须或期望: whether a constraint has to be met or is only wished."""

    MUST = "must"
    WISH = "wish"


class CooperationMode(StrEnum):
    """合作方式: how the two sides would work together."""

    COMMISSIONED_DEVELOPMENT = "委托开发"
    JOINT_DEVELOPMENT = "合作开发"
    TRANSFER = "技术转让"
    LICENCE = "技术许可"
    EQUITY = "技术入股"
    CONSULTING = "技术咨询"
    SERVICE = "技术服务"
    JOINT_PLATFORM = "联合建平台"


class Visibility(StrEnum):
    """公开范围: who may see a need or a result. What others may see is decided by the service that owns it."""

    PUBLIC = "公开"
    SUMMARY = "摘要公开"
    TARGETED = "定向"
    CONFIDENTIAL = "保密"


HIDDEN_TEXT: Final[Mapping[Visibility, str]] = MappingProxyType(
    {
        Visibility.TARGETED: "（定向发布，内容仅对指定单位可见）",
        Visibility.CONFIDENTIAL: "（保密，内容不公开）",
    }
)
"""What an event carries where its contract requires a text that strangers may not read. It says nothing of the need or
result: a reader that compares texts has to leave it out, or all that is hidden would seem alike."""


class Band(StrEnum):
    """匹配程度: how well a match fits, as people read it: 高度匹配, 较匹配, 部分匹配."""

    HIGH = "高度"
    FAIR = "较"
    PARTIAL = "部分"


class Verdict(StrEnum):
    """判定: what is known of one constraint. Unknown is neither met nor unmet."""

    MET = "met"
    NEAR = "near"
    UNMET = "unmet"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """渠道: how a person is reached."""

    EMAIL = "email"
    SMS = "sms"
    IN_APP = "in_app"


# ---- composed values ----------------------------------------------------------------------------------------------


class Sector(Value):
    """领域: a code of a sector table with its label; GB/T 4754 and strategic-industry codes under their own scheme."""

    QIANQIAO: ClassVar[str] = "qianqiao"
    GB_T_4754: ClassVar[str] = "gbt4754"
    STRATEGIC: ClassVar[str] = "sei"

    code: CodeText = Field(description="领域代码 · Code in the scheme's table; unknown codes are kept")
    label: Label | None = Field(default=None, description="名称 · What a person reads for it")
    scheme: CodeText = Field(default="qianqiao", description="代码体系 · qianqiao, gbt4754 or sei")

    @classmethod
    def of(cls, code: str) -> Self:
        """The sector of our own table with its Chinese label; a code that is not in it stands without a label."""
        return cls(code=code, label=SECTORS.label(code) if code in SECTORS else None)


class Money(Value):
    """金额: an amount in fen (分), at least one; "to be negotiated" and "not disclosed" are absence, never 0."""

    fen: PositiveFen = Field(description="金额（分） · Amount in fen")


class MoneyRange(Value):
    """金额区间: a range of money in fen, open on the side that is absent. At least one side is there."""

    min_fen: PositiveFen | None = Field(default=None, description="下限（分） · Lower bound in fen, included")
    max_fen: PositiveFen | None = Field(default=None, description="上限（分） · Upper bound in fen, included")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_fen is None and self.max_fen is None:
            raise PydanticCustomError("money_range_empty", "give a lower bound, an upper bound or both")
        if self.min_fen is not None and self.max_fen is not None and self.min_fen > self.max_fen:
            raise PydanticCustomError("money_range_reversed", "the lower bound is above the upper bound")
        return self


class Maturity(Value):
    """成熟度: a TRL, a stage word, or both."""

    trl: Trl | None = Field(default=None, description="技术就绪度 1–9 · Technology readiness level")
    stage: Stage | None = Field(default=None, description="阶段 · Stage word")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.trl is None and self.stage is None:
            raise PydanticCustomError("maturity_empty", "give a TRL, a stage or both")
        return self


class Figure(Value):
    """指标: a technical figure with its comparator and unit. Without a number it says nothing and is refused."""

    name: Label = Field(description="指标名称 · What is measured")
    comparator: Comparator = Field(description="比较符 · ≤, ≥ and between include their ends")
    value: Number = Field(description="数值；区间时为下限 · The number; the lower end of a range")
    value_to: Number | None = Field(default=None, description="区间上限，仅用于 between · Upper end, with between only")
    unit: Annotated[str, StringConstraints(max_length=limit("text.unit"))] = Field(
        default="", description="单位，无量纲时为空 · Unit as written; empty for a plain number"
    )
    tolerance: Annotated[Number, Field(ge=0)] | None = Field(
        default=None, description="允差，与数值同单位 · Tolerance in the same unit"
    )
    test_method: Label | None = Field(default=None, description="测试方法 · How it is tested")

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.comparator is not Comparator.BETWEEN:
            if self.value_to is not None:
                raise PydanticCustomError("value_to_without_between", "value_to belongs to between only")
        elif self.value_to is None:
            raise PydanticCustomError("between_needs_value_to", "between needs value and value_to")
        elif self.value_to <= self.value:
            raise PydanticCustomError("between_reversed", "value_to must be greater than value")
        return self


class Constraint(Figure):
    """技术指标: what a need asks for, to be met or only wished."""

    level: Level = Field(default=Level.MUST, description="必须或期望 · Has to be met, or wished")


class Measured(Figure):
    """实测指标: what a result was measured to reach."""

    comparator: Comparator = Field(default=Comparator.EQ, description="比较符 · How the measured figure stands")


class Reason(Value):
    """原因: a coded reason with optional text. Every reader of the event reads it: nothing private in it."""

    code: CodeText = Field(description="原因代码 · Code; one that is not known is shown as it is")
    text: Annotated[str, bounded("reason")] | None = Field(default=None, description="说明 · Text beside the code")


def coded_by(codes: CodeTable) -> Callable[[Reason], Reason]:
    """A validator for a reason of this table: a code that says too little alone needs a text. Unknown codes pass."""

    def check(reason: Reason) -> Reason:
        entry = codes.codes.get(reason.code)
        if entry is not None and entry.text_required and reason.text is None:
            raise PydanticCustomError("reason_text_missing", "this reason code needs a text beside it")
        return reason

    return check


class Evidence(Value):
    """佐证: what shows that something was done: a statement, and the digest of a document kept elsewhere."""

    text: Annotated[str, bounded("evidence")] = Field(description="说明 · What it shows")
    digest: CodeText | None = Field(default=None, description="文件摘要 sha256:… · Digest of the document")


def within(name: str) -> object:
    """The greatest length of a list, ``list.<name>`` of data/limits.toml."""
    return Field(max_length=limit(f"list.{name}"))


Sectors = Annotated[tuple[Sector, ...], within("sectors")]
Keywords = Annotated[tuple[Keyword, ...], within("keywords")]
KeywordsEn = Annotated[tuple[Annotated[str, bounded("keyword_en")], ...], within("keywords")]
Modes = Annotated[tuple[CooperationMode, ...], within("modes")]
Reasons = Annotated[tuple[Reason, ...], within("reasons")]
EvidenceList = Annotated[tuple[Evidence, ...], within("evidence")]
PartyIds = Annotated[tuple[Id, ...], Field(min_length=1, max_length=limit("list.parties"))]
