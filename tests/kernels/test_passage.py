"""First passage: equal to plain twins, and lawful: later is likelier, higher is rarer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.passage import couple, passage, path_maxima
from tests import naive

NAN = np.nan


@st.composite
def futures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw peaks (S, P, D) with ties, and weights (S, P) that sum to one, or to nothing for a series without paths."""
    series, paths, days = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    peaks = rng.integers(0, 12, (series, paths, days)) / 2.0
    weights = rng.integers(0, 5, (series, paths)).astype(float)
    weights[weights.sum(axis=1) == 0, 0] = 1.0
    weights /= weights.sum(axis=1, keepdims=True)
    weights[draw(st.integers(0, 5)) :] = 0.0
    peaks[weights == 0] = NAN
    return peaks, weights


def passed(peaks: np.ndarray, weights: np.ndarray, owner: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    out = np.empty((owner.size, peaks.shape[2]))
    passage(peaks, weights, owner, threshold, out)
    return out


def coupled(near: tuple[np.ndarray, np.ndarray], far: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    count = near[0].shape[1] + far[0].shape[1]
    out, weights = np.empty((len(far[0]), count, far[0].shape[2])), np.empty((len(far[0]), count))
    couple(*near, *far, out, weights)
    return out, weights


@st.composite
def pairs(draw: st.DrawFn) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Draw fine futures of some days and coarse ones of at least as many for one series."""
    near, far = draw(futures()), draw(futures())
    days = min(near[0].shape[2], far[0].shape[2])
    return (near[0][:1, :, :days].copy(), near[1][:1]), (far[0][:1].copy(), far[1][:1])


@given(data=futures(), seed=st.integers(0, 99))
def test_passage_equals_the_plain_twin(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    """Thresholds of any series in any order; a level that is met exactly counts."""
    peaks, weights = data
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, len(peaks), 6)
    threshold = rng.integers(-1, 14, 6) / 2.0
    got = passed(peaks, weights, owner, threshold)
    want = [naive.passage(peaks[s].tolist(), weights[s].tolist(), x) for s, x in zip(owner, threshold, strict=True)]
    # Probabilities are rounded to 12 digits, so that the order of a sum cannot tell them apart.
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-12)


@given(data=futures())
def test_a_higher_threshold_is_never_met_earlier(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Along the thresholds probabilities fall, along the days they rise."""
    peaks, weights = data
    threshold = np.arange(-1.0, 8.0, 0.5)
    got = passed(peaks, weights, np.zeros(threshold.size, np.int64), threshold)
    if weights[0].any():
        assert (np.diff(got, axis=0) <= 1e-15).all()
        assert (np.diff(got, axis=1) >= 0).all()
        assert (got >= 0).all()
        assert (got <= 1).all()


def test_passage_by_hand() -> None:
    """Paths of weight .2, .3, .5 meet 5 on day 3, on day 1 and never."""
    peaks = np.array([[[1, 4, 5], [5, 0, 9], [4, 4.9, 4]]])
    got = passed(peaks, np.array([[0.2, 0.3, 0.5]]), np.zeros(1, np.int64), np.array([5.0]))
    np.testing.assert_allclose(got, [[0.3, 0.3, 0.5]])


@given(data=pairs())
def test_couple_equals_the_plain_twin(data: tuple[tuple[np.ndarray, np.ndarray], ...]) -> None:
    """Each stretch of probability has the fine path and the coarse path of its rank."""
    (near, near_weights), (far, far_weights) = data
    out, weights = coupled(*data)
    want = naive.couple(near[0].tolist(), near_weights[0].tolist(), far[0].tolist(), far_weights[0].tolist())
    got = [(path, w) for path, w in zip(out[0], weights[0], strict=True) if w > 1e-9]
    assert len(want) == len(got)
    for (path, w), (got_path, got_w) in zip(want, got, strict=True):
        np.testing.assert_array_equal(got_path, path)
        np.testing.assert_allclose(got_w, w, atol=1e-9)


@given(data=pairs())
def test_coupling_keeps_both_distributions(data: tuple[tuple[np.ndarray, np.ndarray], ...]) -> None:
    """On the days of the short horizon every threshold is met as on its own, after it as the long one says."""
    (near, near_weights), (far, far_weights) = data
    out, weights = coupled(*data)
    days = near.shape[2]
    owner, threshold = np.zeros(9, np.int64), np.arange(-1.0, 8.0)
    if weights.any():
        np.testing.assert_allclose(weights.sum(), 1.0)
        want = passed(near, near_weights, owner, threshold)
        np.testing.assert_allclose(passed(out, weights, owner, threshold)[:, :days], want, atol=1e-9)
        late = passed(far[:, :, days:].copy(), far_weights, owner, threshold)
        got = passed(out[:, :, days:].copy(), weights, owner, threshold)
        np.testing.assert_allclose(got, late, atol=1e-9)


def test_a_coupling_by_hand() -> None:
    """Weights .5 .5 and .25 .75: the low path goes on as both coarse ones, the high path as the higher one."""
    near = np.array([[[3.0, 4.0], [1.0, 2.0]]])
    far = np.array([[[9.0, 9.0, 8.0], [0.0, 0.0, 5.0]]])
    out, weights = coupled((near, np.array([[0.5, 0.5]])), (far, np.array([[0.75, 0.25]])))
    np.testing.assert_array_equal(out[0, :3], [[1, 2, 5], [1, 2, 8], [3, 4, 8]])
    np.testing.assert_array_equal(weights, [[0.25, 0.25, 0.5, 0.0]])


def test_a_side_without_paths_leaves_nothing() -> None:
    """Without a fine or without a coarse path there is no joined one."""
    some, none = (np.ones((1, 2, 3)), np.full((1, 2), 0.5)), (np.full((1, 2, 3), NAN), np.zeros((1, 2)))
    for data in ((some, none), (none, some)):
        assert coupled(*data)[1].tolist() == [[0.0] * 4]


@given(data=futures(), probability=st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_path_maxima_equal_the_plain_twin(data: tuple[np.ndarray, np.ndarray], probability: float) -> None:
    """The lowest level that is exceeded with at most the probability."""
    peaks, weights = data
    got = np.empty(len(peaks))
    path_maxima(peaks, weights, probability, got)
    want = [naive.path_maximum(p.tolist(), w.tolist(), probability) for p, w in zip(peaks, weights, strict=True)]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("probability", "level"), [(0.1, 9.0), (0.2, 8.0), (0.05, 10.0), (0.95, 1.0)])
def test_ten_equal_paths_exceed_the_ninth_with_a_tenth(probability: float, level: float) -> None:
    """Maxima 1 to 10 of weight .1 each: above 9 lies one path, a tenth exactly, whatever the rounding of the sum."""
    peaks = np.arange(1.0, 11.0)[None, :, None]
    got = np.empty(1)
    path_maxima(peaks, np.full((1, 10), 0.1), probability, got)
    assert level == got[0]
