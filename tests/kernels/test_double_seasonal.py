"""Double-seasonal smoothing: equal to a twin that smooths from the start for every origin and cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.double_seasonal import double_seasonal, to_scale
from tests import naive
from tests.strategies import WHOLE, assert_close, blocks, sizes, some_origins

H = 9
CELLS = np.array([[0.0, 0.05, 0.3, 0.0], [0.1, 0.3, 0.05, 0.9], [0.4, 0.2, 0.0, 0.5]]).T.copy()


def run(values: np.ndarray, first: np.ndarray, back: np.ndarray, m1: int, m2: int, cells: np.ndarray) -> np.ndarray:
    out = np.empty((*back.shape, cells.shape[1], H))
    none = np.full(len(values), np.nan)
    scaled = np.full_like(values, np.nan)
    double_seasonal(values, scaled, first, back, m1, m2, cells, cells.shape[1], none, none, 0, out)
    return out


@given(values=blocks(WHOLE), seasons=st.sampled_from([(1, 1), (4, 1), (3, 12), (7, 21)]), seed=st.integers(0, 99))
def test_equals_the_plain_twin(values: np.ndarray, seasons: tuple[int, int], seed: int) -> None:
    """One pass for all origins and cells gives what one pass for each of them gives."""
    columns = values.shape[1]
    first = np.isnan(values).sum(axis=1)
    back = some_origins(columns, len(values), seed)
    got = run(values, first, back, *seasons, CELLS)
    want = np.full_like(got, np.nan)
    for s, o, c in np.ndindex(*got.shape[:3]):
        known = columns - back[s, o] - first[s]
        if back[s, o] >= 0 and known > 0:
            series = values[s, first[s] :].tolist()
            want[s, o, c] = naive.double_seasonal(series, known, *seasons, CELLS[:, c].tolist(), H)
    assert_close(got, want, sizes(values), 1e-7)


@given(
    seasons=st.sampled_from([(1, 1), (4, 1), (3, 12)]), high=st.sampled_from([np.inf, 120.0]), seed=st.integers(0, 99)
)
def test_scaled_cells_equal_the_plain_twin(seasons: tuple[int, int], high: float, seed: int) -> None:
    """Cells beyond the plain ones smooth logarithms above the low end, or logits, and come back as levels."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.0, 100.0, (3, 60))
    low = np.array([-1.0, -5.0, -0.01])
    scaled = np.log(values - low[:, None]) - (np.log(high - values) if high < np.inf else 0.0)
    first, back = np.array([0, 3, 20]), np.tile([0, 5, -1], (3, 1))
    for s in range(3):
        values[s, : first[s]] = scaled[s, : first[s]] = np.nan
    out = np.empty((*back.shape, 3, H))
    double_seasonal(values, scaled, first, back, *seasons, CELLS, 1, low, np.full(3, high), 0, out)
    for s, o, c in np.ndindex(3, 2, 3):
        source = values if c < 1 else scaled
        known = 60 - back[s, o] - first[s]
        want = np.array(naive.double_seasonal(source[s, first[s] :].tolist(), known, *seasons, CELLS[:, c].tolist(), H))
        if c >= 1:
            grown = np.exp(want)
            want = low[s] + ((high - low[s]) * grown / (1.0 + grown) if high < np.inf else grown)
        np.testing.assert_allclose(out[s, o, c], want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", [-720.0, -700.0, -1e-9, 0.0, 0.3465, 0.3466, 1.0, 88.7, 699.9, 720.0])
def test_exponentials_are_right_to_the_last_digits(level: float) -> None:
    """A season of one value that never changes comes back as its exponential, wherever it lies, cut at 700."""
    scaled = np.full((1, 8), level)
    out = np.empty((1, 1, 1, 2))
    ends = np.zeros(1), np.full(1, np.inf)
    first, back = np.zeros(1, np.int64), np.zeros((1, 1), np.int64)
    double_seasonal(scaled, scaled, first, back, 1, 1, CELLS[:, :1].copy(), 0, *ends, 0, out)
    np.testing.assert_allclose(out, np.exp(np.clip(level, -700.0, 700.0)), rtol=1e-14)


def test_one_smoothing_step_by_hand() -> None:
    """Season 1: level 2 from the first two values, then one value of 6 with alpha .5 and phi .5."""
    values = np.array([[1.0, 3.0, 6.0]])
    cells = np.array([[0.5], [0.0], [0.0], [0.5]])
    got = run(values, np.zeros(1, np.int64), np.zeros((1, 1), np.int64), 1, 1, cells)[0, 0, 0, :3]
    # level 2; 1: r = -1, e = -1, level 1.5; 3: r = 1.5, e = 1.5 + .5 = 2, level 2.5;
    # 6: r = 3.5, e = 3.5 - .75 = 2.75, level 3.875; then 3.875 + .5**k 3.5.
    assert got.tolist() == [3.875 + 1.75, 3.875 + 0.875, 3.875 + 0.4375]


def test_a_repeating_week_is_continued() -> None:
    """A series that repeats exactly is forecast exactly by every cell."""
    week = np.array([1.0, 5.0, 2.0, 8.0, 3.0, 3.0])
    values = np.tile(week, 6)[None, :]
    got = run(values, np.zeros(1, np.int64), np.array([[0, 7]]), 2, 6, CELLS)
    np.testing.assert_allclose(got[0, 0], np.tile(np.tile(week, 2)[:H], (3, 1)), atol=1e-12)
    np.testing.assert_allclose(got[0, 1], np.tile(np.roll(np.tile(week, 2), 1)[:H], (3, 1)), atol=1e-12)


@given(
    values=blocks(WHOLE), seed=st.integers(0, 99), lower=st.sampled_from([-np.inf, 0.0, -0.5]),
    upper=st.sampled_from([np.inf, 0.8, 2.0]),
)  # fmt: skip
def test_to_scale_equals_the_plain_twin(values: np.ndarray, seed: int, lower: float, upper: float) -> None:
    """The ends know what the oldest origin knew; beyond the first level outside of them there is nothing."""
    first = np.isnan(values).sum(axis=1)
    back = some_origins(values.shape[1], len(values), seed)
    low, high, scaled = np.empty(len(values)), np.empty(len(values)), np.empty_like(values)
    bounds = lower * sizes(values), upper * sizes(values)
    to_scale(values, first, back, *bounds, 0.01, scaled, low, high)
    for s in range(len(values)):
        history = values[s, first[s] :].tolist()
        unknown = max(back[s].max(), 0)
        want, *ends = naive.to_scale(history, len(history) - unknown, float(bounds[0][s]), float(bounds[1][s]), 0.01)
        np.testing.assert_allclose([low[s], high[s]], ends, rtol=1e-12)
        np.testing.assert_allclose(scaled[s, first[s] :], want, rtol=1e-9, atol=1e-9)
        assert np.isnan(scaled[s, : first[s]]).all()
