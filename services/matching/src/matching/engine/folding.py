"""Traditional characters and the words of the other side of the strait, made comparable with Simplified ones.

Characters are replaced one by one, so positions hold. Words follow: those of equal length in the folded text, the
others only where terms are made, since places in the text must stay what they are.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import accumulate
from typing import Final

import rjieba

from matching.engine.tables import table

_DATA: Final = table("cross_strait")


@cache
def _characters() -> Mapping[str, str]:
    text = resources.files("matching").joinpath("data", "traditional.txt").read_text(encoding="utf-8")
    groups = [group for line in text.splitlines() if not line.startswith("#") for group in line.split(" ")]
    return {character: group[0] for group in groups for character in group[1:]}


@cache
def _traditional() -> re.Pattern[str]:
    return re.compile(f"[{''.join(sorted(_characters()))}]")


def _simple(text: str) -> str:
    """Exchange characters one by one. Most texts hold none, and looking for one is ten times as fast as translating."""
    return _traditional().sub(lambda found: _characters()[found.group()], text)


def _version() -> str:
    text = resources.files("matching").joinpath("data", "traditional.txt").read_text(encoding="utf-8")
    found = re.search(r"^# version = (\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("data/traditional.txt: no version")
    return f"{found.group(1)}.{_DATA['version']}"


VERSION: Final = _version()
"""Names both tables; part of the analyzer's version."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What a word is compared as, and when it counts."""

    as_written: str
    instead: str
    whole: bool
    traditional: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """Words by their folded form, and the expression that finds them, the longest at each place."""

    by_form: dict[str, _Word]
    found: re.Pattern[str]

    def within(self, simple: str, written: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and replacement of each word that counts; `written` is the text before folding."""
        for match in self.found.finditer(simple):
            word = self.by_form[match.group()]
            start, end = match.span()
            if word.traditional and written[start:end] != word.as_written:
                continue
            if word.whole and not _is_cut_there(simple, start, end):
                continue
            yield start, end, word.instead


@cache
def _words(*, keep_length: bool) -> _Words:
    found = {}
    for section in ("anywhere", "whole", "traditional"):
        for pair in _DATA[section]["words"].split():
            written, _, instead = pair.partition("=")
            if (len(written) == len(instead)) is not keep_length:
                continue
            # Words of another length are looked for in text in which those of equal length are exchanged already.
            form = _simple(written) if keep_length else simplified(written)
            found[form] = _Word(written, instead, section != "anywhere", section == "traditional")
    return _Words(found, re.compile("|".join(sorted(found, key=lambda form: (-len(form), form)))))


def exchanged_characters() -> frozenset[str]:
    """Return every character that is compared as another one, or may be."""
    return frozenset(_characters()) | {form for form in _forms() if len(form) == 1}


def exchanged_beginnings() -> frozenset[str]:
    """Return the three characters with which words begin, or the words of two, that may be exchanged in a text without
    such characters.
    """
    return frozenset(form[:3] for form in _forms() if len(form) > 1)


def _forms() -> Iterator[str]:
    for keep_length in (True, False):
        for form, word in _words(keep_length=keep_length).by_form.items():
            if not (word.traditional and _traditional().search(word.as_written)):
                yield form


_NOT_HAN: Final = re.compile("[^\u3400-\u9fff]")


def _is_cut_there(text: str, start: int, end: int) -> bool:
    """Tell whether segmentation of the run around a stretch begins a word at its start and ends one at its end."""
    before = [match.end() for match in _NOT_HAN.finditer(text, max(0, start - 40), start)]
    begin = before[-1] if before else max(0, start - 40)
    after = _NOT_HAN.search(text, end, end + 40)
    run = text[begin : after.start() if after else end + 40]
    cuts = {0, *accumulate(len(word) for word in rjieba.cut(run))}
    return start - begin in cuts and end - begin in cuts


def simplified(text: str) -> str:
    """Return an NFKC-normalised text in Simplified characters and mainland words. Its length does not change."""
    simple = _simple(text)
    pieces, at = [], 0
    for start, end, instead in _words(keep_length=True).within(simple, text):
        pieces += [simple[at:start], instead]
        at = end
    return "".join([*pieces, simple[at:]]) if pieces else simple


@dataclass(frozen=True, slots=True)
class Reworded:
    """A run of characters in which words were exchanged for longer or shorter ones, and where each character was."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the stretch of the original run that stands behind a stretch of `text`."""
        return self.starts[start], self.ends[end - 1]


@lru_cache(maxsize=128)
def may_be_reworded(text: str) -> bool:
    """Tell whether `reworded` can be anything but None for a run of this folded text."""
    return _words(keep_length=False).found.search(text) is not None


def reworded(run: str) -> Reworded | None:
    """Return a run of folded text with words of another length exchanged, None where there are none."""
    exchanged = list(_words(keep_length=False).within(run, run))
    if not exchanged:
        return None
    text, starts, ends, at = "", list[int](), list[int](), 0
    for start, end, instead in [*exchanged, (len(run), len(run), "")]:
        text += run[at:start] + instead
        starts += [*range(at, start), *[start] * len(instead)]
        ends += [*range(at + 1, start + 1), *[end] * len(instead)]
        at = end
    return Reworded(text, tuple(starts), tuple(ends))
