"""Possible futures: equal to a plain twin, lawful as a distribution, and countable on small series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.origins import fill_gaps, place_origins
from capforecast.kernels.paths import covered, make_paths
from tests import naive
from tests.strategies import assert_close, blocks, sizes

NAN = np.nan
REACH = 6


def made(
    values: np.ndarray, back: np.ndarray, combined: np.ndarray, mean: np.ndarray, *, widen: float = 1.0,
    mirror: float = 1.0, share: float = 0.5, align: int = 1, week: int = 1, span: int = 1, climate: float = 0.0,
    unsure: float = 1.0, blocks: int = 3,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return paths and weights; gaps are carried first."""
    filled, first = np.empty_like(values), np.empty(len(values), np.int64)
    fill_gaps(values, 1, filled, first)
    paths = np.empty((len(values), 2 * (back.shape[1] - 1) + blocks, mean.shape[1]))
    weights = np.empty(paths.shape[:2])
    make_paths(
        values,
        filled,
        first,
        back,
        combined,
        mean,
        widen,
        mirror,
        share,
        align,
        week,
        span,
        climate,
        unsure,
        blocks,
        paths,
        weights,
    )
    return paths, weights


# --- make_paths ---------------------------------------------------------------------------------


@given(
    values=blocks(most=100), horizon=st.sampled_from([6, 7, 20]), align=st.sampled_from([1, 4]),
    week=st.sampled_from([1, 8]), span=st.sampled_from([1, 3]), climate=st.sampled_from([0.0, 1.0]),
    unsure=st.sampled_from([0.0, 0.4, 1.0]), seed=st.integers(0, 99),
)  # fmt: skip
def test_make_paths_equals_the_plain_twin(
    values: np.ndarray, horizon: int, align: int, week: int, span: int, climate: float, unsure: float, seed: int
) -> None:
    """Every path and its weight; weights only where the series moves by more than rounding."""
    rng = np.random.default_rng(seed)
    known = ~np.isnan(values)
    first = np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1]).astype(np.int64)
    back = np.empty((len(values), 4), np.int64)
    place_origins(first, values.shape[1], REACH, 2, 3, back)
    size = sizes(values)
    combined = size[:, None, None] * rng.normal(size=(*back.shape, REACH))
    combined[(back < 0) | (rng.random(back.shape) < 0.1)] = NAN
    combined[:, :, 3:][rng.random(back.shape) < 0.1] = NAN
    mean = size[:, None] * rng.normal(size=(len(values), horizon))
    mean[~known.any(axis=1)] = NAN
    options = {"widen": 1.1, "mirror": 0.5, "share": 0.4, "align": align, "week": week, "span": span}
    paths, weights = made(values, back, combined, mean, **options, climate=climate, unsure=unsure, blocks=5)
    for s in range(len(values)):
        history = naive.fill_gaps(values[s].tolist(), 1)[0][int(first[s]) :]
        measured = values[s].tolist()[int(first[s]) :]
        want = naive.make_paths(
            measured,
            history,
            back[s].tolist(),
            combined[s].tolist(),
            mean[s].tolist(),
            **options,
            climate=climate,
            unsure=unsure,
            most=5,
        )
        if not history or np.ptp(history) > 1e-9 * size[s]:
            np.testing.assert_allclose(weights[s], [w for _, w in want], atol=1e-6)
            assert_close(paths[s], np.array([p for p, _ in want]), np.full(len(paths[s]), size[s]), 1e-6)


@given(values=blocks(most=100), seed=st.integers(0, 99), climate=st.sampled_from([0.0, 0.3, 1.0]))
def test_paths_are_a_distribution(values: np.ndarray, seed: int, climate: float) -> None:
    """Weights are not negative and sum to one where there is a point forecast; paths with weight are known."""
    rng = np.random.default_rng(seed)
    known = ~np.isnan(values)
    first = np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1]).astype(np.int64)
    back = np.empty((len(values), 4), np.int64)
    place_origins(first, values.shape[1], REACH, 2, 3, back)
    combined = rng.normal(size=(*back.shape, REACH))
    combined[back < 0] = NAN
    combined[:, :, 2:][rng.random(back.shape) < 0.3] = NAN
    mean = np.where(known.any(axis=1)[:, None], rng.normal(size=(len(values), 9)), NAN)
    paths, weights = made(values, back, combined, mean, share=0.3, climate=climate, span=3)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), known.any(axis=1).astype(float))
    assert not np.isnan(paths[weights > 0]).any()


