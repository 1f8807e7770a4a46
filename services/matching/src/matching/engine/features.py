"""What a need and a result have in common, as figures: the features from which a probability is made.

Everything is worked out for many pairs at once, and in whole numbers until the last division, so that a pair gets the
same figures, to the last digit, whichever side it was found from and whoever stood beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.engine.layout import Integers, Vectors
from matching.engine.model import COVERAGES
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
    PAIR_NORMS,
    WORD_NORMS,
    saturations,
)
from matching.engine.vocabulary import Word

type Floats = npt.NDArray[np.float64]
type Features = Mapping[str, Floats]

SHARE_STEPS: Final = 1023
"""Steps of a saturation."""
_UNITS: Final = (("word", WORD_NORMS), ("pair", PAIR_NORMS))
OTHER_TERM: Final = 1 << 16
_TRL_MOST: Final = 4
_YEARS_MOST: Final = 5.0


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
    at = np.flatnonzero(query.sieve[many.flat])
    owner = np.repeat(np.arange(len(many), dtype=np.int64), many.sizes)[at]
    place = at - many.term_begins[owner]
    pairs, pair_words = many.header["pairs"].astype(np.int64), many.header["pair_words"].astype(np.int64)
    ends = pairs + pair_words + many.header["words"]
    is_term = (place >= 0) & (place < ends[owner])
    section = (place >= pairs[owner]).astype(np.int64) + (place >= (pairs + pair_words)[owner])
    places = np.where(is_term, at - many.gaps[owner], 0)
    codes = many.codes[places].astype(np.int64) if len(many.codes) else np.zeros(len(at), np.int64)
    return _Found(at, owner, many.flat[at].astype(np.int64), codes, is_term, section)


def _facet_owners(query: _Query, many: Vectors, found: _Found) -> tuple[Integers, Integers]:
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
    )


type _Part = tuple[npt.NDArray[np.bool_], Integers, Integers]


def _meeting(found: _Found, facets: tuple[Integers, Integers], words: Sequence[_Part], pairs: _Part) -> Meeting:
    """Put the hits together; a Latin run counts as a word and among the pairs."""
    pair_words, others = (_hits(found, *part) for part in words)
    others = Hits(others.owner, others.need, others.result, others.terms | OTHER_TERM)
    latin = np.flatnonzero(others.need & ALSO_PAIR)
    need = others.need[latin]
    levels = np.minimum(need >> 2 & 31, PAIR_MOST_LEVEL)
    also = Hits(others.owner[latin], levels << 2 | need & 3, others.result[latin], others.terms[latin])
    return Meeting(_joined(pair_words, others), _joined(_hits(found, *pairs), also), *facets)


def _hits(found: _Found, where: npt.NDArray[np.bool_], need: Integers, result: Integers) -> Hits:
    at = np.flatnonzero(where)
    return Hits(found.owner[at], need[at], result[at], found.keys[at])


def _joined(one: Hits, other: Hits) -> Hits:
    return Hits(
        np.concatenate([one.owner, other.owner]),
        np.concatenate([one.need, other.need]),
        np.concatenate([one.result, other.result]),
        np.concatenate([one.terms, other.terms]),
    )


def term_of(word: Word) -> int:
    """Return the number by which `Hits.terms` calls a word."""
    return word.key if word.is_pair else word.key | OTHER_TERM


def word_parts(words: Hits, results: Vectors) -> Integers:
    """Return what each shared word adds to the coverage of the need: a share of its mass, in steps of weight times
    SHARE_STEPS.
    """
    steps = _saturation_steps(results, WORD_NORMS, 0)
    parts: Integers = SQUARES[words.need >> 2 & 31] * (words.need & 3) * steps[words.owner, words.result]
    return parts


def absolute(meeting: Meeting, needs: Vectors, results: Vectors) -> dict[str, Floats]:
    """Return the features of every pair; one of the two sides may stand alone."""
    features: dict[str, Floats] = {}
    for number, (name, norms) in enumerate(_UNITS):
        hits = meeting.pairs if number else meeting.words
        features |= _coverages(name, hits, needs, results, _saturation_steps(results, norms, number), number)
    pairs = max(len(needs), len(results)) if len(needs) and len(results) else 0
    features["cosine"] = _cosines(needs, results, pairs)
    return features | _facet_features(meeting, needs, results, pairs)


def _saturation_steps(results: Vectors, norms: tuple[Floats, Floats], at: int) -> Integers:
    short, long = results.header["short_lengths"], results.header["lengths"]
    lengths = np.stack([short[:, at], long[:, 2 * at], long[:, 2 * at + 1]], axis=1).astype(np.float64)
    return np.rint(saturations(lengths, norms) * SHARE_STEPS).astype(np.int64)


def _coverages(
    name: str, hits: Hits, needs: Vectors, results: Vectors, steps: Integers, number: int
) -> dict[str, Floats]:
    """What is shared by words or by pairs; `number` is the place of their masses in the headers."""
    pairs = max(len(needs), len(results)) if len(needs) and len(results) else 0
    result_of = hits.owner if len(results) > 1 else np.zeros_like(hits.owner)
    worth = SQUARES[hits.need >> 2 & 31]
    asked = worth * (hits.need & 3)

    def summed(values: Integers, scale: float, whole: Floats) -> Floats:
        sums = np.bincount(hits.owner, weights=values, minlength=pairs) / (scale * SQUARE)
        shares = np.divide(sums, whole, out=np.zeros(pairs), where=whole > 0)
        return np.asarray(np.minimum(1.0, shares), dtype=np.float64)

    told, offered = (side.header["masses"].astype(np.float64) for side in (needs, results))
    mass, length = told[:, number] * MASS_UNIT, told[:, 2 + number] * offered[:, 2 + number]
    return {
        name: summed(asked * steps[result_of, hits.result], SHARE_STEPS, mass),
        f"{name}_cosine": summed(worth * LOG_ASKED[hits.need] * LOG_OFFERED[hits.result], LOG_STEPS**2, length),
        f"{name}_title": summed(asked * ((hits.result & IN_TITLE) > 0), 1, mass),
        f"{name}_keywords": summed(asked * ((hits.result & IN_KEYWORDS) > 0), 1, mass),
        f"{name}_body": summed(asked * IN_BODY[hits.result], 1, mass),
        f"{name}_reverse": summed(worth, 1, offered[:, number] * MASS_UNIT),
    }


def local(meeting: Meeting, needs: Vectors, results: Vectors) -> dict[str, Floats]:
    """Return the coverages once more, terms that fewer of the results beside it have weighing more.

    They depend on everything the results stand beside, and so may order a list but not decide what is proposed. One
    result beside many needs stands alone beside each.
    """
    pairs, many = max(len(needs), len(results)), len(results)
    features: dict[str, Floats] = {}
    for number, (name, norms) in enumerate(_UNITS):
        hits = meeting.pairs if number else meeting.words
        result_of = hits.owner if many > 1 else np.zeros_like(hits.owner)
        held = np.bincount(hits.terms, minlength=1)[hits.terms] if many > 1 else np.ones_like(hits.owner)
        rare = np.rint(np.log(1 + (many - held + 0.5) / (held + 0.5)) * SHARE_STEPS).astype(np.int64)
        steps = _saturation_steps(results, norms, number)[result_of, hits.result]
        values = SQUARES[hits.need >> 2 & 31] * (hits.need & 3) * steps * rare
        mass = needs.header["masses"][:, number].astype(np.float64) * MASS_UNIT
        features[f"{name}_local"] = np.bincount(hits.owner, weights=values, minlength=pairs) / (
            SHARE_STEPS * SHARE_STEPS * SQUARE * mass
        )
    return features


def _facet_features(meeting: Meeting, needs: Vectors, results: Vectors, pairs: int) -> dict[str, Floats]:
    """Facts compared; whatever one of the two does not say is 0."""

    def both(name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.bool_]]:
        need, result = needs.column(name), results.column(name)
        return need, result, (need > 0) & (result > 0)

    same_sector = np.bincount(meeting.sectors, minlength=pairs) > 0
    schemes = (needs.header["schemes"] & results.header["schemes"]) > 0
    modes = both("modes")[2] & (np.bincount(meeting.modes, minlength=pairs) == 0)
    trl, trl_has, trl_known = both("trl")
    confirmed, confirmed_has, dated = both("confirmed")
    region, region_has, located = both("region")
    budget, price = needs.column("fen"), results.column("fen")
    return {
        "sector_same": same_sector.astype(np.float64),
        "sector_other": (schemes & ~same_sector).astype(np.float64),
        "mode_none": modes.astype(np.float64),
        "trl_missing": np.where(trl_known, np.clip(trl - trl_has, 0, _TRL_MOST), 0.0),
        "price_over": ((budget >= 0) & (price >= 0) & (price > budget)).astype(np.float64),
        "region_same": (located & (region // 100 == region_has // 100)).astype(np.float64),
        "years_stale": np.where(dated, np.clip((confirmed - confirmed_has) / 365.25, 0, _YEARS_MOST), 0.0),
    }


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
    shares: dict[str, Floats] = {}
    for name in COVERAGES:
        values = features[name]
        best = float(values[among].max()) if among.any() else float(values.max(initial=0.0))
        shares[f"{name}_of_best"] = np.minimum(1.0, values / best) if best > 0 else np.ones_like(values)
    return shares
