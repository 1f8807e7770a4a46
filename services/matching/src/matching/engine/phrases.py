"""Which words of a need a result covers, joined back into the phrases in which they stand; and which it does not.

Shares come from the vectors, so they add up to the coverage of the score. They are counted in whole numbers until they
are shown. The result's text is asked only for what is shown: a phrase is named where it stands there as it stands in
the need, else its parts are.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from itertools import compress
from operator import itemgetter
from typing import Final, NamedTuple

from matching.bilingual.expansion import expanded
from matching.engine.analyzer import cut
from matching.engine.features import SHARE_STEPS, meet, term_of, word_parts
from matching.engine.headers import TOLD
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, read
from matching.engine.model import Model
from matching.engine.shown import Shown
from matching.engine.statistics import SQUARE, SQUARES, Statistics
from matching.engine.vectors import CAP, MASS_UNIT, need_vector, result_vector
from matching.engine.weights import is_known

_LEAST_GAP: Final = 0.01
"""A gap with a smaller share is not worth a reader's time."""
_WORDS: Final = 1 << 15
"""Words kept looked up; bounds memory to a few MB."""
_SQUARES: Final[Sequence[int]] = SQUARES.tolist()


class Phrase(NamedTuple):
    """Words that stand together. `share` is their part of all that the need asks for, between 0 and 1."""

    text: str
    field: str
    share: float
    evidence_need: str | None
    evidence_result: str | None


class Coverage(NamedTuple):
    """What of the need is covered. The shares of `phrases` and `rest` add up to `total`."""

    total: float
    phrases: tuple[Phrase, ...]
    rest: float
    missing: tuple[Phrase, ...]


type _Parts = Mapping[int, int]
"""By term of the need: its part of all that the need asks for, as far as a result covers it, in steps."""


class _Run(NamedTuple):
    """Neighbouring words of a need that stand together in the result, too."""

    first: int
    """Number of the first word."""
    behind: int
    """Number of the word behind the last."""
    start: int
    """Where it stands in the result."""
    end: int
    terms: Collection[int]
    """Different ones."""
    part: int
    """Their part together."""
    is_translation: bool = False


