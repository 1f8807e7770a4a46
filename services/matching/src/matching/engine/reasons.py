"""Why a pair fits and what is missing, in Chinese and English, as the contract carries it."""

from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from qianqiao_contracts import (
    SECTORS,
    ConstraintCheck,
    MatchGap,
    MatchReason,
    NeedContent,
    ResultContent,
    Verdict,
    Visibility,
)

from matching.engine.engine import Ranked
from matching.engine.items import Item
from matching.engine.phrases import Coverage, Phrase, asked, coverage
from matching.engine.tables import table

_FIELDS: Final = {
    "title": ("标题", "title"),
    "keywords": ("关键词", "keywords"),
    "body": ("正文", "text"),
}
_OPEN: Final = frozenset({Visibility.PUBLIC, Visibility.SUMMARY})
_TEXT: Final = 400
_TOPIC: Final = table("weights")["topic"]
_FRESH_DAYS: Final[int] = table("weights")["freshness"]["days"]
_SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
_MOST: Final = 20


def may_quote(need: NeedContent, result: ResultContent) -> bool:
    """Tell whether texts of the two may be quoted in an event that every service reads."""
    return need.visibility in _OPEN and result.visibility in _OPEN


def explain(
    need: NeedContent,
    need_item: Item,
    result: ResultContent,
    result_item: Item,
    checks: tuple[ConstraintCheck, ...],
    ranked: Ranked | None = None,
) -> tuple[tuple[MatchReason, ...], tuple[MatchGap, ...]]:
    """Return the reasons and the gaps of a pair. The shares named in the reasons add up to the coverage named first.

    `ranked` is the result as it was ranked for the need: its score is what is explained. Without it both are analysed
    with the shipped model. Where one side is not open, nothing of its text is quoted. Raises IndexDamagedError.
    """
    covered = _covered(need_item, result_item, ranked)
    quote = may_quote(need, result)
    reasons = [_summary(covered)]
    if ranked is not None and ranked.score.cosine >= _TOPIC["least_cosine"] > covered.total:
        reasons.append(_SAME_TOPIC)
    if quote:
        reasons += [_phrase(phrase) for phrase in covered.phrases]
    reasons += [MatchReason(kind=kind, text_zh=zh, text_en=en) for kind, zh, en in _facets(need, result)]
    reasons += _met(checks, quote)
    if ranked is not None and ranked.alike:
        reasons.append(_alike(ranked.alike))
    gaps = [_missing(phrase) for phrase in covered.missing] if quote else []
    gaps += _not_met(checks, quote)
    gaps += [MatchGap(kind=kind, text_zh=zh, text_en=en) for kind, zh, en in _facet_gaps(need, result)]
    return tuple(reasons[:_MOST]), tuple(gaps[:_MOST])


def _covered(need: Item, result: Item, ranked: Ranked | None) -> Coverage:
    if ranked is None or ranked.scoring is None:
        return coverage(need, result)
    model, vector = ranked.scoring
    return asked(need, model, vector).coverages([ranked.vector], [result])[0]


_SAME_TOPIC: Final = MatchReason(
    kind="topic",
    text_zh="主题相近（语义），用词少有相同。",
    text_en="Close in topic (by meaning), with few words in common.",
)


def _alike(number: int) -> MatchReason:
    others = "result says" if number == 1 else "results say"
    return MatchReason(
        kind="alike",
        text_zh=f"另有 {number} 项成果几乎相同。",
        text_en=f"{number} other {others} almost the same (near-identical).",
    )


def percent(share: float) -> str:
    """Return a share as people read it, one decimal place below ten percent."""
    return f"{share * 100:.1f}%" if share < 0.1 else f"{share * 100:.0f}%"


def _summary(covered: Coverage) -> MatchReason:
    named = sum(phrase.share for phrase in covered.phrases)
    return MatchReason(
        kind="phrase",
        text_zh=f"成果覆盖了需求信息的 {percent(covered.total)}，"
        f"其中主要表述 {percent(named)}，其余共同用语 {percent(covered.rest)}。",
        text_en=f"The result covers {percent(covered.total)} of what the need says: "
        f"{percent(named)} by the main phrases, {percent(covered.rest)} by other shared words.",
    )


def _phrase(phrase: Phrase) -> MatchReason:
    zh, en = _FIELDS[phrase.field]
    return MatchReason(
        kind="phrase",
        text_zh=f"“{phrase.text[:_TEXT]}”见于成果{zh}，占需求信息的 {percent(phrase.share)}。",
        text_en=f"“{phrase.text[:_TEXT]}” in the result's {en}: {percent(phrase.share)} of what the need says.",
        evidence_need=phrase.evidence_need,
        evidence_result=phrase.evidence_result,
    )


def _missing(phrase: Phrase) -> MatchGap:
    return MatchGap(
        kind="term",
        text_zh=f"成果未提到“{phrase.text[:_TEXT]}”（占需求信息的 {percent(phrase.share)}）。",
        text_en=f"The result does not mention “{phrase.text[:_TEXT]}” ({percent(phrase.share)} of what the need says).",
    )


