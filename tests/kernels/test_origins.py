"""Gaps, origins and plain errors: equal to plain twins, and right where one can count."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.origins import naive_errors, seasonal_scale
from tests import naive
from tests.strategies import assert_close, blocks, filled_of, guesses, origins_of, sizes

NAN = np.nan
EDGES = np.array([0, 2, 6], np.int64)


@given(values=blocks(), season=st.sampled_from([1, 5, 24]))
def test_fill_gaps_equals_the_plain_twin(values: np.ndarray, season: int) -> None:
    """Bitwise: filling copies and never computes."""
    filled, first = filled_of(values, season)
    for s in range(len(values)):
        want, start = naive.fill_gaps(values[s].tolist(), season)
        assert start == first[s]
        np.testing.assert_array_equal(filled[s], want)


def test_a_long_gap_carries_three_steps_and_then_repeats_the_season() -> None:
    """Season 5: after 1..6 six steps are missing; 6 6 6 is carried, then comes what was 5 steps before."""
    values = np.array([[NAN, 1, 2, 3, 4, 5, 6, NAN, NAN, NAN, NAN, NAN, NAN, 9.0]])
    filled, first = filled_of(values, 5)
    np.testing.assert_array_equal(filled, [[NAN, 1, 2, 3, 4, 5, 6, 6, 6, 6, 5, 6, 6, 9]])
    assert first.tolist() == [1]


@given(values=blocks(), season=st.sampled_from([1, 5]), cut=st.integers(0, 120))
def test_filling_knows_only_the_past(values: np.ndarray, season: int, cut: int) -> None:
    """What is filled up to a column does not depend on anything after it."""
    cut = min(cut, values.shape[1])
    part = np.ascontiguousarray(values[:, :cut])
    np.testing.assert_array_equal(filled_of(values, season)[0][:, :cut], filled_of(part, season)[0])


@given(
    first=st.lists(st.integers(0, 60), min_size=1, max_size=4), horizon=st.integers(1, 40),
    spacing=st.sampled_from([1, 3, 7, 24]), training=st.integers(1, 30), count=st.integers(2, 8),
)  # fmt: skip
def test_origins_equal_the_plain_twin(first: list[int], horizon: int, spacing: int, training: int, count: int) -> None:
    """Whole spacings back, oldest last, each with enough history, none without a place."""
    got = origins_of(np.array(first), 60, horizon, spacing, training, count)
    assert [naive.place_origins(f, 60, horizon, spacing, training, count) for f in first] == got.tolist()


def test_origins_are_a_horizon_back_when_the_history_allows_it() -> None:
    """A horizon of 5, spaced by 2: 6, 8 and 10 back; of 9 steps half must be known, so 2 and 4."""
    assert origins_of(np.zeros(1, np.int64), 100, 5, 2, 2, 4).tolist() == [[0, 6, 8, 10]]
    assert origins_of(np.zeros(1, np.int64), 9, 5, 2, 2, 4).tolist() == [[0, 2, 4, -1]]
    assert origins_of(np.array([95]), 100, 5, 2, 2, 4).tolist() == [[0, 2, -1, -1]]
    assert origins_of(np.array([100]), 100, 5, 2, 2, 4).tolist() == [[0, -1, -1, -1]]


@given(values=blocks(), season=st.sampled_from([1, 7, 24]))
def test_seasonal_scale_equals_the_plain_twin(values: np.ndarray, season: int) -> None:
    """Mean absolute seasonal difference, one where that is nothing."""
    filled, first = filled_of(values, season)
    got = np.empty(len(values))
    seasonal_scale(filled, first, season, got)
    want = [naive.seasonal_scale(filled[s, first[s] :].tolist(), season) for s in range(len(values))]
    np.testing.assert_allclose(got, want, rtol=1e-9)


@given(values=blocks(), season=st.sampled_from([1, 2, 7]), seed=st.integers(0, 99))
def test_naive_errors_equal_the_plain_twin(values: np.ndarray, season: int, seed: int) -> None:
    """Both errors are taken over the same steps, where a whole season before the origin is known."""
    filled, first = filled_of(values, season)
    back = origins_of(first, values.shape[1], 6, 2, 1, 5)
    combined = guesses(values, back, 1, seed)[:, :, 0].copy()
    got = np.empty((2, len(values), 2))
    naive_errors(values, filled, first, back, combined, season, EDGES, got)
    want = [
        naive.naive_errors(
            values[s].tolist(), filled[s].tolist(), int(first[s]), back[s].tolist(), combined[s].tolist(), season,
            EDGES.tolist(),
        )
        for s in range(len(values))
    ]  # fmt: skip
    assert_close(got.swapaxes(0, 1), np.array(want), sizes(values))
