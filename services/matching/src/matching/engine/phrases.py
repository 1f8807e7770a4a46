"""Which words of a need a result covers, joined back into the phrases in which they stand; and which it does not.

Shares come from the vectors, so they add up to the coverage of the score, to the rounding of a step. The result's text
is asked only for what is shown: a phrase is named where it stands there as it stands in the need, else its parts are.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from matching.bilingual.expansion import expanded
from matching.engine.analyzer import fold, is_han, tokens
from matching.engine.features import SHARE_STEPS, meet, term_of, word_parts
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, read
from matching.engine.model import Model
from matching.engine.statistics import SQUARE, SQUARES
from matching.engine.tables import word_set
from matching.engine.vectors import CAP, MASS_UNIT, need_vector, result_vector
from matching.engine.weights import is_known

_SENTENCE: Final = re.compile(r"[^。；;！!？?\n]+")
_EVIDENCE: Final = 160
_LEAST_GAP: Final = 0.01
"""A gap with a smaller share is not worth a reader's time."""
_FIELDS: Final = ("title", "keywords", "body")


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


type _Shares = Mapping[int, float]
"""By term of the need: its part of all that the need asks for, as far as a result covers it."""


class _Place(NamedTuple):
    """A word of the need where it stands in a field of its text."""

    field: int
    start: int
    end: int
    word: str
    term: int
    weight: float


class _Where(NamedTuple):
    """A stretch of a field of the result."""

    field: int
    start: int
    end: int


class _Run(NamedTuple):
    """Neighbouring words of a need that stand together in the result, too."""

    places: Sequence[_Place]
    where: _Where

    @property
    def terms(self) -> set[int]:
        return {place.term for place in self.places}


@lru_cache(maxsize=64)
def asked(need: Item, model: Model) -> "Asked":
    """Return a need ready for explaining; the same for one after the other of its results."""
    return Asked(need, model)


def coverage(need: Item, result: Item, model: Model | None = None) -> Coverage:
    """Explain the word coverage of a pair."""
    model = model or Model.shipped()
    return asked(need, model).coverages([result_vector(result, model).vector], [result])[0]


class Asked:
    """A need made ready for explaining: its words where they stand, and how its terms are called in vectors."""

    def __init__(self, need: Item, model: Model) -> None:
        self._texts = [_Field.of(text) for _, text in need.fields]
        self._vector = read([need_vector(need, model).vector], NEED)
        self._mass = float(self._vector.header["masses"][0, 0]) * MASS_UNIT
        found = [(field, token) for field, text in enumerate(self._texts) for token in tokens(text.folded)]
        known = model.statistics.known([token.word for _, token in found])
        self._places = [
            _Place(field, token.start, token.end, token.word, term_of(word), float(SQUARES[word.level]) / SQUARE)
            for (field, token), word in zip(found, known, strict=True)
        ]
        self._often = Counter(place.term for place in self._places)
        self._worth = {place.term: place.weight * min(CAP, self._often[place.term]) for place in self._places}
        self._telling = [place for place in self._places if place.weight and is_known(place.word)]
        self._translated = _translated(self._places, model)

    def coverages(
        self, vectors: Sequence[bytes | memoryview], results: Sequence[Item], *, phrases: int = 5, missing: int = 4
    ) -> list[Coverage]:
        """Explain the word coverage of results by the weightiest `phrases` and gaps. Raises IndexDamagedError."""
        explained = []
        for shares, result in zip(self._shares(vectors), results, strict=True):
            texts = [_Field.of(text) for _, text in result.fields]
            total = sum(shares.values())
            named, used = self._phrases(shares, texts, phrases)
            rest = max(0.0, total - sum(shares[term] for term in used))
            explained.append(Coverage(total, named, rest, self._missing(shares, texts, missing)))
        return explained

    def _shares(self, vectors: Sequence[bytes | memoryview]) -> Sequence[_Shares]:
        shares: list[dict[int, float]] = [{} for _ in vectors]
        if not vectors:
            return []
        results = read(vectors, RESULT)
        scale = SHARE_STEPS * SQUARE * self._mass
        for owner, term, part in word_parts(meet(self._vector, results, many_needs=False), results):
            shares[owner][term] = part / scale
        return shares

    def _phrases(self, shares: _Shares, texts: Sequence["_Field"], most: int) -> tuple[tuple[Phrase, ...], set[int]]:
        """The weightiest runs, each term counted in one of them only; and the terms so counted."""
        runs = [*self._runs(shares, texts), *self._by_translation(shares, texts)]
        used: set[int] = set()
        found: list[Phrase] = []
        while len(found) < most:
            worth = [(sum(shares[term] for term in run.terms - used), -at) for at, run in enumerate(runs)]
            share, at = max(worth, default=(0.0, 0))
            if share <= 0:
                break
            best = runs[-at]
            used |= best.terms
            found.append(self._phrase(best, share, texts))
        return tuple(found), used

    def _phrase(self, run: _Run, share: float, texts: Sequence["_Field"]) -> Phrase:
        first, last, where = run.places[0], run.places[-1], run.where
        need, result = self._texts[first.field], texts[where.field]
        start, end = first.start, last.end
        if first.term in self._translated and first.term not in self._often:
            text = f"{need.original[start:end]}→{result.original[where.start : where.end]}"
        else:
            start, end = _widened(need.folded, start, end, result.folded)
            text = need.original[start:end]
        heaviest = max(run.places, key=lambda place: (place.weight, place.word))
        return Phrase(text, _FIELDS[where.field], share, need.sentence(heaviest.start), result.sentence(where.start))

    def _runs(self, shares: _Shares, texts: Sequence["_Field"]) -> Iterator[_Run]:
        """Runs of neighbouring words that a result has, parted where they do not stand together there."""
        run: list[_Place] = []
        for place in self._places:
            follows = run and run[-1].field == place.field and run[-1].end == place.start
            if run and not (follows and place.term in shares):
                yield from self._parted(run, texts)
                run = []
            if place.term in shares:
                run.append(place)
        yield from self._parted(run, texts)

    def _parted(self, run: Sequence[_Place], texts: Sequence["_Field"]) -> Iterator[_Run]:
        begin = 0
        while begin < len(run):
            folded = self._texts[run[begin].field].folded
            for end in range(len(run), begin, -1):
                where = _find(folded[run[begin].start : run[end - 1].end], texts)
                if where is None and end == begin + 1:
                    where = _find_word(run[begin].word, texts)
                if where is not None:
                    yield _Run(run[begin:end], where)
                    break
            begin = max(begin + 1, end if where is not None else 0)

    def _by_translation(self, shares: _Shares, texts: Sequence["_Field"]) -> Iterator[_Run]:
        for term, (place, translation) in self._translated.items():
            if term in shares and term not in self._often and (where := _find_word(translation, texts)):
                yield _Run([place._replace(term=term)], where)

    def _missing(self, shares: _Shares, texts: Sequence["_Field"], most: int) -> tuple[Phrase, ...]:
        """The weightiest runs of words that the result has neither itself nor translated."""
        covered = set(shares) | {self._translated[term][0].term for term in shares if term in self._translated}
        runs: list[list[_Place]] = []
        worth: list[float] = []
        field = end = -1
        for place in self._telling:
            if place.term in covered:
                continue
            if place.start == end and place.field == field:
                runs[-1].append(place)
                worth[-1] += self._worth[place.term]
            else:
                runs.append([place])
                worth.append(self._worth[place.term])
            field, end = place.field, place.end
        gaps: list[Phrase] = []
        told: set[int] = set()
        for at in sorted(range(len(runs)), key=lambda at: -worth[at])[: 4 * most]:
            run = runs[at]
            terms = {place.term for place in run} - told
            share, text = self._sum(terms), self._texts[run[0].field]
            if len(gaps) == most:
                break
            if share < _LEAST_GAP:
                continue
            told |= terms
            if _find(text.folded[run[0].start : run[-1].end], texts) is None:
                said = text.original[run[0].start : run[-1].end]
                gaps.append(Phrase(said, _FIELDS[run[0].field], share, text.sentence(run[0].start), None))
        return tuple(gaps)

    def _sum(self, terms: set[int]) -> float:
        return sum(self._worth[term] for term in sorted(terms)) / self._mass


