"""Which figure a number belongs to: the phrase before it, and whether a given name stands in its clause."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from matching.engine.tables import table
from matching.figures.words import Word, limit, listed, word_before

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff"
_TAIL: Final = re.compile(rf"[{_HAN}A-Za-z0-9\-/μα-ω%]+$")
_ENGLISH: Final = re.compile(r"[A-Za-z][A-Za-z'\-]*(?: [A-Za-z][A-Za-z'\-]*){0,4}$")
_BEHIND: Final = re.compile(rf" ?的?([{_HAN}]{{2,10}})")
_CIRCUMSTANCE: Final = re.compile(r"^(?:下|时|后|条件下|环境下|情况下|以内|以上|以下)")
_TURN: Final = re.compile(r"[降升提增减缩扩延]")
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


def is_listed(name: str) -> bool:
    """Tell whether a name is listed as the name of a figure."""
    return fold_name(name) in _synonyms()


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
    phrase = _CIRCUMSTANCE.sub("", phrase.rpartition("的")[2])
    return phrase[-limit_of_name() :]


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
    return found.group(1) if found and not _TURN.match(found.group(1)) else ""


def names_smaller_better(name: str) -> bool | None:
    """Tell whether less of a figure is better, by the end of its name; None where that is not listed."""
    folded = name.lower()
    best: tuple[int, bool] | None = None
    for smaller, section in ((True, "smaller"), (False, "greater")):
        for word in listed("better", section):
            if folded.endswith(word) and (best is None or len(word) > best[0]):
                best = (len(word), smaller)
    return best[1] if best else None
