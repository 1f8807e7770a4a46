"""Why a check is unknown, or what to mind about it: a stable code with its texts in Chinese and English."""

from typing import Final, NamedTuple


class Note(NamedTuple):
    """A note of a check."""

    code: str
    zh: str
    en: str


_ASIDE: Final = {
    "negated": (
        "成果文字说明尚未达到，不能据以判定。",
        "The result's text says that this is not reached yet; it decides nothing.",
    ),
    "intended": (
        "成果文字只给出预期值，不是实测值。",
        "The result's text only gives what is expected, not what was measured.",
    ),
    "relative": (
        "成果文字只给出相对变化，没有绝对数值。",
        "The result's text only gives a change, not a value.",
    ),
}


def no_figure() -> Note:
    """Nothing is said of it."""
    return Note("no_figure", "成果未给出此项数值。", "The result states no figure for this.")


def unusable(stance: str) -> Note:
    """Something is said of it that is no measured value: negated, intended or relative."""
    zh, en = _ASIDE[stance]
    return Note(f"figure_{stance}", zh, en)


def unknown_unit(unit: str) -> Note:
    """A unit that nobody knows equals only itself."""
    return Note(
        "unknown_unit",
        f"单位“{unit}”无法识别，只能与写法相同的单位比较。",
        f"The unit “{unit}” is not known; it is only comparable with the same unit.",
    )


def not_comparable(asked: str, shown: str) -> Note:
    """Two units of different quantities."""
    return Note(
        "not_comparable",
        f"单位“{asked or '（无）'}”与“{shown or '（无）'}”不是同一种量，无法换算。",
        f"The units “{asked or '(none)'}” and “{shown or '(none)'}” measure different quantities.",
    )


def undecided(asked: str, shown: str) -> Note:
    """What is shown leaves room on both sides of the limit."""
    return Note(
        "undecided",
        f"成果所示（{shown}）可能满足也可能不满足要求（{asked}）。",
        f"What is shown ({shown}) may or may not meet what is asked ({asked}).",
    )


def contradictory(one: str, other: str) -> Note:
    """Two constraints of one need that no value meets."""
    return Note(
        "contradictory",
        f"需求自身的要求相互矛盾：{one} 与 {other}，没有数值能同时满足。",
        f"The need contradicts itself: no value is both {one} and {other}.",
    )
