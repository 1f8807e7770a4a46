"""Terms packed into a vector and out again: nothing is lost, and nothing else is taken for it."""

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine import packing
from matching.engine.kernels import KEY_BITS

KEYS = 1 << KEY_BITS
type Term = tuple[int, int, int]
"""Section, key, code."""


def numbers(terms: Sequence[Term]) -> packing.Integers:
    return np.array(sorted(s << (8 + KEY_BITS) | key << 8 | code for s, key, code in terms), dtype=np.int64)


def out_of(groups: int, flat: packing.Numbers, expected: int) -> list[tuple[int, int]] | None:
    keys, codes = np.empty(expected, np.int64), np.empty(expected, np.uint8)
    behind = np.append(flat, np.uint16(0xFFFF))
    size = packing.unpacked(behind, 0, groups, len(flat), keys, codes)
    return None if size < 0 else list(zip(keys[:size].tolist(), codes[:size].tolist(), strict=True))


def keys_of(most: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, most), st.integers(0, KEYS - 1), st.sampled_from([0, KEYS - 1]))


TERMS = st.lists(st.tuples(st.integers(0, 2), keys_of(900), st.sampled_from([1, 2, 130, 255])), max_size=1_500)


@given(TERMS)
@settings(deadline=None)
def test_what_is_packed_comes_out_by_section_and_code(terms: list[Term]) -> None:
    first: dict[tuple[int, int], int] = {}
    for section, key, code in sorted(terms):
        first.setdefault((section, key), code)
    expected = sorted((section, code, key) for (section, key), code in first.items())
    sections, groups, flat = packing.packed(numbers(terms))
    assert out_of(groups, flat, len(expected)) == [(key, code) for _, code, key in expected]
    assert sections.tolist() == [sum(section == number for section, _, _ in expected) for number in range(3)]


@given(TERMS.filter(bool), st.data())
@settings(deadline=None)
def test_what_was_cut_short_or_lengthened_is_not_taken_for_terms(terms: list[Term], data: st.DataObject) -> None:
    sections, groups, flat = packing.packed(numbers(terms))
    expected = int(sections.sum())
    kept = data.draw(st.integers(groups, len(flat) - 1))
    assert out_of(groups, flat[:kept], expected) is None
    assert out_of(groups, np.append(flat, np.uint16(0)), expected) is None
    assert out_of(groups, flat, expected - 1) is None  # more than there is room for


@given(st.lists(st.integers(0, 0xFFFF), max_size=80), st.integers(0, 10))
@settings(deadline=None)
def test_anything_else_ends_and_stays_within_bounds(data: list[int], groups: int) -> None:
    flat = np.array(data, dtype=np.uint16)
    found = out_of(min(groups, len(flat)), flat, 300)
    assert found is None or all(0 <= key < KEYS for key, _ in found)


def test_a_key_takes_little_more_than_it_must() -> None:
    drawn, count = np.random.default_rng(1), 200
    keys = drawn.choice(KEYS, count, replace=False).tolist()
    _, groups, flat = packing.packed(numbers([(0, key, 1) for key in keys]))
    least = math.lgamma(KEYS + 1) - math.lgamma(count + 1) - math.lgamma(KEYS - count + 1)
    assert 16 * (len(flat) - groups) < 1.05 * least / math.log(2)
