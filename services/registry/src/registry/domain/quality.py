"""How complete and how definite a need is: a score from 0 to 100 that is explained line by line and gates nothing."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Points = Annotated[int, Field(ge=0, le=100)]
Part = Literal["completeness", "indicators", "problem", "base", "budget", "necessity", "consistency"]
CoreField = Literal["title", "difficulty", "constraints", "current_state", "goal", "due", "budget", "keywords"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CountStep(_Table):
    """From `from` things upwards, `points`."""

    at_least: int = Field(alias="from", ge=0)
    points: Points


class LengthStep(_Table):
    """`points` where the difficulty or all describing text reaches this many characters."""

    difficulty: int
    detail: int
    points: Points


class BudgetStep(_Table):
    """From this budget upwards (fen), `points`."""

    from_fen: int
    points: Points


class WordGroup(_Table):
    """Words that show one kind of existing base."""

    zh: str
    en: str
    words: tuple[str, ...]


class CompletenessRule(_Table):
    """Core fields and what each is worth."""

    max: Points
    points_each: Points
    fields: tuple[CoreField, ...]


class IndicatorRule(_Table):
    """How many number-and-unit pairs are worth what; units recognised in running text."""

    max: Points
    steps: tuple[CountStep, ...]
    units: tuple[str, ...]


class ProblemRule(_Table):
    """How much description is worth what."""

    max: Points
    steps: tuple[LengthStep, ...]


class BaseRule(_Table):
    """Which kinds of existing base count, and how many are worth what."""

    max: Points
    steps: tuple[CountStep, ...]
    groups: tuple[WordGroup, ...]


class BudgetRule(_Table):
    """What a stated budget is worth."""

    max: Points
    steps: tuple[BudgetStep, ...]


class NecessityRule(_Table):
    """Words that show why research is needed, and words of a bare purchase."""

    max: Points
    strong: Points
    purchase: Points
    neutral: Points
    strong_words: tuple[str, ...]
    purchase_words: tuple[str, ...]


class ConsistencyRule(_Table):
    """What vague words and a very short text take away."""

    max: Points
    per_vague_word: Points
    short_text: Points
    short_text_below: int
    vague_words: tuple[str, ...]


class Route(_Table):
    """What a total of at least `from` suggests doing next."""

    at_least: int = Field(alias="from")
    code: str
    zh: str
    en: str


class QualityRules(_Table):
    """Weights, steps and word lists; see data/need_quality.toml."""

    version: str
    source: str
    completeness: CompletenessRule
    indicators: IndicatorRule
    problem: ProblemRule
    base: BaseRule
    budget: BudgetRule
    necessity: NecessityRule
    consistency: ConsistencyRule
    routes: tuple[Route, ...]


@dataclass(frozen=True, kw_only=True)
class Description:
    """What of a need the score looks at. `indicators` counts structured constraints; 0 fen: no budget stated."""

    title: str
    difficulty: str
    current_state: str = ""
    goal: str = ""
    indicators: int = 0
    budget_fen: int = 0
    keywords: int = 0
    due: bool = False

    @property
    def detail(self) -> str:
        """All describing text, one part per line."""
        return "\n".join((self.difficulty, self.current_state, self.goal))

    def states(self, field: CoreField) -> bool:
        """Tell whether the field is filled in."""
        given: dict[CoreField, object] = {
            "title": self.title,
            "difficulty": self.difficulty,
            "current_state": self.current_state,
            "goal": self.goal,
            "constraints": self.indicators,
            "due": self.due,
            "budget": self.budget_fen,
            "keywords": self.keywords,
        }
        value = given[field]
        return bool(value.strip() if isinstance(value, str) else value)


class QualityLine(BaseModel):
    """One part of the score: what was reached of what is possible, why, and what would raise it."""

    model_config = ConfigDict(frozen=True)

    part: Part
    points: int
    max: int
    zh: str
    en: str
    hint_zh: str | None = None
    hint_en: str | None = None


class NeedQuality(BaseModel):
    """The whole score with its lines, the suggested route, and the version of the rules that gave it."""

    model_config = ConfigDict(frozen=True)

    score: int
    route: str
    route_zh: str
    route_en: str
    lines: tuple[QualityLine, ...]
    rules: str


_FIELD_NAMES: dict[CoreField, tuple[str, str]] = {
    "title": ("需求名称", "title"),
    "difficulty": ("主要技术难点", "main difficulty"),
    "constraints": ("技术指标", "technical indicators"),
    "current_state": ("现状与已做尝试", "current state and what was tried"),
    "goal": ("预期目标", "goal"),
    "due": ("完成时间", "due date"),
    "budget": ("预算", "budget"),
    "keywords": ("关键词", "keywords"),
}


def assess(need: Description, rules: QualityRules) -> NeedQuality:
    """Score a need. The same need under the same rules always gives the same lines."""
    parts: tuple[Callable[[Description, QualityRules], QualityLine], ...] = (
        _completeness,
        _indicators,
        _problem,
        _base,
        _budget,
        _necessity,
        _consistency,
    )
    lines = tuple(part(need, rules) for part in parts)
    score = sum(line.points for line in lines)
    route = next(route for route in rules.routes if score >= route.at_least)
    return NeedQuality(
        score=score, route=route.code, route_zh=route.zh, route_en=route.en, lines=lines, rules=rules.version
    )


def _line(part: Part, points: int, most: int, told: tuple[str, str], hint: tuple[str, str]) -> QualityLine:
    """Build a line; the hint is left out where nothing can be gained any more."""
    hinted = points < most
    return QualityLine(
        part=part,
        points=points,
        max=most,
        zh=told[0],
        en=told[1],
        hint_zh=hint[0] if hinted else None,
        hint_en=hint[1] if hinted else None,
    )


def _reached(count: int, steps: Sequence[CountStep]) -> int:
    return max((step.points for step in steps if count >= step.at_least), default=0)


def _completeness(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.completeness
    missing = [_FIELD_NAMES[field] for field in rule.fields if not need.states(field)]
    filled = len(rule.fields) - len(missing)
    return _line(
        "completeness",
        min(rule.max, filled * rule.points_each),
        rule.max,
        (f"核心栏目填写 {filled}/{len(rule.fields)}", f"{filled} of {len(rule.fields)} core fields are filled in"),
        ("请补充：" + "、".join(zh for zh, _ in missing), "add: " + ", ".join(en for _, en in missing)),
    )


def _indicators(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.indicators
    count = max(need.indicators, len(measured_values(need.detail, rule.units)))
    return _line(
        "indicators",
        min(rule.max, _reached(count, rule.steps)),
        rule.max,
        (f"带数值和单位的指标 {count} 项", f"{count} indicators with a number and a unit"),
        ("请写明数值、单位和测试方法", "state number, unit and test method of each indicator"),
    )


def measured_values(text: str, units: Sequence[str]) -> frozenset[str]:
    """Return the different number-and-unit pairs of a text, as written, without spaces.

    The longest unit wins ("mm" before "m"); a Latin unit must not run on into further letters.
    """
    longest_first = sorted(units, key=len, reverse=True)
    alternatives = "|".join(re.escape(unit) for unit in longest_first)
    pattern = re.compile(rf"(\d+(?:\.\d+)?)\s*({alternatives})(?![A-Za-z])")
    return frozenset(number + unit for number, unit in pattern.findall(text))


def _problem(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.problem
    difficulty, detail = len(need.difficulty.strip()), len(need.detail.strip())
    points = max(
        (step.points for step in rule.steps if difficulty >= step.difficulty or detail >= step.detail), default=0
    )
    return _line(
        "problem",
        min(rule.max, points),
        rule.max,
        (
            f"难点描述 {difficulty} 字，全部说明 {detail} 字",
            f"{difficulty} characters on the difficulty, {detail} in all",
        ),
        ("请说明卡在哪里、试过什么、为何不行", "say where it is stuck, what was tried and why that failed"),
    )


def _base(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.base
    text = need.title + "\n" + need.detail
    named = [group for group in rule.groups if _found(group.words, text)]
    missing = [group for group in rule.groups if group not in named]
    zh = "、".join(group.zh for group in named) or "无"
    en = ", ".join(group.en for group in named) or "nothing"
    return _line(
        "base",
        min(rule.max, _reached(len(named), rule.steps)),
        rule.max,
        (f"已提到的现有基础：{zh}", f"existing base that is mentioned: {en}"),
        (
            "可补充：" + "、".join(group.zh for group in missing),
            "could be added: " + ", ".join(group.en for group in missing),
        ),
    )


def _found(words: Sequence[str], text: str) -> list[str]:
    return [word for word in words if word in text]


def _budget(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.budget
    points = max((step.points for step in rule.steps if need.budget_fen >= step.from_fen), default=0)
    yuan = need.budget_fen / 100
    stated = (f"预算 {yuan:,.0f} 元", f"a budget of CNY {yuan:,.0f}")
    return _line(
        "budget",
        min(rule.max, points),
        rule.max,
        stated if need.budget_fen else ("未写明预算", "no budget is stated"),
        ("给出预算范围有助于判断可行的合作方式", "a budget range helps to judge which cooperation is feasible"),
    )


def _necessity(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.necessity
    text = need.title + "\n" + need.detail
    strong, bare = _found(rule.strong_words, text), _found(rule.purchase_words, text)
    hint = ("请说明为何市面现有产品或技术不能满足", "say why what can be bought today does not do")
    if strong:
        told = ("说明了研发必要性：" + "、".join(strong), "says why research is needed: " + ", ".join(strong))
        return _line("necessity", min(rule.max, rule.strong), rule.max, told, hint)
    if bare:
        told = (
            "更像采购，可能已有成熟技术：" + "、".join(bare),
            "reads like a purchase; mature technology may exist: " + ", ".join(bare),
        )
        return _line("necessity", min(rule.max, rule.purchase), rule.max, told, hint)
    told = ("未说明研发的必要性", "does not say why research is needed")
    return _line("necessity", min(rule.max, rule.neutral), rule.max, told, hint)


def _consistency(need: Description, rules: QualityRules) -> QualityLine:
    rule = rules.consistency
    text = need.title + "\n" + need.detail
    vague = _found(rule.vague_words, text)
    short = len(need.detail.strip()) < rule.short_text_below
    points = max(0, rule.max - rule.per_vague_word * len(vague) - (rule.short_text if short else 0))
    zh = "、".join(filter(None, ["、".join(vague), "文字过短" if short else ""])) or "无含糊表述"
    en = ", ".join(filter(None, [", ".join(vague), "the text is very short" if short else ""])) or "no vague wording"
    return _line(
        "consistency",
        points,
        rule.max,
        (zh, en),
        ("请用数值代替含糊的说法", "replace vague words by numbers"),
    )
