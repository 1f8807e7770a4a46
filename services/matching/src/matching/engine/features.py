"""What a need and a result have in common, as figures: the features from which a probability is made.

Everything is worked out for many pairs at once, and in whole numbers until the last division, so that a pair gets the
same figures, to the last digit, whichever side it was found from and whoever stood beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.engine.layout import Integers, Vectors
from matching.engine.model import COVERAGES, FACETS, KINDS
from matching.engine.statistics import PAIR_MOST_LEVEL, SQUARE, SQUARES
from matching.engine.vectors import (
    ALSO_PAIR,
    IN_BODY,
    IN_KEYWORDS,
    IN_TITLE,
    LOG_ASKED,
    LOG_OFFERED,
    LOG_STEPS,
    MASS_UNIT,
    saturation,
)
from matching.engine.vocabulary import Word

type Floats = npt.NDArray[np.float64]
type Features = Mapping[str, Floats]

SHARE_STEPS: Final = 1023
"""Steps of a saturation."""
_UNITS: Final = ("word", "pair")
_SCALES: Final = SQUARE * np.array([[SHARE_STEPS], [LOG_STEPS**2], [1], [1], [1], [1]], dtype=np.float64)
"""By which sums in whole numbers exceed what they mean, by kind of coverage."""
OTHER_TERM: Final = 1 << 16
_TRL_MOST: Final = 4
_YEARS_MOST: Final = 5.0
_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True)
class Hits:
    """One entry for each term that a need and a result share: whose pair it is, and what both sides say of it."""

    owner: Integers
    need: Integers
    """The need's code of the term."""
    result: Integers
    """The result's code of the term."""
    terms: Integers
    """Which term it is: see `term_of`; for pairs of characters nothing but a number."""
    steps: Integers
    """How fully the result covers it, in SHARE_STEPS."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What the query (one need, or one result) has in common with each candidate."""

    words: Hits
    pairs: Hits
    sectors: Integers
    """Owners of shared sectors."""
    modes: Integers


@dataclass(frozen=True, slots=True)
class _Found:
    """Places among the candidates where anything of the query may stand, by section."""

    at: Integers
    owner: Integers
    keys: Integers
    codes: Integers
    is_term: npt.NDArray[np.bool_]
    section: Integers
    """0 pairs, 1 words that are pairs, 2 other words."""


class _Query:
    """One vector, ready to be looked up in: by section, a table from key to code + 1."""

    def __init__(self, vector: Vectors) -> None:
        header = vector.header[0]
        begin = int(vector.facet_begins[0])
        sectors, modes = int(header["sectors"]), int(header["modes"])
        self.sectors = vector.flat[begin : begin + sectors]
        self.modes = vector.flat[begin + sectors : begin + sectors + modes]
        self.sieve = np.zeros(1 << 16, dtype=np.bool_)
        self.sieve[vector.flat[begin : begin + sectors + modes]] = True
        self.tables: list[npt.NDArray[np.int16]] = []
        at, code_at = int(vector.term_begins[0]), 0
        for name in ("pairs", "pair_words", "words"):
            count = int(header[name])
            keys = vector.flat[at : at + count]
            table = np.zeros(1 << 16, dtype=np.int16)
            table[keys] = vector.codes[code_at : code_at + count].astype(np.int16) + 1
            self.sieve[keys] = True
            self.tables.append(table)
            at, code_at = at + count, code_at + count


def _found(query: _Query, many: Vectors) -> _Found:
    """Few terms of a candidate are in the query, and most of what lies between the terms is not: sieve all of it."""
    at = np.flatnonzero(query.sieve.take(many.flat, mode="clip"))
    owner = np.searchsorted(many.begins, at, side="right") - 1
    place = at - many.term_begins[owner]
    pairs, pair_words = many.header["pairs"].astype(np.int64), many.header["pair_words"].astype(np.int64)
    ends = pairs + pair_words + many.header["words"]
    is_term = (place >= 0) & (place < ends[owner])
    section = (place >= pairs[owner]).astype(np.int64) + (place >= (pairs + pair_words)[owner])
    places = np.where(is_term, at - many.gaps[owner], 0)
    codes = many.codes[places].astype(np.int64) if len(many.codes) else np.zeros(len(at), np.int64)
    return _Found(at, owner, many.flat[at].astype(np.int64), codes, is_term, section)


