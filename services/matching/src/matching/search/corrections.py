"""What somebody probably meant, read off what was found: another character that sounds the same, pinyin, a slip."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, NamedTuple

import rjieba

from matching.engine.analyzer import is_han
from matching.search.pinyin import parsed, readings, sound_alike
from matching.search.terms import initials, runs

_SAME_SOUND: Final = 2
"""So many characters that sound alike make a correction where they are all of the run, one more within a longer one."""
_ONE_OFF: Final = 4
"""From this length on one character may differ altogether."""
_ALIKE: Final = 0.8
"""Latin words count as the same misspelt from this share of equal letters on."""
_LATIN_LEAST: Final = 4


class Correction(NamedTuple):
    """A part of what was typed, and what stands in what was found."""

    typed: str
    meant: str


def corrections(typed: str, titles: Sequence[str], texts: Sequence[str]) -> list[Correction]:
    """Return what of the typed text was probably meant otherwise, by the titles found, the best first.

    What stands literally in any of the texts is left as it is: people do look for rare words.
    """
    folded = [runs(text) for text in texts]
    found: list[Correction] = []
    for run in dict.fromkeys(runs(typed)):
        if any(_stands_in(run, text) for text in folded):
            continue
        votes: Counter[Correction] = Counter()
        for rank, title in enumerate(titles):
            for correction in set(_of(run, runs(title))):
                if not any(_stands_in(correction.typed, text) for text in folded):
                    votes[correction] += len(titles) - rank
        if votes:
            # The whole of it before a part of it; then what the best found say.
            found.append(max(votes, key=lambda each: (len(each.typed), votes[each], each)))
    return found


def corrected(typed: str, by: Iterable[Correction]) -> str:
    """Return the typed text as it was probably meant, folded."""
    text = "\n".join(runs(typed))
    for correction in by:
        text = text.replace(correction.typed, correction.meant)
    return text.replace("\n", " ")


def _stands_in(run: str, text_runs: Sequence[str]) -> bool:
    return any(run in other for other in text_runs) if is_han(run) else run in text_runs


def _of(run: str, title_runs: Sequence[str]) -> list[Correction]:
    if is_han(run):
        return [found for other in title_runs if is_han(other) for found in _characters(run, other)]
    if syllables := parsed(run):
        return [found for other in title_runs if is_han(other) for found in _spelt(syllables, other)]
    if meant := [Correction(run, other) for other in title_runs if is_han(other) and initials(other) == run]:
        return meant
    return [
        Correction(run, other)
        for other in title_runs
        if min(len(run), len(other)) >= _LATIN_LEAST and other != run and _alike(run, other)
    ]


def _alike(one: str, other: str) -> bool:
    return not is_han(other) and SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE


def _spelt(syllables: Sequence[str], title: str) -> list[Correction]:
    """Stretches of syllables, at least two and half of them, that a stretch of `title` is read as."""
    found: list[Correction] = []
    for shift in range(-len(title) + 1, len(syllables)):
        start, end = max(shift, 0), min(len(syllables), len(title) + shift)
        read = [syllables[at] in readings(title[at - shift]) for at in range(start, end)]
        for same, places in groupby(range(start, end), key=lambda at: read[at - start]):
            stretch = list(places)
            if same and len(stretch) > 1 and 2 * len(stretch) >= len(syllables):
                begin, stop = stretch[0], stretch[-1] + 1
                found.append(Correction("".join(syllables[begin:stop]), title[begin - shift : stop - shift]))
    return found


def _characters(run: str, title: str) -> list[Correction]:
    """The longest stretches of `run` that a stretch of `title` sounds like, at least one character being another."""
    found: list[Correction] = []
    for shift in range(-len(title) + 1, len(run)):
        start, end = max(shift, 0), min(len(run), len(title) + shift)
        for begin, stop in _stretches(run, title, shift, start, end):
            ours, theirs = run[begin:stop], title[begin - shift : stop - shift]
            if ours != theirs and _long_enough(ours, theirs, run):
                found.append(Correction(ours, theirs))
    return found


def _stretches(run: str, title: str, shift: int, start: int, end: int) -> list[tuple[int, int]]:
    """Stretches along one alignment that sound alike, with at most one character in the middle that does not."""
    alike = [sound_alike(run[at], title[at - shift]) for at in range(start, end)]
    stretches: list[tuple[int, int]] = []
    at = 0
    while at < len(alike):
        if not alike[at]:
            at += 1
            continue
        stop, misses = at, 0
        while stop < len(alike) and (alike[stop] or (misses == 0 and stop + 1 < len(alike) and alike[stop + 1])):
            misses += not alike[stop]
            stop += 1
        stretches.append((start + at, start + stop))
        at = stop
    return stretches


def _long_enough(ours: str, theirs: str, run: str) -> bool:
    off = [at for at, (one, other) in enumerate(zip(ours, theirs, strict=True)) if not sound_alike(one, other)]
    if off:
        same = sum(one == other for one, other in zip(ours, theirs, strict=True))
        return len(ours) >= _ONE_OFF and same >= len(ours) - 1 and not _is_word_around(ours, off[0])
    return len(ours) >= (_SAME_SOUND if ours == run else _SAME_SOUND + 1)


def _is_word_around(text: str, at: int) -> bool:
    """Whether a word of the language stands around this character: then it was hardly a slip (变压器, not 变流器)."""
    return any(
        rjieba.has_word(text[start:end])
        for start in range(max(0, at - 3), at + 1)
        for end in range(max(at + 1, start + 2), min(len(text), start + 4) + 1)
    )


def applied(found: Sequence[Correction]) -> Mapping[str, str]:
    """Return the corrections as a table, for people to see."""
    return {each.typed: each.meant for each in found}
