"""First passage: when does a path first meet a threshold, and with what probability by when."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def passage(peaks: Floats, weights: Floats, owner: Ints, threshold: Floats, out: Floats) -> None:
    """Accumulate the probability that a threshold has been met, step by step.

    Parameters
    ----------
    peaks : float64 (S, P, D)
        Sustained peaks of each path per step, NaN for paths of weight 0.
    weights : float64 (S, P)
        Probabilities of the paths.
    owner : int64 (R,)
        Series of each threshold.
    threshold : float64 (R,)
        Levels that must not be met, on the sign of the peaks (high hurts).
    out : float64 (R, D)
        Receives P(T <= d), never falling along D; NaN where the series has no paths.
    """
    days = peaks.shape[2]
    for r in range(owner.shape[0]):
        s = owner[r]
        out[r, :] = 0.0
        total = 0.0
        for p in range(peaks.shape[1]):
            w = weights[s, p]
            if w > 0.0:
                total += w
                for d in range(days):
                    if peaks[s, p, d] >= threshold[r]:
                        out[r, d] += w
                        break
        below = 0.0
        for d in range(days):
            below += out[r, d]
            # Sums of the same weights in another order differ by rounding; a higher threshold must not win by it.
            out[r, d] = min(np.round(below * 1e12) / 1e12, 1.0) if total > 0.0 else np.nan


@kernel()
def _order(peaks: Floats, weights: Floats, start: int, stop: int) -> Ints:
    """Return the paths that have weight, by their mean level over some days, lowest first."""
    chosen = np.flatnonzero(weights > 0.0)
    level = np.empty(chosen.size)
    for i in range(chosen.size):
        level[i] = 0.0
        for d in range(start, stop):
            level[i] += peaks[chosen[i], d]
    return chosen[np.argsort(level, kind="mergesort")]


@kernel()
def couple(near: Floats, near_weights: Floats, far: Floats, far_weights: Floats, out: Floats, weights: Floats) -> None:
    """Continue fine paths over a few days with coarse ones over many, high ones with high ones.

    Paths are ranked by their mean level over the last week that both have, and joined in the order of
    their ranks, each pair with the weight that both share. A threshold is then met by joined paths, so
    that a higher one is never met earlier or with more probability.

    Parameters
    ----------
    near : float64 (S, P, D)
        Peaks per day of the fine paths.
    near_weights : float64 (S, P)
        Their probabilities.
    far : float64 (S, Q, E)
        Peaks per day of the coarse paths, E >= D.
    far_weights : float64 (S, Q)
        Their probabilities.
    out : float64 (S, P + Q, E)
        Receives the joined paths: the fine path first, from its end on the coarse one.
    weights : float64 (S, P + Q)
        Receives their probabilities; zero throughout where either side has no path.
    """
    days = near.shape[2]
    start = max(days - 7, 0)
    for s in range(near.shape[0]):
        weights[s, :] = 0.0
        out[s, :, :] = np.nan
        first = _order(near[s], near_weights[s], start, days)
        second = _order(far[s], far_weights[s], start, days)
        if first.size == 0 or second.size == 0:
            continue
        i, j, k = 0, 0, 0
        left, right = near_weights[s, first[0]], far_weights[s, second[0]]
        while i < first.size and j < second.size:
            share = min(left, right)
            out[s, k, :days] = near[s, first[i], :]
            out[s, k, days:] = far[s, second[j], days:]
            weights[s, k] = share
            k += 1
            left -= share
            right -= share
            if left <= 1e-12:
                i += 1
                left = near_weights[s, first[i]] if i < first.size else 0.0
            if right <= 1e-12:
                j += 1
                right = far_weights[s, second[j]] if j < second.size else 0.0


@kernel()
def path_maxima(peaks: Floats, weights: Floats, probability: float, out: Floats) -> None:
    """Find the level that paths exceed anywhere in the horizon with at most the given probability.

    Parameters
    ----------
    peaks : float64 (S, P, D)
        Sustained peaks of each path per step.
    weights : float64 (S, P)
        Probabilities of the paths.
    probability : float
        Allowed probability of a breach.
    out : float64 (S,)
        Receives the level; NaN where the series has no paths.
    """
    for s in range(peaks.shape[0]):
        chosen = np.flatnonzero(weights[s] > 0.0)
        out[s] = np.nan
        if chosen.size == 0:
            continue
        tops = np.empty(chosen.size)
        for i in range(chosen.size):
            tops[i] = np.max(peaks[s, chosen[i]])
        order = np.argsort(tops)
        left = 1.0
        for i in order:
            left -= weights[s, chosen[i]]
            out[s] = tops[i]
            if left <= probability + 1e-12:
                break