def _translated(places: Sequence[_Place], model: Model) -> dict[int, tuple[_Place, str]]:
    """Terms that are looked for as translations, with the word they translate."""
    if model.lexicon is None:
        return {}
    first = {place.word: place for place in reversed(places) if place.weight}
    found = expanded(Counter(place.word for place in places), model.lexicon)
    pairs = [(first[each.source], word) for word, each in found.items() if each.source in first]
    known = model.statistics.known([word for _, word in pairs])
    return {term_of(word): pair for pair, word in zip(pairs, known, strict=True)}


@dataclass(frozen=True, slots=True)
class _Field:
    """A text as it is compared and as it was written; places hold in both."""

    folded: str
    original: str

    @classmethod
    def of(cls, text: str) -> "_Field":
        folded = fold(text)
        return cls(folded, text if len(text) == len(folded) else folded)

    def sentence(self, place: int) -> str | None:
        """The sentence around a place, cut around it where it is long."""
        for match in _SENTENCE.finditer(self.original):
            if match.start() <= place < match.end():
                sentence = match.group().strip()
                if len(sentence) <= _EVIDENCE:
                    return sentence
                at = place - match.start() - (len(match.group()) - len(match.group().lstrip()))
                start = max(0, min(at - _EVIDENCE // 3, len(sentence) - _EVIDENCE))
                return f"…{sentence[start : start + _EVIDENCE]}…"
        return None


def _find(text: str, texts: Sequence[_Field]) -> _Where | None:
    """Where a stretch of text stands first: title, keywords, body."""
    for number, field in enumerate(texts):
        if (at := field.folded.find(text)) >= 0:
            return _Where(number, at, at + len(text))
    return None


def _find_word(word: str, texts: Sequence[_Field]) -> _Where | None:
    """Where a word stands first, though it be written otherwise (another form of a stem, another region's word)."""
    for number, field in enumerate(texts):
        for token in tokens(field.folded):
            if token.word == word:
                return _Where(number, token.start, token.end)
    return None


def _widened(folded: str, start: int, end: int, other: str) -> tuple[int, int]:
    """Widen a stretch by Chinese characters as long as it still stands in the other text, too.

    It mends what segmentation cut differently on the two sides; it changes what is shown, not what counts.
    """
    stop = word_set("analyzer", "stop")

    def widens(character: str) -> bool:
        return is_han(character) and character not in stop

    while start > 0 and widens(folded[start - 1]) and folded[start - 1 : end] in other:
        start -= 1
    while end < len(folded) and widens(folded[end]) and folded[start : end + 1] in other:
        end += 1
    return start, end