def _facet_owners(query: _Query, many: Vectors, found: _Found) -> tuple[Integers, Integers]:
    if not query.sectors.size and not query.modes.size:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    place = found.at - many.facet_begins[found.owner]
    sectors = many.header["sectors"].astype(np.int64)[found.owner]
    is_sector = (place >= 0) & (place < sectors)
    is_mode = (place >= sectors) & ~found.is_term & (found.at < many.term_begins[found.owner])
    return (
        found.owner[is_sector & np.isin(found.keys, query.sectors)],
        found.owner[is_mode & np.isin(found.keys, query.modes)],
    )


def meet_results(need: Vectors, results: Vectors) -> Meeting:
    """Compare one need with many results."""
    query = _Query(need)
    found = _found(query, results)
    pairs, pair_words, words = (table[found.keys].astype(np.int64) - 1 for table in query.tables)
    in_pairs, in_words = found.is_term & (found.section == 0), found.is_term & (found.section == 2)
    as_pair = in_pairs & (pairs >= 0)
    as_pair_word, as_word = in_pairs & (pair_words >= 0), in_words & (words >= 0)
    return _meeting(
        found,
        _facet_owners(query, results, found),
        [(as_pair_word, pair_words, found.codes), (as_word, words, found.codes)],
        (as_pair, pairs, found.codes),
        results,
    )


def meet_needs(needs: Vectors, result: Vectors) -> Meeting:
    """Compare many needs with one result."""
    query = _Query(result)
    found = _found(query, needs)
    pairs, _, words = (table[found.keys].astype(np.int64) - 1 for table in query.tables)
    as_pair = found.is_term & (found.section == 0) & (pairs >= 0)
    as_pair_word = found.is_term & (found.section == 1) & (pairs >= 0)
    as_word = found.is_term & (found.section == 2) & (words >= 0)
    return _meeting(
        found,
        _facet_owners(query, needs, found),
        [(as_pair_word, found.codes, pairs), (as_word, found.codes, words)],
        (as_pair, found.codes, pairs),
        result,
    )


type _Part = tuple[npt.NDArray[np.bool_], Integers, Integers]


def _meeting(
    found: _Found, facets: tuple[Integers, Integers], words: Sequence[_Part], pairs: _Part, results: Vectors
) -> Meeting:
    """Put the hits together; a Latin run counts as a word and among the pairs."""
    pair_words, others = (_hits(found, *part) for part in words)
    others[3] |= OTHER_TERM
    owner, need, result, terms = others
    latin = np.flatnonzero(need & ALSO_PAIR)
    among = need[latin]
    levels = np.minimum(among >> 2 & 31, PAIR_MOST_LEVEL)
    also = [owner[latin], levels << 2 | among & 3, result[latin], terms[latin]]
    return Meeting(_joined(pair_words, others, results, 0), _joined(_hits(found, *pairs), also, results, 1), *facets)


def _hits(found: _Found, where: npt.NDArray[np.bool_], need: Integers, result: Integers) -> list[Integers]:
    at = np.flatnonzero(where)
    return [found.owner[at], need[at], result[at], found.keys[at]]


def _joined(one: Sequence[Integers], other: Sequence[Integers], results: Vectors, number: int) -> Hits:
    owner, need, result, terms = (np.concatenate(parts) for parts in zip(one, other, strict=True))
    return Hits(owner, need, result, terms, _steps(owner, result, results, number))


def term_of(word: Word) -> int:
    """Return the number by which `Hits.terms` calls a word."""
    return word.key if word.is_pair else word.key | OTHER_TERM


