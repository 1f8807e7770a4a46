"""Which words of a need a result covers, joined back into the phrases in which they stand; and which it does not.

Shares come from the vectors, so they add up to the coverage of the score. They are counted in whole numbers until they
are shown. The result's text is asked only for what is shown: a phrase is named where it stands there as it stands in
the need, else its parts are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from matching.bilingual.expansion import expanded
from matching.engine import explaining_kernels as kernels
from matching.engine.analyzer import cut
from matching.engine.features import SHARE_STEPS, Query, met, term_of, word_parts
from matching.engine.headers import TOLD
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, Integers, read
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


class _Run(NamedTuple):
    """Neighbouring words of a need that stand together in the result, too: a row of explaining_kernels.runs."""

    first: int
    """Number of the first word."""
    behind: int
    """Number of the word behind the last."""
    start: int
    """Where it stands in the result."""
    end: int
    part: int
    """The parts of its terms together."""
    term: int
    """The only one, or SEVERAL."""


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


class _Columns(NamedTuple):
    """What loops are told of the words of a need."""

    starts: Integers
    ends: Integers
    terms: Integers
    telling: Integers


class Asked:
    """A need made ready for explaining: its words where they stand, and how its terms are called in vectors.

    Of each word there is an entry in every list: it is called by its number. Its term has a number of its own.
    """

    def __init__(self, need: Item, model: Model, vector: bytes) -> None:
        self._text = Shown(need)
        asking = read([vector], NEED)
        self._query = Query.of(asking)
        self._mass = SQUARE * float(asking.measures[0, TOLD]) * MASS_UNIT
        """All that the need asks for, in squares of a step."""
        found = list(cut(self._text.folded))
        self._words: Sequence[str]
        self._starts: Sequence[int]
        self._ends: Sequence[int]
        self._squares: Sequence[int]
        self._words, self._starts, self._ends = zip(*found, strict=True) if found else ((), (), ())
        known = _known_by(model.statistics)
        told = [known[word] for word in self._words]
        called, self._squares, telling = zip(*told, strict=True) if told else ((), (), ())
        numbers: dict[int, int] = {}
        self._terms = [numbers.setdefault(term, len(numbers)) for term in called]
        often = Counter(self._terms)
        squares = dict(zip(self._terms, self._squares, strict=True))
        self._worth = [squares[term] * min(CAP, times) for term, times in often.items()]
        self._own = len(numbers)
        """Terms of this number and greater ones are none of the need's own words."""
        self._translated = self._translations(model, numbers)
        self._columns = _Columns(*map(_integers, (self._starts, self._ends, self._terms, telling)))
        self._worths = _integers(self._worth)
        ordered = sorted(numbers)
        self._called = _integers(ordered), _integers([numbers[term] for term in ordered])
        """Terms as vectors call them, ascending, and their numbers."""
        covering = [(term, self._terms[at]) for term, (at, _) in self._translated.items()]
        self._covering = np.array(covering, dtype=np.int64).reshape(len(covering), 2)

    def coverages(
        self, vectors: Sequence[bytes | memoryview], results: Sequence[Item], *, phrases: int = 5, missing: int = 4
    ) -> list[Coverage]:
        """Explain the word coverage of results by the weightiest `phrases` and gaps. Raises IndexDamagedError."""
        if not vectors:
            return []
        scale = SHARE_STEPS * self._mass
        offered = read(vectors, RESULT)
        shared = word_parts(met(self._query, offered, many_needs=False), offered)
        all_parts, totals = kernels.by_term(shared, *self._called, len(vectors))
        explained = []
        for parts, total, result in zip(all_parts, totals.tolist(), results, strict=True):
            text = Shown(result)
            chosen = self._weightiest(parts, text, phrases)
            named = tuple(self._phrase(run, part / scale, text) for run, part in chosen)
            rest = total - sum(part for _, part in chosen)
            explained.append(Coverage(total / scale, named, rest / scale, self._missing(parts, text, missing)))
        return explained

    def _translations(self, model: Model, numbers: dict[int, int]) -> Mapping[int, tuple[int, str]]:
        """Terms that are looked for as translations: the word that each translates, and what it is translated by.

        Terms that have no number yet are given one.
        """
        if model.lexicon is None:
            return {}
        first = {word: at for at, word in reversed(list(enumerate(self._words))) if self._squares[at]}
        found = expanded(Counter(self._words), model.lexicon)
        pairs = [(first[each.source], word) for word, each in found.items() if each.source in first]
        known = model.statistics.known([word for _, word in pairs])
        terms = [numbers.setdefault(term_of(word), len(numbers)) for word in known]
        return dict(zip(terms, pairs, strict=True))

    def _phrase(self, run: _Run, share: float, text: Shown) -> Phrase:
        start, end = self._starts[run.first], self._ends[run.behind - 1]
        if run.term >= self._own:
            said = f"{self._text.original[start:end]}→{text.original[run.start : run.end]}"
        else:
            start, end = self._text.widened(start, end, text, run.start)
            said = self._text.original[start:end]
        heaviest = run.first
        if run.behind > run.first + 1:
            heaviest = max(range(run.first, run.behind), key=lambda at: (self._squares[at], self._words[at]))
        evidence = self._text.sentence(self._starts[heaviest]), text.sentence(run.start)
        return Phrase(said, text.field(run.start), share, *evidence)

    def _weightiest(self, parts: Integers, text: Shown, most: int) -> list[tuple[_Run, int]]:
        """The weightiest runs with their parts, each term counted in one of them only; of equal ones the first."""
        starts, ends, terms, _ = self._columns
        runs = kernels.runs(self._text.points, starts, ends, terms, parts, text.points)
        if self._translated or (runs[:, kernels.START] == kernels.NOWHERE).any():
            found = [*self._found(runs, text), *self._by_translation(parts, text)]
            runs = np.array(found, dtype=np.int64).reshape(len(found), len(_Run._fields))
        chosen = kernels.weightiest(runs, terms, parts, most)
        rows = runs[chosen[:, 0]].tolist()
        return [(_Run(*row), part) for row, part in zip(rows, chosen[:, 1].tolist(), strict=True)]

    def _found(self, runs: Integers, text: Shown) -> Iterator[_Run]:
        """Those of the runs that stand in the result, though it be written otherwise than in the need."""
        found: set[int] = set()
        for run in map(_Run._make, runs.tolist()):
            if run.term in found:
                continue  # once is enough: it is counted where it stands first
            if run.start != kernels.NOWHERE:
                yield run
            elif where := text.find_word(self._words[run.first]):
                found.add(run.term)
                yield run._replace(start=where[0], end=where[1])

    def _by_translation(self, parts: Integers, text: Shown) -> Iterator[_Run]:
        for term, (at, translation) in self._translated.items():
            is_there = term >= self._own and parts[term] != kernels.ABSENT
            if is_there and (where := text.find_word(translation)):
                yield _Run(at, at + 1, *where, int(parts[term]), term)

    def _missing(self, parts: Integers, text: Shown, most: int) -> tuple[Phrase, ...]:
        """The weightiest runs of words that the result has neither itself nor translated."""
        weightiest = kernels.gaps(*self._columns, self._worths, parts, self._covering, 4 * most)
        gaps: list[Phrase] = []
        told: set[int] = set()
        for _, first, behind in weightiest.tolist():
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


def _integers(values: Sequence[int]) -> Integers:
    return np.fromiter(values, np.int64, len(values))
