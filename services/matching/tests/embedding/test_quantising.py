"""Vectors in one byte a dimension."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.embedding.quantising import cosine_int8, quantise


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 256, 1024]))
def test_the_cosine_is_kept_to_one_hundredth_and_is_symmetric(seed: int, dimensions: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, dimensions)).astype(np.float32)
    true = float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    (found,) = cosine_int8(quantise(one), [quantise(other)])
    assert found == pytest.approx(true, abs=0.02 if dimensions == 8 else 0.01)
    assert cosine_int8(quantise(other), [quantise(one)])[0] == found
    assert -1 <= found <= 1


def test_a_vector_is_nearest_to_itself_and_absence_is_no_nearness() -> None:
    one, other = (quantise(each) for each in np.eye(2, 16, dtype=np.float32))
    assert cosine_int8(one, [one, b"", other]).tolist() == [pytest.approx(1), 0, 0]
    assert cosine_int8(b"", [one]).tolist() == [0]
    assert cosine_int8(one, []).tolist() == []


def test_vectors_of_two_spaces_are_not_compared() -> None:
    with pytest.raises(ValueError, match="space"):
        cosine_int8(b"\x01\x02", [b"\x01\x02\x03"])


@pytest.mark.parametrize("vector", [np.zeros(4, np.float32), np.zeros(0, np.float32), np.full(4, np.nan, np.float32)])
def test_what_has_no_direction_is_not_quantised(vector: np.ndarray) -> None:
    with pytest.raises(ValueError, match="direction"):
        quantise(vector)