def test_residual_paths_by_hand() -> None:
    """Truth 7 9 against forecasts of 6 6: the point forecast plus and minus 1 3, then both times the root of two."""
    values = np.array([[5.0, 7.0, 9.0]])
    combined = np.array([[[0.0, 0.0], [6.0, 6.0]]])
    mean = np.full((1, 4), 10.0)
    paths, weights = made(values, np.array([[0, 2]]), combined, mean, blocks=0)
    # Three steps are too few to tell how much of a level is kept, so all of it is.
    root = np.sqrt(2.0)
    rest = np.array([1.0, 3.0, root, 3.0 * root])
    np.testing.assert_allclose(paths[0], [10.0 + rest, 10.0 - rest])
    np.testing.assert_allclose(weights, [[0.5, 0.5]])


def test_what_was_not_measured_says_nothing() -> None:
    """An origin or a block of filled gaps alone has no weight, one that is half filled half of it.

    With so few steps blocks begin at odd places too, and weigh a quarter there.
    """
    values = np.array([[1.0, 2.0, NAN, NAN, 3.0, NAN, 5.0, 7.0]])
    back, combined = np.array([[0, 2, 4, 6]]), np.full((1, 4, 2), 1.0)
    paths, weights = made(values, back, combined, np.full((1, 2), 10.0), share=0.0, blocks=0)
    np.testing.assert_allclose(weights[0], [1 / 3, 1 / 3, 1 / 6, 1 / 6, 0.0, 0.0])
    assert np.isnan(paths[0, 4:]).all()
    paths, weights = made(values, np.array([[0]]), combined[:, :1], np.full((1, 2), 10.0), share=1.0, align=2, blocks=4)
    np.testing.assert_allclose(weights[0], [1 / 7, 4 / 7, 2 / 7, 0.0])


@pytest.mark.parametrize(("mirror", "want"), [(1.0, [0.5, 0.5]), (0.5, [2 / 3, 1 / 3]), (0.0, [1.0, 0.0])])
def test_mirrored_paths_weigh_what_they_are_given(mirror: float, want: list[float]) -> None:
    """1 against `mirror`, together one."""
    values, combined = np.array([[5.0, 7.0, 9.0]]), np.array([[[0.0, 0.0], [6.0, 6.0]]])
    _, weights = made(values, np.array([[0, 2]]), combined, np.full((1, 2), 10.0), mirror=mirror, blocks=0)
    np.testing.assert_allclose(weights, [want])


def test_residuals_are_widened() -> None:
    """Twice the residual of 1 and 3."""
    values, combined = np.array([[5.0, 7.0, 9.0]]), np.array([[[0.0, 0.0], [6.0, 6.0]]])
    paths, _ = made(values, np.array([[0, 2]]), combined, np.full((1, 2), 10.0), widen=2.0, blocks=0)
    np.testing.assert_allclose(paths[0], [[12.0, 16.0], [8.0, 4.0]])


def test_blocks_of_a_ramp_go_on_with_the_ramp() -> None:
    """0 to 9 keeps its levels: every block, moved to the level of today, is 10, 11, 12, 13, however short it is."""
    values = np.arange(10.0)[None, :]
    none = np.full((1, 1, 2), NAN)
    paths, weights = made(values, np.zeros((1, 1), np.int64), none, np.full((1, 4), 10.0), blocks=4)
    np.testing.assert_allclose(paths[0][weights[0] > 0], np.tile([10.0, 11.0, 12.0, 13.0], (4, 1)))
    np.testing.assert_allclose(weights.sum(), 1.0)