def word_parts(words: Hits) -> Integers:
    """Return what each shared word adds to the coverage of the need: a share of its mass, in squares of a step of
    weight times SHARE_STEPS.
    """
    parts: Integers = SQUARES[words.need >> 2 & 31] * (words.need & 3) * words.steps
    return parts


def absolute(meeting: Meeting, needs: Vectors, results: Vectors) -> dict[str, Floats]:
    """Return the features of every pair; one of the two sides may stand alone."""
    pairs = max(len(needs), len(results)) if len(needs) and len(results) else 0
    features: dict[str, Floats] = {}
    for number, name in enumerate(_UNITS):
        features |= _coverages(name, number, meeting.pairs if number else meeting.words, needs, results, pairs)
    features["cosine"] = _cosines(needs, results, pairs)
    return features | _facet_features(meeting, needs, results, pairs)


def _steps(owner: Integers, codes: Integers, results: Vectors, number: int) -> Integers:
    """How fully results cover the terms they share, in SHARE_STEPS; `number` tells words (0) from pairs (1)."""
    short, long = results.header["short_lengths"], results.header["lengths"]
    lengths = np.empty((len(results), 3))
    lengths[:, 0], lengths[:, 1:] = short[:, number], long[:, 2 * number : 2 * number + 2]
    value = saturation(lengths[owner if len(results) > 1 else np.zeros_like(owner)], codes, number)
    return np.rint(value * SHARE_STEPS).astype(np.int64)


def _coverages(name: str, number: int, hits: Hits, needs: Vectors, results: Vectors, pairs: int) -> dict[str, Floats]:
    """What is shared by words or by pairs; `number` is the place of their masses in the headers."""
    worth = SQUARES[hits.need >> 2 & 31]
    asked = worth * (hits.need & 3)
    values = np.empty((len(_SCALES), len(worth)))
    values[0] = asked * hits.steps
    values[1] = worth * LOG_ASKED[hits.need] * LOG_OFFERED[hits.result]
    values[2] = asked * ((hits.result & IN_TITLE) > 0)
    values[3] = asked * ((hits.result & IN_KEYWORDS) > 0)
    values[4] = asked * IN_BODY[hits.result]
    values[5] = worth
    owners = (hits.owner + pairs * np.arange(len(_SCALES))[:, None]).ravel()
    sums = np.bincount(owners, weights=values.ravel(), minlength=pairs * len(_SCALES)).reshape(len(_SCALES), pairs)
    told, offered = (side.header["masses"].astype(np.float64) for side in (needs, results))
    whole = np.empty((len(_SCALES), pairs))
    whole[:] = told[:, number] * MASS_UNIT
    whole[1] = told[:, 2 + number] * offered[:, 2 + number]
    whole[5] = offered[:, number] * MASS_UNIT
    whole *= _SCALES
    shares = np.minimum(1.0, np.divide(sums, whole, out=np.zeros_like(whole), where=whole > 0))
    return {f"{name}{kind}": share for kind, share in zip(KINDS, shares, strict=True)}


def local(meeting: Meeting, needs: Vectors, results: Vectors) -> dict[str, Floats]:
    """Return the coverages once more, terms that fewer of the results beside it have weighing more.

    They depend on everything the results stand beside, and so may order a list but not decide what is proposed. One
    result beside many needs stands alone beside each.
    """
    pairs, many = max(len(needs), len(results)), len(results)
    features: dict[str, Floats] = {}
    for number, name in enumerate(_UNITS):
        hits = meeting.pairs if number else meeting.words
        held = _times(hits.terms) if many > 1 else np.ones_like(hits.owner)
        rare = np.rint(np.log(1 + (many - held + 0.5) / (held + 0.5)) * SHARE_STEPS).astype(np.int64)
        values = SQUARES[hits.need >> 2 & 31] * (hits.need & 3) * hits.steps * rare
        whole = needs.header["masses"][:, number].astype(np.float64) * (MASS_UNIT * SHARE_STEPS * SHARE_STEPS * SQUARE)
        features[f"{name}_local"] = np.bincount(hits.owner, weights=values, minlength=pairs) / whole
    return features


