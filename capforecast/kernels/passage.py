"""First passage: when does a path first meet a threshold, and with what probability by when."""

from __future__ import annotations

import numpy as np
from numba import njit

from capforecast.panel import Floats, Ints


@njit(cache=True, nogil=True)
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
            out[r, d] = min(below, 1.0) if total > 0.0 else np.nan


@njit(cache=True, nogil=True)
def splice(near: Floats, far: Floats, out: Floats) -> None:
    """Continue a short, fine distribution of dates with a long, coarse one.

    After the last day D of the short one, what has not yet crossed crosses at the rate of the long one:
    ``F(d) = F_near(D) + (1 - F_near(D)) (F_far(d) - F_far(D)) / (1 - F_far(D))``; where the long one
    leaves nothing to cross after D, its value is the floor.

    Parameters
    ----------
    near : float64 (R, D)
        P(T <= d) of the short horizon; D may be 0.
    far : float64 (R, E)
        P(T <= d) of the long horizon, E >= D.
    out : float64 (R, E)
        Receives the spliced probabilities, never falling along E.
    """
    last = near.shape[1]
    for r in range(far.shape[0]):
        for d in range(far.shape[1]):
            if d < last:
                out[r, d] = near[r, d]
            elif last == 0:
                out[r, d] = far[r, d]
            else:
                base, used = near[r, last - 1], far[r, last - 1]
                if used < 1.0 - 1e-12:
                    out[r, d] = min(base + (1.0 - base) * (far[r, d] - used) / (1.0 - used), 1.0)
                else:
                    out[r, d] = max(base, far[r, d])


@njit(cache=True, nogil=True)
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
            if left <= probability:
                break
