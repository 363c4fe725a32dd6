"""Quantiles of weighted paths: equal to a plain twin, rising, and countable by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.quantiles import weighted_quantiles
from tests import naive
from tests.strategies import assert_close

NAN = np.nan


def quantiles_of(values: np.ndarray, weights: np.ndarray, probabilities: tuple[float, ...]) -> np.ndarray:
    out = np.empty((values.shape[0], values.shape[2], len(probabilities)))
    weighted_quantiles(values, weights, np.array(probabilities), 0, out)
    return out


@given(
    count=st.integers(1, 70), seed=st.integers(0, 999), equal=st.booleans(), scale=st.sampled_from([1e-12, 1.0, 1e15])
)
def test_weighted_quantiles_equal_the_plain_twin(count: int, seed: int, equal: bool, scale: float) -> None:
    """Of equal values the lighter is first, so that the order of paths does not matter."""
    rng = np.random.default_rng(seed)
    weights = rng.random((2, count)) * (rng.random((2, count)) < 0.8)
    values = scale * (rng.integers(0, 4, (2, count, 3)) if equal else rng.normal(size=(2, count, 3)))
    total = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    wanted = (0.01, 0.1, 0.25, 0.5, 0.9, 0.99)
    got = quantiles_of(values, weights, wanted)
    want = [
        [[naive.quantile(values[s, :, h].tolist(), weights[s].tolist(), p) for p in wanted] for h in range(3)]
        for s in range(2)
    ]
    assert_close(got, np.array(want), np.full(2, scale), 1e-7)
    if (total > 0).all():
        assert (np.diff(got, axis=2) >= 0).all()


def test_quantiles_by_hand() -> None:
    """Weights .2 .3 .5 of 1, 2, 4: midpoints .1, .35, .75; the median is 2 + 2 (.5 - .35) / .4 = 2.75."""
    values, weights = np.array([[[4.0], [1.0], [2.0]]]), np.array([[0.5, 0.2, 0.3]])
    got = quantiles_of(values, weights, (0.05, 0.1, 0.225, 0.35, 0.5, 0.75, 0.95))
    np.testing.assert_allclose(got, [[[1.0, 1.0, 1.5, 2.0, 2.75, 4.0, 4.0]]])


def test_paths_without_weight_are_ignored() -> None:
    """A path of weight 0 may hold anything, NaN too; without any weight there is no quantile."""
    values = np.array([[[1.0], [NAN], [9e9]], [[NAN], [1.0], [2.0]]])
    got = quantiles_of(values, np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), (0.1, 0.9))
    np.testing.assert_array_equal(got, [[[1.0, 1.0]], [[NAN, NAN]]])
