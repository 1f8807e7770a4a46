"""Which words of a need a result covers, joined back into the phrases in which they stand; and which it does not."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from matching.engine.analyzer import Token, bigrams, fold, tokens
from matching.engine.items import Item
from matching.engine.vectors import LEAST_MASS, query_weights, word_saturations
from matching.engine.weights import is_known

_SENTENCE: Final = re.compile(r"[^。；;！!？?\n]+")
_EVIDENCE: Final = 160
_LEAST_GAP: Final = 0.01
"""A gap with a smaller share is not worth a reader's time."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand together. `share` is their part of all that the need asks for, between 0 and 1."""

    text: str
    field: str
    share: float
    evidence_need: str | None
    evidence_result: str | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of the need is covered. The shares of `phrases` and `rest` add up to `total`."""

    total: float
    phrases: tuple[Phrase, ...]
    rest: float
    missing: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring words of one field."""

    field: str
    text: str
    words: tuple[str, ...]


def coverage(need: Item, result: Item, *, phrases: int = 5, missing: int = 4) -> Coverage:
    """Explain the word coverage of a pair by its `phrases` weightiest phrases and `missing` weightiest gaps."""
    weighted = query_weights(need)
    mass = max(sum(weighted.values()), LEAST_MASS)
    saturations = word_saturations(result)
    shares = {
        word: weight * saturations[word] / mass for word, weight in weighted.items() if saturations.get(word, 0) > 0
    }
    covered, used = _phrases(_runs(result, shares, frozenset(bigrams(need.text))), shares, phrases, need, result)
    absent = {word: weight / mass for word, weight in weighted.items() if word not in saturations and is_known(word)}
    folded_result = fold(result.text)
    gaps, _ = _phrases(_runs(need, absent, frozenset()), absent, missing + 4, need, None)
    total = sum(shares.values())
    rest = total - sum(shares[word] for word in used)
    return Coverage(
        total,
        covered,
        max(rest, 0.0),
        tuple(gap for gap in gaps if gap.share >= _LEAST_GAP and fold(gap.text) not in folded_result)[:missing],
    )


def _phrases(
    found_runs: Iterable[_Run], shares: Mapping[str, float], most: int, need: Item, result: Item | None
) -> tuple[tuple[Phrase, ...], set[str]]:
    """The weightiest runs, each word counted in one of them only; and the words so counted."""
    runs = list(found_runs)
    used: set[str] = set()
    found: list[Phrase] = []
    while len(found) < most:
        worth = [(sum(shares[word] for word in set(run.words) - used), run) for run in runs]
        share, best = max(worth, key=lambda pair: (pair[0], -len(pair[1].text), pair[1].text), default=(0.0, None))
        if best is None or share <= 0:
            break
        word = max(set(best.words) - used, key=lambda word: (shares[word], word))
        used.update(best.words)
        found.append(
            Phrase(best.text, best.field, share, _sentence(need, word), _sentence(result, word) if result else None)
        )
    return tuple(found), used


def _runs(item: Item, shares: Mapping[str, float], pairs: frozenset[str]) -> Iterator[_Run]:
    """Runs of neighbouring words that are in `shares`, widened by characters that `pairs` connect to them.

    Widening mends words that segmentation cut differently on the two sides; it changes what is shown, not what counts.
    """
    for name, text in item.fields:
        folded = fold(text)
        original = text if len(text) == len(folded) else folded  # positions hold only where folding kept the length
        for run in _neighbours(folded, shares):
            start, end = _widened(folded, run[0].start, run[-1].end, pairs)
            yield _Run(name, original[start:end], tuple(token.word for token in run))


def _neighbours(folded: str, shares: Mapping[str, float]) -> Iterator[list[Token]]:
    run: list[Token] = []
    for token in tokens(folded):
        if run and (token.word not in shares or token.start != run[-1].end):
            yield run
            run = []
        if token.word in shares:
            run.append(token)
    if run:
        yield run


def _widened(folded: str, start: int, end: int, pairs: frozenset[str]) -> tuple[int, int]:
    while start > 0 and folded[start - 1 : start + 1] in pairs:
        start -= 1
    while end < len(folded) and folded[end - 1 : end + 1] in pairs:
        end += 1
    return start, end


def _sentence(item: Item, word: str) -> str | None:
    """The first sentence in which a word stands, cut around the word where it is long."""
    for _, text in item.fields:
        folded = fold(text)
        place = next((token.start for token in tokens(folded) if token.word == word), None)
        if place is None:
            continue
        original = text if len(text) == len(folded) else folded
        for match in _SENTENCE.finditer(original):
            if not match.start() <= place < match.end():
                continue
            sentence = match.group().strip()
            if len(sentence) <= _EVIDENCE:
                return sentence
            at = place - match.start() - (len(match.group()) - len(match.group().lstrip()))
            start = max(0, min(at - _EVIDENCE // 3, len(sentence) - _EVIDENCE))
            return f"…{sentence[start : start + _EVIDENCE]}…"
    return None
