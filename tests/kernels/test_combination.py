"""Weights and the combination: equal to plain twins, and right where one can count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.combination import combine, weigh
from tests import naive
from tests.strategies import assert_close, blocks, filled_of, guesses, origins_of, sizes

NAN = np.nan
EDGES = np.array([0, 2, 6], np.int64)
PRIOR = np.array([1.0, 0.0, 1.0])
NO_BOUNDS = np.full(1, -np.inf), np.full(1, np.inf)


def bounds_of(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds that some candidates leave."""
    return -0.2 * scale, 1.2 * scale


def inside(candidates: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Cut candidates to those bounds."""
    low, high = bounds_of(scale)
    return np.clip(candidates, low[:, None, None, None], high[:, None, None, None])


def weighed(
    candidates: np.ndarray,
    values: np.ndarray,
    back: np.ndarray,
    scale: np.ndarray,
    temperature: float = 20.0,
    doubts: tuple[int, float, float] = (0, 0.0, 1.0),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (len(values), EDGES.size - 1)
    weights, error = np.empty((*shape, candidates.shape[2])), np.empty((*shape, candidates.shape[2]))
    scored = np.empty(shape, np.int64)
    prior = PRIOR[: candidates.shape[2]]
    weigh(
        candidates, values, back, EDGES, scale, *bounds_of(scale), prior, temperature, *doubts, weights, error, scored
    )
    return weights, error, scored


@given(
    values=blocks(), members=st.integers(1, 3), seed=st.integers(0, 99), temperature=st.sampled_from([0.0, 3.0, 20.0]),
    doubt=st.sampled_from([0.0, 1.5]), trust=st.sampled_from([1.0, 4.0]),
)  # fmt: skip
def test_weigh_equals_the_plain_twin(
    values: np.ndarray, members: int, seed: int, temperature: float, doubt: float, trust: float
) -> None:
    """Weights, errors and numbers of origins of every bucket."""
    _, first = filled_of(values)
    back = origins_of(first, values.shape[1], 6, 2, 3, 5)
    candidates = guesses(values, back, members, seed)
    scale = sizes(values)
    weights, error, scored = weighed(candidates, values, back, scale, temperature, (members - 1, doubt, trust))
    candidates = inside(candidates, scale)
    for s in range(len(values)):
        want = naive.weigh(
            candidates[s].tolist(), values[s].tolist(), back[s].tolist(), EDGES.tolist(), float(scale[s]),
            PRIOR[:members].tolist(), temperature, members - 1, doubt, trust,
        )  # fmt: skip
        np.testing.assert_allclose(weights[s], want[0], rtol=1e-7, atol=1e-9)
        assert_close(error[s], np.array(want[1]), np.full(len(error[s]), scale[s]))
        assert want[2] == scored[s].tolist()


@given(values=blocks(), seed=st.integers(0, 99))
def test_weights_sum_to_one_or_are_nothing(values: np.ndarray, seed: int) -> None:
    """A row of weights is a distribution without crumbs; it is empty only where no member can forecast."""
    _, first = filled_of(values)
    back = origins_of(first, values.shape[1], 6, 2, 3, 5)
    candidates = guesses(values, back, 3, seed)
    weights, _, _ = weighed(candidates, values, back, np.ones(len(values)))
    whole = weights.sum(axis=2)
    np.testing.assert_allclose(whole[whole > 0], 1.0)
    assert ((weights == 0) | (weights >= 0.01)).all()
    unable = np.isnan(candidates[:, 0, :, 0]) | (np.isnan(candidates[:, 0, :, 0]).all(axis=1))[:, None]
    assert (weights[:, 0][unable] == 0).all()


def one_series(errors: list[float]) -> np.ndarray:
    """Return weights of the first bucket: members that miss a truth of 10 by so much, one origin, scale 1."""
    values = np.full((1, 20), 10.0)
    back = np.array([[0, 6]])
    candidates = np.empty((1, 2, len(errors), 6))
    candidates[:] = 10.0 + np.array(errors)[None, None, :, None]
    shape = (1, 2, len(errors))
    weights, error, scored = np.empty(shape), np.empty(shape), np.empty((1, 2), np.int64)
    weigh(
        candidates,
        values,
        back,
        EDGES,
        np.ones(1),
        *NO_BOUNDS,
        np.ones(len(errors)),
        20.0,
        0,
        0.0,
        1.0,
        weights,
        error,
        scored,
    )
    return weights[0, 0]


def test_weights_follow_the_errors() -> None:
    """Misses of 1 and 1.1: errors 1 + 2/21 and 1.1 + 2.2/21.1; the ratio of weights is exp(-20 (their ratio - 1))."""
    got = one_series([1.0, 1.1])
    small, large = 1 + 2 / 21, 1.1 + 2.2 / 21.1
    np.testing.assert_allclose(got[1] / got[0], np.exp(-20 * (large / small - 1)))
    assert one_series([1.0, 2.0]).tolist() == [1.0, 0.0]
    assert one_series([0.0, 0.0]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e15])
def test_weights_do_not_depend_on_the_unit(scale: float) -> None:
    """The same series in other units has the same weights."""
    rng = np.random.default_rng(3)
    values = 10.0 + rng.normal(size=(1, 40))
    back = origins_of(np.zeros(1, np.int64), 40, 6, 2, 3, 5)
    candidates = 10.0 + rng.normal(size=(1, 5, 3, 6)) / 3
    want = weighed(candidates, values, back, np.ones(1))[0]
    got = weighed(candidates * scale, values * scale, back, np.full(1, scale))[0]
    np.testing.assert_allclose(got, want, rtol=1e-6)


@given(values=blocks(), seed=st.integers(0, 99))
def test_combine_equals_the_plain_twin(values: np.ndarray, seed: int) -> None:
    """The average of the members that forecast, with the weights of the step's bucket."""
    rng = np.random.default_rng(seed)
    back = np.tile([0, 3, -1], (len(values), 1))
    candidates = guesses(values, back, 3, seed)
    weights = rng.random((len(values), 2, 3)) * (rng.random((len(values), 2, 3)) < 0.7)
    got = np.empty((*back.shape, 6))
    combine(candidates, weights, EDGES, *bounds_of(sizes(values)), got)
    candidates = inside(candidates, sizes(values))
    want = [
        [naive.combine(candidates[s, o].tolist(), weights[s].tolist(), EDGES.tolist()) for o in range(3)]
        for s in range(len(values))
    ]
    assert_close(got, np.array(want), sizes(values))
