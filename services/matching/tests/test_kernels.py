"""The compiled loops against plain Python that is slow and obviously right."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine import kernels
from matching.engine.analyzer import fold, is_han, words
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.statistics import level_of
from matching.engine.tables import table
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


def test_every_word_that_is_exchanged_is_exchanged_wherever_it_stands() -> None:
    data = table("cross_strait")
    forms = [
        pair.partition("=")[0] for part in ("anywhere", "whole", "traditional") for pair in data[part]["words"].split()
    ]
    assert len(forms) > 50
    for form in forms:
        for title in (form, f"新型{form}", f"{form}方法", f"a{form}，{form[:2]}和{form[-2:]}", form[:-1]):
            terms = MODEL.statistics.read(Text.of(Item("x", title)))
            times = kernels.times(terms.facts, terms.first_word).tolist()
            assert dict(zip(terms.words, times, strict=True)) == Counter(words(title)), title


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