def _times(terms: Integers) -> Integers:
    """How often each of them is among them."""
    order = np.argsort(terms)
    ordered = terms[order]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(terms)), np.bool_), ordered[1:] != ordered[:-1]]))
    counts = np.diff(begins, append=len(terms))
    times = np.empty_like(terms)
    times[order] = np.repeat(counts, counts)
    return times


def _facet_features(meeting: Meeting, needs: Vectors, results: Vectors, pairs: int) -> dict[str, Floats]:
    """Facts compared; whatever one of the two does not say is 0."""
    nothing = np.zeros(pairs)
    features = dict.fromkeys(FACETS, nothing)
    asked, offered = needs.header, results.header
    if asked["sectors"].any() and offered["sectors"].any():
        same = np.bincount(meeting.sectors, minlength=pairs) > 0
        features["sector_same"] = same.astype(np.float64)
        features["sector_other"] = (((asked["schemes"] & offered["schemes"]) > 0) & ~same).astype(np.float64)
    if asked["modes"].any() and offered["modes"].any():
        told = (asked["modes"] > 0) & (offered["modes"] > 0)
        features["mode_none"] = (told & (np.bincount(meeting.modes, minlength=pairs) == 0)).astype(np.float64)
    if asked["fen"].max(initial=-1) >= 0 and offered["fen"].max(initial=-1) >= 0:
        over = (asked["fen"] >= 0) & (offered["fen"] > asked["fen"])
        features["price_over"] = over.astype(np.float64)
    for field, name, compare in _COMPARED:
        if asked[field].any() and offered[field].any():
            wanted, has = asked[field].astype(np.float64), offered[field].astype(np.float64)
            features[name] = np.where((wanted > 0) & (has > 0), compare(wanted, has), 0.0)
    return features


type _Compare = Callable[[Floats, Floats], Floats]


def _missing_levels(wanted: Floats, has: Floats) -> Floats:
    return np.clip(wanted - has, 0, _TRL_MOST)


def _years_before(asked: Floats, confirmed: Floats) -> Floats:
    return np.clip((asked - confirmed) / _YEAR, 0, _YEARS_MOST)


def _same_prefecture(one: Floats, other: Floats) -> Floats:
    return np.asarray(one // 100 == other // 100, dtype=np.float64)


_COMPARED: Final[tuple[tuple[str, str, _Compare], ...]] = (
    ("trl", "trl_missing", _missing_levels),
    ("confirmed", "years_stale", _years_before),
    ("region", "region_same", _same_prefecture),
)


def _cosines(needs: Vectors, results: Vectors, pairs: int) -> Floats:
    """Cosines of the embeddings, 0 where either has none or they live in different spaces."""
    cosines = np.zeros(pairs)
    if not needs.header["embedding"].any() or not results.header["embedding"].any():
        return cosines
    for at in range(pairs):
        need = needs.embedding(at if len(needs) > 1 else 0)
        result = results.embedding(at if len(results) > 1 else 0)
        if need and result and need.space == result.space and len(need.values) == len(result.values):
            cosines[at] = cosine(need.values, result.values)
    return cosines


def cosine(left: bytes, right: bytes) -> float:
    """Return the cosine of two vectors of small whole numbers."""
    a, b = (np.frombuffer(values, dtype=np.int8).astype(np.int64) for values in (left, right))
    length = float(np.sqrt(float(a @ a) * float(b @ b)))
    return float(a @ b) / length if length else 0.0


def relative(features: Features, among: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Return each coverage as a share of the best among some of the pairs of one need, at most 1."""
    values = np.stack([features[name] for name in COVERAGES])
    best = values[:, among].max(axis=1) if among.any() else values.max(axis=1, initial=0.0)
    shares = np.divide(values, best[:, None], out=np.ones_like(values), where=best[:, None] > 0)
    return {f"{name}_of_best": share for name, share in zip(COVERAGES, np.minimum(1.0, shares), strict=True)}