def _facets(need: NeedContent, result: ResultContent) -> Iterator[tuple[str, str, str]]:
    shared = {(sector.scheme, sector.code) for sector in need.sectors} & {
        (sector.scheme, sector.code) for sector in result.sectors
    }
    for _, code in sorted(shared)[:2]:
        yield "sector", f"领域一致：{SECTORS.label(code)}。", f"Same sector: {SECTORS.label(code, 'en')}."
    if need.trl_wanted is not None and result.maturity.trl is not None and result.maturity.trl >= need.trl_wanted:
        have, want = result.maturity.trl, need.trl_wanted
        yield "trl", f"技术就绪度 {have} ≥ 期望 {want}。", f"TRL {have} ≥ the {want} wished."
    modes = [mode.value for mode in need.modes if mode in result.modes]
    if modes:
        yield "mode", f"合作方式相合：{'、'.join(modes)}。", f"Modes of cooperation in common: {', '.join(modes)}."
    if _fen(need) is not None and _asked(result) is not None and (_asked(result) or 0) <= (_fen(need) or 0):
        yield "price", "要价在预算之内。", "The price asked is within the budget."
    if (need.last_confirmed - result.last_confirmed).days <= _FRESH_DAYS:
        day = result.last_confirmed.astimezone(_SHANGHAI).date().isoformat()
        yield "freshness", f"成果于 {day} 确认有效。", f"The result was confirmed on {day}."


def _facet_gaps(need: NeedContent, result: ResultContent) -> Iterator[tuple[str, str, str]]:
    have, want = result.maturity.trl, need.trl_wanted
    if want is not None and have is not None and have < want:
        yield "trl", f"技术就绪度 {have}，低于期望的 {want}。", f"TRL {have}, below the {want} wished."
    if need.modes and result.modes and not set(need.modes) & set(result.modes):
        yield "mode", "双方列出的合作方式没有交集。", "The modes of cooperation listed have nothing in common."
    budget, asked = _fen(need), _asked(result)
    if budget is not None and asked is not None and asked > budget:
        yield "price", "要价高于预算。", "The price asked is above the budget."
    if (days := (need.last_confirmed - result.last_confirmed).days) > _FRESH_DAYS:
        months = round(days / 30.4)
        yield (
            "freshness",
            f"成果比需求早约 {months} 个月确认，可能已有变化。",
            f"The result was last confirmed about {months} months before the need and may have changed.",
        )


def _fen(need: NeedContent) -> int | None:
    return need.budget.max_fen if need.budget else None


def _asked(result: ResultContent) -> int | None:
    return result.price.min_fen if result.price else None


def _met(checks: tuple[ConstraintCheck, ...], quote: bool) -> list[MatchReason]:
    met = [check for check in checks if check.verdict is Verdict.MET]
    if not quote and met:
        return [
            MatchReason(
                kind="constraint",
                text_zh=f"{len(met)} 项技术指标满足。",
                text_en=f"{len(met)} technical constraints are met.",
            )
        ]
    return [
        MatchReason(
            kind="constraint",
            text_zh=f"指标“{check.name}”满足：要求 {check.need}，成果 {check.result}{_converted(check, '（', '）')}。",
            text_en=f"“{check.name}” is met: asked {check.need}, shown {check.result}{_converted(check, ' (', ')')}.",
            evidence_need=check.evidence_need,
            evidence_result=check.evidence_result,
        )
        for check in met
    ]


def _converted(check: ConstraintCheck, opening: str, closing: str) -> str:
    return f"{opening}{check.conversion}{closing}" if check.conversion else ""


_WORDS: Final = {
    Verdict.NEAR: ("接近", "is nearly met"),
    Verdict.UNMET: ("不满足", "is not met"),
    Verdict.UNKNOWN: ("未知", "is unknown"),
}


def _not_met(checks: tuple[ConstraintCheck, ...], quote: bool) -> list[MatchGap]:
    return [
        _gap(check) if quote else _hidden_gap(check.verdict) for check in checks if check.verdict is not Verdict.MET
    ]


def _gap(check: ConstraintCheck) -> MatchGap:
    zh, en = _WORDS[check.verdict]
    shown_zh = f"{check.result or '未说明'}{_converted(check, '（', '）')}"
    shown_en = f"{check.result or 'not stated'}{_converted(check, ' (', ')')}"
    return MatchGap(
        kind="constraint",
        text_zh=f"指标“{check.name}”{zh}：要求 {check.need}，成果 {shown_zh}。{check.note_zh or ''}",
        text_en=f"“{check.name}” {en}: asked {check.need}, shown {shown_en}. {check.note_en or ''}".strip(),
    )


def _hidden_gap(verdict: Verdict) -> MatchGap:
    zh, en = _WORDS[verdict]
    return MatchGap(kind="constraint", text_zh=f"指标{zh}。", text_en=f"A technical constraint {en}.")
