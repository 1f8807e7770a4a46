"""What a person should look at in a result before relying on it. Remarks never refuse anything."""

import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_contracts import Maturity

from registry.domain.text import comparable


class RemarkRules(BaseModel):
    """Limits and patterns; see data/result_checks.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    short_summary_below: int = Field(ge=1)
    placeholder_titles: tuple[str, ...]
    trl_far_from_median: int = Field(ge=1)
    trl_median: Mapping[str, int]


class Remark(BaseModel):
    """One remark: a stable code, the field, and the sentence in both languages."""

    model_config = ConfigDict(frozen=True)

    code: str
    path: str
    zh: str
    en: str


def remarks(title: str, summary: str, maturity: Maturity | None, rules: RemarkRules) -> tuple[Remark, ...]:
    """Return everything worth a second look, in a fixed order."""
    return (*_text_remarks(title, summary, rules), *_maturity_remarks(maturity, rules))


def _text_remarks(title: str, summary: str, rules: RemarkRules) -> Iterator[Remark]:
    if any(re.search(pattern, title.strip(), re.IGNORECASE) for pattern in rules.placeholder_titles):
        yield Remark(
            code="placeholder-title",
            path="title",
            zh="名称像占位文字，请写明是什么技术。",
            en="The title reads like a placeholder: say which technology it is.",
        )
    if comparable(title) == comparable(summary):
        yield Remark(
            code="summary-repeats-title",
            path="summary",
            zh="简介与名称相同，等于没有简介。",
            en="The summary only repeats the title.",
        )
    elif len(summary.strip()) < rules.short_summary_below:
        yield Remark(
            code="short-summary",
            path="summary",
            zh=f"简介不足 {rules.short_summary_below} 字，难以判断是否适用。",
            en=f"A summary below {rules.short_summary_below} characters hardly shows what it is good for.",
        )


def _maturity_remarks(maturity: Maturity | None, rules: RemarkRules) -> Iterator[Remark]:
    if maturity is None or maturity.trl is None or maturity.stage is None:
        return
    usual = rules.trl_median.get(maturity.stage)
    if usual is not None and abs(maturity.trl - usual) >= rules.trl_far_from_median:
        yield Remark(
            code="trl-and-stage-disagree",
            path="maturity",
            zh=f"“{maturity.stage}”阶段通常对应 TRL {usual} 左右，而填写的是 {maturity.trl}，请核对。",
            en=f'Stage "{maturity.stage}" usually goes with about TRL {usual}, not {maturity.trl}: please check.',
        )
