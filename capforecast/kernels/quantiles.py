"""Quantiles of weighted paths: all steps of a series are sorted side by side."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats


@kernel()
def _exchange(values: Floats, weights: Floats, i: int, j: int) -> None:
    """Put the lower value of two rows, of equal ones the lighter, into row ``i`` at every step, and its weight."""
    low, high, low_weight, high_weight = values[i], values[j], weights[i], weights[j]
    for h in range(low.size):
        a, b, v, w = low[h], high[h], low_weight[h], high_weight[h]
        turned = (a > b) | ((a == b) & (v > w))
        low[h] = b if turned else a
        high[h] = a if turned else b
        low_weight[h] = w if turned else v
        high_weight[h] = v if turned else w


@kernel()
def _sort(values: Floats, weights: Floats) -> None:
    """Sort every column of ``values`` (P, H), and ``weights`` with it.

    Which rows are compared does not depend on the values (merge exchange: Knuth, The Art of Computer
    Programming 3, section 5.2.2, algorithm M), so that the processor compares several steps at once.
    """
    count = values.shape[0]
    top = 1
    while 2 * top < count:
        top *= 2
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while distance > 0:
            for i in range(count - distance):
                if i & p == r:
                    _exchange(values, weights, i, i + distance)
            distance = q - p
            q //= 2
            r = p
        p //= 2


@kernel()
def _interpolate(values: Floats, weights: Floats, left: int, probabilities: Floats, out: Floats) -> None:
    """Fill ``out`` (H, Q) with the quantiles of H sorted columns, the first one ``left``; those without weight last."""
    for h in range(out.shape[0]):
        below, middle_before, value_before = 0.0, 0.0, np.nan
        q = 0
        for i in range(values.shape[0]):
            value, weight = values[i, left + h], weights[i, left + h]
            if weight == 0.0 or q == probabilities.size:
                break
            middle = below + 0.5 * weight
            while q < probabilities.size and probabilities[q] <= middle:
                if i == 0 or middle <= middle_before:
                    out[h, q] = value
                else:
                    part = (probabilities[q] - middle_before) / (middle - middle_before)
                    # Rounding must not carry a quantile past the values it lies between.
                    out[h, q] = min(value_before + part * (value - value_before), value)
                q += 1
            below += weight
            middle_before, value_before = middle, value
        while q < probabilities.size:
            out[h, q] = value_before
            q += 1


@kernel()
def weighted_quantiles(paths: Floats, weights: Floats, probabilities: Floats, start: int, out: Floats) -> None:
    """Take quantiles of weighted paths at every step.

    The distribution function is linear between the midpoints of the sorted weights.

    Parameters
    ----------
    paths : float64 (S, P, H)
        Values, finite where they have a weight; paths of weight 0 are ignored.
    weights : float64 (S, P)
        Probabilities.
    probabilities : float64 (Q,)
        Rising, inside (0, 1).
    start : int
        First step.
    out : float64 (S, H - start, Q)
        Receives the quantiles, rising along Q; NaN where no path has weight.
    """
    most, steps = paths.shape[1], out.shape[1]
    # Short horizons are sorted for several series at once, so that rows are long enough to be worth a call.
    together = max(128 // max(steps, 1), 1)
    values, shares = np.empty((most, together * steps)), np.empty((most, together * steps))
    for begin in range(0, paths.shape[0], together):
        stop = min(begin + together, paths.shape[0])
        values[:, :], shares[:, :] = np.inf, 0.0
        rows = 0
        for s in range(begin, stop):
            count, left = 0, (s - begin) * steps
            for p in range(most):
                if weights[s, p] > 0.0:
                    values[count, left : left + steps] = paths[s, p, start : start + steps]
                    shares[count, left : left + steps] = weights[s, p]
                    count += 1
            rows = max(rows, count)
        _sort(values[:rows], shares[:rows])
        for s in range(begin, stop):
            _interpolate(values[:rows], shares[:rows], (s - begin) * steps, probabilities, out[s])
