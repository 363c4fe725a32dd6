"""Lines: equal to a plain twin, and right on series drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.trend import cut_history, slopes, trend
from capforecast.models.trend import Trend
from tests import naive
from tests.strategies import WHOLE, assert_close, blocks, sizes, some_origins

H = 6
NAMES = Trend().members(())


def run(values: np.ndarray, first: np.ndarray, back: np.ndarray, window: int = 365, pairs: int = 56) -> np.ndarray:
    out = np.empty((*back.shape, len(NAMES), H))
    trend(values, first, back, window, pairs, 0, out)
    return out


def lines(*levels: float) -> dict[str, np.ndarray]:
    """Forecast one series from its end; return the lines by name."""
    out = run(np.array([levels], float), np.zeros(1, np.int64), np.zeros((1, 1), np.int64))[0, 0]
    return dict(zip(NAMES, out, strict=True))


@given(values=blocks(WHOLE, most=70, rows=3), window=st.sampled_from([20, 365]), seed=st.integers(0, 99))
def test_equals_the_plain_twin(values: np.ndarray, window: int, seed: int) -> None:
    """Every line of every series and origin is what the twin draws through the same history."""
    columns = values.shape[1]
    first = np.isnan(values).sum(axis=1)
    back = some_origins(columns, len(values), seed, 2)
    got = run(values, first, back, window, 12)
    want = np.full_like(got, np.nan)
    for s, o in np.ndindex(*back.shape):
        if back[s, o] >= 0:
            history = values[s, first[s] : columns - back[s, o]].tolist()
            want[s, o] = naive.trend(history, window, 12, H)
    assert_close(got, want, sizes(values), 1e-7)


@given(values=blocks(WHOLE, most=70, rows=3))
def test_slopes_equal_the_plain_twin(values: np.ndarray) -> None:
    """Growth is the median pairwise slope since the last lasting jump."""
    first = np.isnan(values).sum(axis=1)
    slope, change = np.empty(len(values)), np.empty(len(values), np.int64)
    slopes(values, first, 60, 20, slope, change)
    for s in range(len(values)):
        start = max(int(first[s]), values.shape[1] - 60)
        history = values[s, start:].tolist()
        jump = naive.last_change(history, 4) if len(history) >= 2 else 0
        assert start + jump == change[s]
        want = naive.median_slope(history[jump:][-20:]) if len(history) >= 2 else np.nan
        assert_close(slope[s : s + 1], np.array([want]), sizes(values[s : s + 1]))


def test_a_ramp_goes_on_along_every_line() -> None:
    """10, 11, ... 39 goes on with 40, 41, ...; the damped and the halved lines stay below it."""
    got = lines(*range(10, 40))
    for name in ("drift", "drift28", "suffix_line"):
        np.testing.assert_allclose(got[name], [40, 41, 42, 43, 44, 45], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(got["half_slope"], [39.5, 40, 40.5, 41, 41.5, 42])
    np.testing.assert_allclose(got["suffix_damped"][:2], [39 + 0.98, 39 + 0.98 + 0.98**2])


def test_the_median_slope_forgets_what_lies_before_a_clean_up() -> None:
    """Growth of 1 a step, a drop by 50, growth of 1 again: the slope is 1, while the drift is lower."""
    got = lines(*range(50, 70), *range(20, 40))
    np.testing.assert_allclose(got["half_slope"], [39.5, 40, 40.5, 41, 41.5, 42])
    np.testing.assert_allclose(got["drift"][0], 39 + (39 - 50) / 39)


def test_the_suffix_line_forgets_an_older_slope() -> None:
    """Flat at 5 for 30 steps, then rising by 2: the line is the new one."""
    got = lines(*[5.0] * 30, *[7.0 + 2 * i for i in range(10)])
    np.testing.assert_allclose(got["suffix_line"], [27, 29, 31, 33, 35, 37])


@pytest.mark.parametrize("level", [0.0, 0.1, -3.7, 1e15, 1e-12])
def test_a_constant_series_stays_exactly_where_it_is(level: float) -> None:
    """No line rises out of nothing but rounding."""
    got = run(np.full((1, 40), level), np.zeros(1, np.int64), np.zeros((1, 1), np.int64))
    np.testing.assert_allclose(got, level, rtol=1e-14)


def test_fewer_than_five_steps_give_no_line() -> None:
    """Four known steps are too few for every member, five are enough for all."""
    assert np.isnan(run(np.ones((1, 4)), np.zeros(1, np.int64), np.zeros((1, 1), np.int64))).all()
    assert not np.isnan(run(np.ones((1, 5)), np.zeros(1, np.int64), np.zeros((1, 1), np.int64))).any()


@given(
    levels=st.lists(st.sampled_from([10.0, 40.0, 70.0]), min_size=1, max_size=4),
    lengths=st.lists(st.integers(1, 40), min_size=4, max_size=4),
    least=st.sampled_from([5, 21]),
)
def test_cut_history_equals_the_plain_twin(levels: list[float], lengths: list[int], least: int) -> None:
    """Only a jump that stands alone, with enough behind it, moves the start."""
    history = np.concatenate([level + np.arange(n) % 3 for level, n in zip(levels, lengths, strict=False)])
    first = np.array([2])
    cut_history(np.concatenate(([np.nan, np.nan], history))[None, :], 4, least, first)
    assert [2 + naive.cut_history(history.tolist(), 4, least)] == first.tolist()


def test_one_step_cuts_and_a_sawtooth_does_not() -> None:
    """A level shift forgets what was before; clean-ups that come again are how the series behaves."""
    step = np.concatenate((np.arange(50) % 3, 60.0 + np.arange(30) % 3))[None, :]
    saw = np.tile(np.arange(20.0), 4)[None, :]
    for values, want in ((step, 50), (saw, 0)):
        first = np.array([0])
        cut_history(values, 4, 20, first)
        assert first.tolist() == [want]
