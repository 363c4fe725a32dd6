"""Trees as arrays: sums, exact shares and bent curves, against plain twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.trees import reshaped, tree_contributions, tree_scores

NODE = tuple[int, float, float]


def forest(seed: int, trees: int, inputs: int) -> tuple[np.ndarray, ...]:
    """Return random trees of depth 0 to 3; the value of an inner node is anything."""
    rng = np.random.default_rng(seed)
    roots, feature, cut, left, right = [], [], [], [], []

    def put(depth: int) -> int:
        place = len(feature)
        inner = depth > 0 and rng.random() < 0.8
        feature.append(int(rng.integers(inputs)) if inner else -1)
        cut.append(float(rng.integers(-3, 4)))
        left.append(-1)
        right.append(-1)
        if inner:
            left[place], right[place] = put(depth - 1), put(depth - 1)
        return place

    for _ in range(trees):
        roots.append(put(3))
    whole = [np.array(column, np.int64) for column in (roots, feature, left, right)]
    return whole[0], whole[1], np.array(cut), whole[2], whole[3], rng.normal(size=len(feature))


def walk(x: np.ndarray, trees: tuple[np.ndarray, ...]) -> tuple[float, list[float]]:
    """Return the sum of one row and the share of each input, and last of the roots."""
    roots, feature, cut, left, right, value = trees
    shares, total = [0.0] * (x.size + 1), 0.0
    for root in roots:
        path = [int(root)]
        while feature[path[-1]] >= 0:
            node = path[-1]
            path.append(int(left[node] if x[feature[node]] <= cut[node] else right[node]))
        shares[-1] += value[root]
        for a, b in zip(path, path[1:], strict=False):
            shares[feature[a]] += value[b] - value[a]
        total += value[path[-1]]
    return total, shares


@given(st.integers(0, 9999), st.integers(0, 6))
def test_sums_and_shares_are_those_of_a_plain_walk(seed: int, count: int) -> None:
    """Each row falls into one leaf per tree; its shares sum to its score."""
    trees = forest(seed, count, 3)
    x = np.random.default_rng(seed).integers(-3, 4, (5, 3)).astype(float)
    scores, shares = np.empty(5), np.empty((5, 4))
    tree_scores(x, *trees, scores)
    tree_contributions(x, *trees, shares)
    want = [walk(row, trees) for row in x]
    np.testing.assert_allclose(scores, [total for total, _ in want], atol=1e-12)
    np.testing.assert_allclose(shares, [row for _, row in want], atol=1e-12)
    np.testing.assert_allclose(shares.sum(axis=1), scores, atol=1e-12)


def bent(curve: list[float], days: list[int], chances: list[float]) -> np.ndarray:
    out = np.empty((1, len(curve)))
    reshaped(np.array([curve]), np.array(days, np.int64), np.array([chances]), out)
    return out[0]


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=12),
    st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=2, max_size=2),
)
def test_a_bent_curve_never_falls_and_meets_what_it_must(steps: list[float], chances: list[float]) -> None:
    """It passes through rising probabilities, stays in [0, 1], and without any is unchanged."""
    curve = sorted(steps)
    days = [len(curve) // 2, len(curve)]
    got = bent(curve, days, chances)
    assert (np.diff(got) >= -1e-12).all()
    assert got[0] >= 0
    assert got[-1] <= 1 + 1e-12
    if np.isnan(chances).all():
        np.testing.assert_array_equal(got, curve)
    highest = 0.0
    for day, wanted in zip(days, chances, strict=True):
        if not np.isnan(wanted):
            highest = max(highest, wanted)
            assert got[day - 1] == pytest.approx(highest)


def test_the_shape_between_two_days_is_kept() -> None:
    """All of the rise came on the third day, and nearly all of the new rise does."""
    got = bent([0.0, 0.0, 0.5, 0.5], [4], [0.25])
    np.testing.assert_allclose(got, [0.25 * s / 0.51 for s in (0.0025, 0.005, 0.5075, 0.51)])


def test_what_is_left_after_the_last_day_shrinks_as_it_did() -> None:
    """From 0.5 to 0.75 half of the rest crosses; half of the new rest does as well."""
    np.testing.assert_allclose(bent([0.5, 0.75], [1], [0.2])[1], 0.6)
