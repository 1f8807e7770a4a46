"""Which figure a number belongs to: the phrase before it, and whether a given name stands in its clause."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from matching.engine.tables import table
from matching.figures.words import Word, limit, listed, pattern, word_before

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff"
_TAIL: Final = re.compile(rf"[{_HAN}A-Za-z0-9\-/μα-ω%]+$")
_ENGLISH: Final = re.compile(r"[A-Za-z][A-Za-z'\-]*(?: [A-Za-z][A-Za-z'\-]*){0,4}$")
_BEHIND: Final = re.compile(rf" ?(的?)([{_HAN}]{{2,10}})")
_CIRCUMSTANCE: Final = re.compile(r"^ ?(?:的?条件下|的?环境下|的?情况下|的?工况下|下|时|后)")
_SETTING: Final = re.compile(r"[后时中下]([^后时中下]+)$")
_TURN: Final = re.compile(r"[降升提增减缩扩延]")
_DIGIT: Final = re.compile("[0-9]")
_IS_HAN: Final = re.compile(f"[{_HAN}]")
_REST: Final = " \t　:：()（）"
_BRACKETED: Final = re.compile(r"[(（][^()（）]{0,40}[)）]")


class Scope(NamedTuple):
    """The text before and behind a figure in which its name may stand, in small letters."""

    before: str
    behind: str


@lru_cache(maxsize=4096)
def fold_name(name: str) -> str:
    """Return a name as it is compared: NFKC, small letters, no blanks or brackets."""
    folded = unicodedata.normalize("NFKC", name).lower()
    return "".join(character for character in folded if character not in _REST)


@lru_cache(maxsize=4096)
def names_for(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the spellings of a figure's own name, and those of other names for the same figure."""
    own = [fold_name(name)]
    if (plain := fold_name(_BRACKETED.sub("", name))) and plain not in own:
        own.append(plain)
    others = [other for spelling in own for other in _synonyms().get(spelling, ()) if other not in own]
    return tuple(own), tuple(dict.fromkeys(others))


@cache
def _synonyms() -> Mapping[str, tuple[str, ...]]:
    groups = [tuple(fold_name(name) for name in group) for group in table("figure_names")["groups"]]
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for name in group:
            found[name] = (*found.get(name, ()), *(other for other in group if other != name))
    return found


def names_a_figure(name: str) -> bool:
    """Tell whether a phrase is the name of a figure: a listed one, one that ends as such names do, or Latin letters."""
    folded = fold_name(name)
    if folded in _synonyms() or (len(folded) > 1 and folded.endswith(listed("derived", "heads"))):
        return True
    return len(folded) > 1 and folded.isascii() and " " not in name.strip() and not folded.isdigit()


def stands_in(scope: Scope, name: str) -> bool:
    """Tell whether a folded name stands in a scope as itself, not within a longer name (温度 in 温度传感器)."""
    return any(_stands(_squeezed(part), name) for part in scope if part)


def _stands(part: str, name: str) -> bool:
    at = part.find(name)
    while at >= 0:
        if _bounded(part, at, at + len(name)):
            return True
        at = part.find(name, at + 1)
    return False


@lru_cache(maxsize=4096)
def _squeezed(part: str) -> str:
    return fold_name(part)


def _bounded(part: str, start: int, end: int) -> bool:
    following = part[end : end + 1]
    if _IS_HAN.match(part, end - 1):
        return not _IS_HAN.match(following) or following in listed("name", "followers")[0]
    return True  # Latin words are squeezed together: their ends cannot be told any more


def name_of(before: str) -> str:
    """Return the phrase at the end of the text before a figure that seems to name it; empty where none does."""
    text = before[-limit("window") :].rstrip()
    for _ in range(6):
        shorter = _without_last_filler(_BRACKETED.sub("", text).rstrip(" (（:：=,，"))
        if shorter == text:
            break
        text = shorter
    found = _ENGLISH.search(text) if text and text[-1].isascii() and text[-1].isalpha() else None
    if found is not None and not _IS_HAN.search(text):
        return _english(found.group())
    tail = _TAIL.search(text)
    phrase = tail.group() if tail else ""
    return _without_setting(_without_openers(phrase.rpartition("的")[2]))[-limit_of_name() :]


def without_circumstance(before: str) -> str:
    """Return what follows a figure without the word that makes that a circumstance: (300 ℃) 下抗弯强度."""
    return _CIRCUMSTANCE.sub("", before)


def _without_setting(phrase: str) -> str:
    """潮湿后抗压强度 is the 抗压强度, where that is listed as a figure's name."""
    setting = _SETTING.search(phrase)
    return setting[1] if setting is not None and fold_name(setting[1]) in _synonyms() else phrase


def _without_openers(phrase: str) -> str:
    """Words that open a clause and are no part of a name: 预期, 目前国内同类设备, 要求."""
    for _ in range(4):
        opener = pattern("name", "openers").match(phrase)
        if opener is None or opener.end() == len(phrase):
            break
        phrase = phrase[opener.end() :]
    return phrase


@cache
def limit_of_name() -> int:
    """Longest name kept."""
    return int(table("figures")["name"]["longest"])


def _without_last_filler(text: str) -> str:
    lowered = text.lower()
    found = word_before(lowered, len(lowered), max(0, len(lowered) - limit("window")))
    if found is not None and found.meaning is not Word.RELATIVE:
        return text[: found.end].rstrip()
    for length in range(_longest_filler(), 0, -1):
        if lowered[-length:] in _fillers() and len(lowered) >= length:
            return text[:-length].rstrip()
    return text


@cache
def _fillers() -> frozenset[str]:
    return frozenset(listed("name", "fillers"))


@cache
def _longest_filler() -> int:
    return max(map(len, _fillers()))


def _english(phrase: str) -> str:
    words = phrase.split()
    while words and words[-1].lower() in listed("name", "fillers_en"):
        words.pop()
    for number in range(len(words) - 1, -1, -1):
        if words[number].lower() in listed("name", "fillers_en"):
            return " ".join(words[number + 1 :])
    return " ".join(words)


def name_behind(behind: str) -> str:
    """Return the phrase right behind a figure that seems to name it: 5 μm 的定位精度."""
    found = _BEHIND.match(behind)
    if found is None or _TURN.match(found[2]) or _CIRCUMSTANCE.match(found[2]):
        return ""
    if not found[1] and _DIGIT.search(behind, found.end()):
        return ""  # 60 MPa 抗拉强度 5 MPa: it names the next figure
    return found[2].partition("的")[0]


def names_smaller_better(name: str) -> bool | None:
    """Tell whether less of a figure is better, by the end of its name; None where that is not listed."""
    folded = name.lower()
    best: tuple[int, bool] | None = None
    for smaller, section in ((True, "smaller"), (False, "greater")):
        for word in listed("better", section):
            if folded.endswith(word) and (best is None or len(word) > best[0]):
                best = (len(word), smaller)
    return best[1] if best else None
