"""What to ask the result's holder where a check is unknown: two lines, in Chinese and English."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, Field
from qianqiao_contracts import ConstraintCheck, Verdict

_FOR_THE_NEED: Final = frozenset({"contradictory"})
"""Notes of checks that the need's side has to clear up."""


class Question(BaseModel):
    """A question for the result's holder about one constraint."""

    name: str = Field(description="指标名称 · What is measured")
    zh: str = Field(description="中文问句，两行 · In Chinese, two lines")
    en: str = Field(description="英文问句，两行 · In English, two lines")


def questions(checks: Sequence[ConstraintCheck]) -> tuple[Question, ...]:
    """Return a question for every check that is unknown because of the result, in their order."""
    return tuple(
        _question(check) for check in checks if check.verdict is Verdict.UNKNOWN and check.note not in _FOR_THE_NEED
    )


def _question(check: ConstraintCheck) -> Question:
    wish_zh, wish_en = ("希望", "wishes") if check.level == "wish" else ("要求", "asks for")
    if check.result is None:
        known_zh, known_en = "贵方成果未给出此项数值。", "Your result states no figure for it."
    else:
        known_zh, known_en = f"贵方成果写明 {check.result}。", f"Your result states {check.result}."
    zh = (
        f"需求方{wish_zh}“{check.name}” {check.need}；{known_zh}\n"
        "请问实测值是多少（含单位）？在什么条件下、用什么方法测得？"
    )
    en = (
        f"The need {wish_en} “{check.name}” {check.need}; {known_en[0].lower()}{known_en[1:]}\n"
        "What was measured, in which unit, under which conditions and by which method?"
    )
    return Question(name=check.name, zh=zh, en=en)
