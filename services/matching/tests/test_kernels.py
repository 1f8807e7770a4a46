"""The compiled loops against plain Python that is slow and obviously right."""

from collections import Counter
from itertools import groupby, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine import kernels
from matching.engine.analyzer import fold, is_han, words
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.statistics import level_of
from matching.engine.texts import Text, pair_key, pair_of

MODEL = Model.shipped()
ALPHABET = (
    "储能变流器激光焊接气孔的 。，SiO2-5%μ\n\u200b😀\x00abc〇㐀𠀀智慧程式繁體品质资料\ud800½①ｱﾞが한Σς\u0301Å；（）|"
)
TEXT = st.text(alphabet=st.sampled_from(ALPHABET), max_size=80) | st.text(max_size=40)


@given(TEXT, TEXT, TEXT)
@settings(deadline=None)
def test_a_text_is_folded_and_cut_as_the_analyzer_does(title: str, keywords: str, body: str) -> None:
    text = Text.of(Item("x", title, (keywords,), (body,)))
    expected = Counter(word for field in (title, keywords, body) for word in words(field))
    terms = MODEL.statistics.read(text)
    times = kernels.times(terms.facts, terms.first_word).tolist()
    assert dict(zip(terms.words, times, strict=True)) == expected
    if not any(map(is_han, words(title))):
        assert text.fields[0] == fold(title)


@given(TEXT, TEXT, TEXT)
@settings(deadline=None)
def test_pairs_their_counts_and_levels(title: str, keywords: str, body: str) -> None:
    text = Text.of(Item("x", title, (keywords,), (body,)))
    expected: Counter[int] = Counter()
    for at, field in enumerate(text.fields):
        for pair in map("".join, pairwise(field)):
            if all(map(is_han, pair)):
                expected[pair_key(pair)] += 1 << (2 - at) * kernels.COUNT_BITS
    terms = MODEL.statistics.read(text)
    pairs = terms.facts[:, : terms.first_word]
    assert dict(zip(pairs[kernels.KEYS].tolist(), pairs[kernels.COUNTS].tolist(), strict=True)) == expected
    assert pairs[kernels.KEYS].tolist() == sorted(expected)
    weighed = [level_of(MODEL.statistics.pair_weight(pair_of(code))) for code in terms.codes.tolist()]
    assert pairs[kernels.LEVELS].tolist() == weighed


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(0, 255)), max_size=2_000))
@settings(deadline=None)
def test_terms_are_grouped_by_section_and_code(terms: list[tuple[int, int, int]]) -> None:
    numbers = np.array(sorted(s << 24 | key << 8 | code for s, key, code in terms), dtype=np.int64)
    first: dict[tuple[int, int], int] = {}
    for section, key, code in sorted(terms):
        first.setdefault((section, key), code)
    ordered = sorted((section, code, key) for (section, key), code in first.items())
    told: list[int] = []
    for (_, code), group in groupby(ordered, key=lambda each: each[:2]):
        left = len(list(group))
        while left:
            told += [code, min(left, 255)]
            left -= told[-1]
    sections, keys, segments = kernels.grouped(numbers)
    assert keys.tolist() == [key for _, _, key in ordered]
    assert segments.tolist() == told
    assert sections.tolist() == [sum(section == number for section, _, _ in ordered) for number in range(3)]
