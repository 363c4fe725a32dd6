"""The shape of a series: equal to the plain twin, and the numbers that hand-made shapes must have."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.shape import describe, newest
from tests import naive
from tests.strategies import blocks


def run(values: np.ndarray, m1: int = 4, m2: int = 12, most: int = 256, seasons: int = 99) -> np.ndarray:
    known = ~np.isnan(values)
    first = np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1]).astype(np.int64)
    out = np.empty((len(values), 8))
    describe(values, first, m1, m2, seasons, most, out)
    return out


@given(values=blocks(), seasons=st.sampled_from([(1, 1), (4, 12), (7, 1)]), most=st.sampled_from([6, 256]))
def test_equals_the_plain_twin(values: np.ndarray, seasons: tuple[int, int], most: int) -> None:
    """All eight numbers; the shares of variance only where the variance is more than rounding."""
    got = run(values, *seasons, most, 3)
    for s in range(len(values)):
        row = values[s, int(np.argmax(~np.isnan(values[s]))) :].tolist()
        want = naive.describe(row, *seasons, 3, most)
        np.testing.assert_allclose(got[s, [0, 1, 2, 5, 6, 7]], [want[i] for i in (0, 1, 2, 5, 6, 7)], rtol=1e-9)
        if want[1] > 1e-9 * want[2]:
            np.testing.assert_allclose(got[s, 3:5], want[3:5], rtol=1e-6, atol=1e-6)


def test_a_repeating_series_is_explained_by_its_season() -> None:
    """1 2 3 9 again and again: all variance repeats with 4, and with 12 as its multiple."""
    got = run(np.tile([1.0, 2.0, 3.0, 9.0], 9)[None, :])[0]
    np.testing.assert_allclose(got[3:5], 1.0)


def test_a_sawtooth_has_large_drops_and_rises_often() -> None:
    """Six rises by 1 and a drop by 6, three times: the last tooth does not fall, 18 of 20 steps rise."""
    got = run(np.tile(np.arange(7.0), 3)[None, :])[0]
    assert got[:3].tolist() == [0.0, 6.0, 6.0]
    assert got[5] == 2.0
    np.testing.assert_allclose(got[6], 18 / 20)


def test_missing_steps_are_counted_from_the_first_known_one() -> None:
    """NaN on the left is no gap; two of five steps are missing after it."""
    nan = np.nan
    got = run(np.array([[nan, nan, 1.0, nan, nan, 2.0, 3.0], [nan] * 7]))
    np.testing.assert_allclose(got[:, 0], [2 / 5, 1.0])


def stand(
    values: np.ndarray,
    window: int = 6,
    k: int = 2,
    n: int = 3,
    ceiling: float = np.inf,
) -> np.ndarray:
    known = ~np.isnan(values)
    columns = values.shape[1]
    first = np.where(known.any(axis=1), known.argmax(axis=1), columns).astype(np.int64)
    last = (columns - 1 - known[:, ::-1].argmax(axis=1)).astype(np.int64)
    out = np.empty((len(values), 3))
    newest(values, first, last, window, k, n, np.full(len(values), ceiling), out)
    return out


@given(values=blocks(), window=st.integers(1, 50), rule=st.sampled_from([(1, 1), (2, 3), (3, 3)]))
def test_newest_equals_the_plain_twin(values: np.ndarray, window: int, rule: tuple[int, int]) -> None:
    """Where a series stands: bitwise for the two levels, counted for the share."""
    got = stand(values, window, *rule, ceiling=50.0)
    want = [naive.newest(row.tolist(), window, *rule, 50.0) for row in values]
    np.testing.assert_array_equal(got[:, :2], [w[:2] for w in want])
    np.testing.assert_allclose(got[:, 2], [w[2] for w in want], rtol=1e-12)


def test_newest_by_hand() -> None:
    """Of the last six 4 9 1 7 3 are known, whose nearest rank of .95 is 9; 7 . 3 holds 3; 2 of 6 exceed 6."""
    nan = np.nan
    got = stand(np.array([[5.0, 4.0, 9.0, 1.0, 7.0, nan, 3.0, nan], [nan] * 8]), window=7, ceiling=6.0)
    np.testing.assert_allclose(got, [[9.0, 3.0, 2 / 6], [nan] * 3])