class _Known(dict[str, tuple[int, int, bool]]):
    """Of each word, looked up once: its term, the square of its level, and whether it tells a reader anything."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def __missing__(self, word: str) -> tuple[int, int, bool]:
        if len(self) >= _WORDS:
            self.clear()
        (known,) = self._statistics.known([word])
        square = _SQUARES[known.level]
        self[word] = told = (term_of(known), square, square > 0 and is_known(word))
        return told


@lru_cache(maxsize=2)
def _known_by(statistics: Statistics) -> _Known:
    """Kept of the present model, and of the one before while the two change places."""
    return _Known(statistics)


@lru_cache(maxsize=64)
def asked(need: Item, model: Model, vector: bytes | None = None) -> "Asked":
    """Return a need ready for explaining; the same for one after the other of its results.

    `vector` is the need's by this model, where it is at hand; else it is made from the text.
    """
    return Asked(need, model, vector or need_vector(need, model).vector)


def coverage(need: Item, result: Item, model: Model | None = None) -> Coverage:
    """Explain the word coverage of a pair."""
    model = model or Model.shipped()
    return asked(need, model).coverages([result_vector(result, model).vector], [result])[0]


class Asked:
    """A need made ready for explaining: its words where they stand, and how its terms are called in vectors.

    Of each word there is an entry in every list: it is called by its number.
    """

    def __init__(self, need: Item, model: Model, vector: bytes) -> None:
        self._text = Shown(need)
        self._vector = read([vector], NEED)
        self._mass = SQUARE * float(self._vector.measures[0, TOLD]) * MASS_UNIT
        """All that the need asks for, in squares of a step."""
        found = list(cut(self._text.folded))
        self._words = [word for word, _, _ in found]
        self._starts = [start for _, start, _ in found]
        self._ends = [end for _, _, end in found]
        known = _known_by(model.statistics)
        told = [known[word] for word in self._words]
        self._terms = [term for term, _, _ in told]
        self._squares = [square for _, square, _ in told]
        self._often = Counter(self._terms)
        squares = dict(zip(self._terms, self._squares, strict=True))
        self._worth = {term: square * min(CAP, self._often[term]) for term, square in squares.items()}
        worth = map(self._worth.__getitem__, self._terms)
        columns = zip(range(len(found)), self._terms, self._starts, self._ends, worth, strict=True)
        self._telling = list(compress(columns, [is_telling for _, _, is_telling in told]))
        self._translated = self._translations(model)

    def coverages(
        self, vectors: Sequence[bytes | memoryview], results: Sequence[Item], *, phrases: int = 5, missing: int = 4
    ) -> list[Coverage]:
        """Explain the word coverage of results by the weightiest `phrases` and gaps. Raises IndexDamagedError."""
        scale = SHARE_STEPS * self._mass
        explained = []
        for parts, result in zip(self._parts(vectors), results, strict=True):
            text = Shown(result)
            chosen = _weightiest([*self._runs(parts, text), *self._by_translation(parts, text)], parts, phrases)
            named = tuple(self._phrase(run, part / scale, text) for run, part in chosen)
            total = sum(parts.values())
            rest = total - sum(part for _, part in chosen)
            explained.append(Coverage(total / scale, named, rest / scale, self._missing(parts, text, missing)))
        return explained

    def _translations(self, model: Model) -> Mapping[int, tuple[int, str]]:
        """Terms that are looked for as translations: the word that each translates, and what it is translated by."""
        if model.lexicon is None:
            return {}
        first = {word: at for at, word in reversed(list(enumerate(self._words))) if self._squares[at]}
        found = expanded(Counter(self._words), model.lexicon)
        pairs = [(first[each.source], word) for word, each in found.items() if each.source in first]
        known = model.statistics.known([word for _, word in pairs])
        return {term_of(word): pair for pair, word in zip(pairs, known, strict=True)}

    def _parts(self, vectors: Sequence[bytes | memoryview]) -> Sequence[_Parts]:
        parts: list[dict[int, int]] = [{} for _ in vectors]
        if not vectors:
            return []
        results = read(vectors, RESULT)
        for owner, term, part in word_parts(meet(self._vector, results, many_needs=False), results):
            parts[owner][term] = part
        return parts

    def _phrase(self, run: _Run, share: float, text: Shown) -> Phrase:
        start, end = self._starts[run.first], self._ends[run.behind - 1]
        if run.is_translation:
            said = f"{self._text.original[start:end]}→{text.original[run.start : run.end]}"
        else:
            start, end = self._text.widened(start, end, text, run.start)
            said = self._text.original[start:end]
        heaviest = run.first
        if run.behind > run.first + 1:
            heaviest = max(range(run.first, run.behind), key=lambda at: (self._squares[at], self._words[at]))
        evidence = self._text.sentence(self._starts[heaviest]), text.sentence(run.start)
        return Phrase(said, text.field(run.start), share, *evidence)

    def _runs(self, parts: _Parts, text: Shown) -> Iterator[_Run]:
        """Runs of neighbouring words that a result has, as long as they stand together there."""
        starts, ends, terms = self._starts, self._ends, self._terms
        asked, offered = self._text.folded, text.folded
        behind = 0
        alone: set[int] = set()
        for first in [at for at, term in enumerate(terms) if term in parts]:
            if first < behind:
                continue
            term, start, behind = terms[first], starts[first], first + 1
            place = offered.find(asked[start : ends[first]])
            # What is longer stands no earlier, and nowhere if what it begins with does not.
            while place >= 0 and behind < len(terms) and starts[behind] == ends[behind - 1] and terms[behind] in parts:
                further = offered.find(asked[start : ends[behind]], place)
                if further < 0:
                    break
                place, behind = further, behind + 1
            if behind > first + 1:
                end, together = place + ends[behind - 1] - start, set(terms[first:behind])
                yield _Run(first, behind, place, end, together, sum([parts[each] for each in together]))
            elif term not in alone:  # once is enough: it is counted where it stands first
                where = (place, place + ends[first] - start) if place >= 0 else text.find_word(self._words[first])
                if where is not None:
                    alone.add(term)
                    yield _Run(first, behind, *where, (term,), parts[term])

    def _by_translation(self, parts: _Parts, text: Shown) -> Iterator[_Run]:
        for term, (at, translation) in self._translated.items():
            if term in parts and term not in self._often and (where := text.find_word(translation)):
                yield _Run(at, at + 1, *where, (term,), parts[term], is_translation=True)

    def _missing(self, parts: _Parts, text: Shown, most: int) -> tuple[Phrase, ...]:
        """The weightiest runs of words that the result has neither itself nor translated."""
        weightiest = sorted(self._gaps(parts), key=itemgetter(0), reverse=True)[: 4 * most]
        gaps: list[Phrase] = []
        told: set[int] = set()
        for _, first, behind in weightiest:
            if len(gaps) == most:
                break
            terms = set(self._terms[first:behind]) - told
            share = sum([self._worth[term] for term in terms]) / self._mass
            if share < _LEAST_GAP:
                continue
            told |= terms
            start, end = self._starts[first], self._ends[behind - 1]
            if self._text.folded[start:end] not in text.folded:
                said, field = self._text.original[start:end], self._text.field(start)
                gaps.append(Phrase(said, field, share, self._text.sentence(start), None))
        return tuple(gaps)

    def _gaps(self, parts: _Parts) -> Iterator[tuple[int, int, int]]:
        """Runs of words not covered: what they ask for in squares of a step (a term twice where it stands twice), the
        number of the first and the one behind the last.
        """
        covered = set(parts)
        if self._translated:
            covered |= {self._terms[self._translated[term][0]] for term in parts if term in self._translated}
        first = behind = place = worth = 0
        for at, term, start, end, each in self._telling:
            if term in covered:
                continue
            if start != place or not worth:
                if worth:
                    yield worth, first, behind
                first, worth = at, 0
            worth += each
            behind, place = at + 1, end
        if worth:
            yield worth, first, behind


def _weightiest(runs: Sequence[_Run], parts: _Parts, most: int) -> list[tuple[_Run, int]]:
    """Return the weightiest runs with their parts, each term counted in one of them only; of equal ones the first."""
    # What a run is worth only falls as its terms are used, so the first that is still worth what it was is the best.
    waiting = [(-run.part, at) for at, run in enumerate(runs)]
    heapify(waiting)
    used: set[int] = set()
    found: list[tuple[_Run, int]] = []
    while waiting and len(found) < most:
        worth, at = waiting[0]
        now = sum([parts[term] for term in runs[at].terms if term not in used])
        if now != -worth:
            heapreplace(waiting, (-now, at))
        elif now <= 0:
            break
        else:
            heappop(waiting)
            used.update(runs[at].terms)
            found.append((runs[at], now))
    return found
