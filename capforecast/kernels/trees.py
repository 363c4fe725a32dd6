"""Sums of decision trees, applied and taken apart without the library that grew them."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def tree_scores(
    x: Floats, roots: Ints, feature: Ints, cut: Floats, left: Ints, right: Ints, value: Floats, out: Floats
) -> None:
    """Add up the leaves that each row falls into.

    Parameters
    ----------
    x : float64 (W, F)
        Inputs, never NaN.
    roots : int64 (K,)
        First node of each tree.
    feature : int64 (N,)
        Input that a node looks at; -1 for a leaf.
    cut : float64 (N,)
        Rows at or below the cut go left.
    left, right : int64 (N,)
        Children of each node.
    value : float64 (N,)
        Mean score below each node; the score of a leaf.
    out : float64 (W,)
        Receives the sums.
    """
    for w in range(x.shape[0]):
        total = 0.0
        for root in roots:
            node = root
            while feature[node] >= 0:
                node = left[node] if x[w, feature[node]] <= cut[node] else right[node]
            total += value[node]
        out[w] = total


@kernel()
def tree_contributions(
    x: Floats, roots: Ints, feature: Ints, cut: Floats, left: Ints, right: Ints, value: Floats, out: Floats
) -> None:
    """Split each row's sum exactly among the inputs.

    Each step down a tree changes the mean score; the change belongs to the input that was looked at.

    Parameters
    ----------
    x, roots, feature, cut, left, right, value
        As for `tree_scores`.
    out : float64 (W, F + 1)
        Receives the share of each input, and last the mean score of the roots; a row sums to its score.
    """
    inputs = x.shape[1]
    out[:, :] = 0.0
    for w in range(x.shape[0]):
        for root in roots:
            node = root
            out[w, inputs] += value[root]
            while feature[node] >= 0:
                following = left[node] if x[w, feature[node]] <= cut[node] else right[node]
                out[w, feature[node]] += value[following] - value[node]
                node = following


@kernel()
def reshaped(curves: Floats, days: Ints, chances: Floats, out: Floats) -> None:
    """Bend curves of cumulative probability so that they pass through given probabilities.

    Between two days the curve keeps its own shape (a hundredth of it even); after the last day
    the rest that does not cross shrinks as it did. The result never falls and stays in [0, 1].

    Parameters
    ----------
    curves : float64 (R, D)
        P(crossed by day d), days counted from 1, never falling.
    days : int64 (K,)
        Rising days within 1 .. D.
    chances : float64 (R, K)
        Probabilities by these days; NaN leaves the curve as it is there.
    out : float64 (R, D)
        Receives the bent curves.
    """
    last_day = curves.shape[1]
    for r in range(curves.shape[0]):
        start, was, now = 0, 0.0, 0.0
        for k in range(days.shape[0]):
            if np.isnan(chances[r, k]):
                continue
            stop, goal = days[k], max(now, min(max(chances[r, k], 0.0), 1.0))
            rise = curves[r, stop - 1] - was
            for d in range(start, stop):
                even = (d + 1 - start) / (stop - start)
                share = (curves[r, d] - was + 0.01 * even) / (rise + 0.01)
                out[r, d] = now + (goal - now) * min(share, 1.0)
            out[r, stop - 1] = goal
            start, was, now = stop, curves[r, stop - 1], goal
        for d in range(start, last_day):
            left = (1.0 - curves[r, d]) / (1.0 - was) if was < 1.0 else 1.0
            out[r, d] = curves[r, d] if start == 0 else 1.0 - (1.0 - now) * left