def test_blocks_of_a_level_that_returns_are_hardly_moved() -> None:
    """Noise keeps next to nothing of its newest level, so each block is a window of history as it was."""
    values = np.random.default_rng(4).normal(size=(1, 400))
    values[0, -1] = 8.0
    none = np.full((1, 1, 2), NAN)
    paths, weights = made(values, np.zeros((1, 1), np.int64), none, np.zeros((1, 4)), blocks=5)
    windows = np.lib.stride_tricks.sliding_window_view(values[0], 4)
    assert (weights[0] > 0).all()
    for path in paths[0]:
        assert np.abs(windows - path).max(axis=1).min() < 0.8


def test_blocks_of_whole_weeks_count_threefold() -> None:
    """Blocks of 1 to 7 steps with a week of 4: that of 4 steps weighs three of nine parts."""
    values = np.arange(8.0)[None, :]
    none = np.full((1, 1, 2), NAN)
    _, weights = made(values, np.zeros((1, 1), np.int64), none, np.zeros((1, 1)), week=4, blocks=7)
    np.testing.assert_allclose(weights, np.array([[1, 1, 1, 3, 1, 1, 1]]) / 9)


def test_blocks_have_their_share() -> None:
    """Where both sorts exist, blocks have `share` together; alone, a sort has all."""
    values = np.arange(10.0)[None, :]
    combined = np.full((1, 2, 2), 1.0)
    mean = np.full((1, 2), 10.0)
    _, both = made(values, np.array([[0, 2]]), combined, mean, share=0.3, blocks=4)
    np.testing.assert_allclose([both[0, 4:].sum(), both[0, :4].sum()], [0.7, 0.3])
    _, residuals = made(values[:, -1:], np.array([[0, 1]]), combined, mean, share=0.3, blocks=4)
    np.testing.assert_allclose([residuals[0, 4:].sum(), residuals[0, :4].sum()], [1.0, 0.0])
    _, alone = made(values, np.array([[0, -1]]), combined, mean, share=0.3, blocks=4)
    np.testing.assert_allclose([alone[0, 4:].sum(), alone[0, :4].sum()], [0.0, 1.0])


def test_one_value_gives_its_point_forecast() -> None:
    """Without a past there is one path, the point forecast."""
    paths, weights = made(np.array([[4.0]]), np.array([[0, -1]]), np.full((1, 2, 1), NAN), np.array([[4.0, 5.0]]))
    assert weights.sum() == 1.0
    np.testing.assert_array_equal(paths[weights > 0], [[4.0, 5.0]])


# --- covered ------------------------------------------------------------------------------------


@given(
    values=blocks(most=60), widen=st.sampled_from([0.5, 1.0, 2.0]), most=st.sampled_from([1, 2, 9]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_covered_equals_the_plain_twin(values: np.ndarray, widen: float, most: int, seed: int) -> None:
    """Shares of whole counts, so they are equal to the last bit."""
    rng = np.random.default_rng(seed)
    columns = values.shape[1]
    back = np.minimum(rng.integers(-1, 20, (len(values), 7)), columns)
    combined = sizes(values)[:, None, None] * rng.normal(size=(*back.shape, REACH))
    combined[rng.random(back.shape) < 0.1] = NAN
    edges = np.array([0, 2, REACH], np.int64)
    got = np.empty((len(values), 2))
    covered(values, back, combined, edges, widen, most, got)
    want = [
        naive.covered(values[s].tolist(), back[s].tolist(), combined[s].tolist(), edges.tolist(), widen, most)
        for s in range(len(values))
    ]
    np.testing.assert_array_equal(got, want)


def test_coverage_by_hand() -> None:
    """Residuals 1 2 3 4 5 6 of six origins: only the largest is reached by no other; 5 of 6 are inside."""
    values = np.zeros((1, 10))
    combined = np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])[:, :, None]
    got = np.empty((1, 1))
    covered(values, np.array([[0, 1, 2, 3, 4, 5, 6]]), combined, np.array([0, 1]), 1.0, 9, got)
    np.testing.assert_allclose(got, [[5 / 6]])
    covered(values, np.array([[0, 1, 2, 3, 4, -1, -1]]), combined, np.array([0, 1]), 1.0, 9, got)
    assert np.isnan(got).all(), "of four origins no share is told"
